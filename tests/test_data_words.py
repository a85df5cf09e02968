import hashlib
from pathlib import Path

import pytest

from golden.errors import InputError
from irnn_hw.data import words
from irnn_hw.data.words import DATA, Source, load_words

TEXTS = {"train": " the cat sat \n the dog \n", "valid": " the cat \n", "test": " dog sat \n"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A corpus `small` below tmp_path, with its digests."""
    digests = {}
    for part, text in TEXTS.items():
        (tmp_path / f"{part}.txt").write_text(text)
        digests[part] = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setitem(words.SOURCES, "small", Source("{}.txt", "nowhere", digests))
    return tmp_path


def test_words_by_frequency_and_a_mark_at_every_line(folder):
    corpus = load_words("small", folder)
    assert corpus.vocabulary == ("<eos>", "the", "cat", "dog", "sat")
    assert corpus.train.tolist() == [1, 2, 4, 0, 1, 3, 0]
    assert corpus.valid.tolist() == [1, 2, 0]
    assert corpus.test.tolist() == [3, 4, 0]


def test_the_environment_tells_the_folder(folder, monkeypatch):
    told = load_words("small", folder)
    monkeypatch.setenv(DATA, str(folder))
    assert load_words("small").sha256 == told.sha256
    monkeypatch.delenv(DATA)
    with pytest.raises(InputError, match=f"^data: no folder; give --data DIR, or set {DATA}$"):
        load_words("small")


def test_an_altered_or_missing_file_is_named(folder):
    (folder / "valid.txt").write_text("the dog\n")
    with pytest.raises(InputError, match=r"valid\.txt is not the file of nowhere$"):
        load_words("small", folder)
    (folder / "valid.txt").unlink()
    with pytest.raises(InputError, match=r"valid\.txt is missing; take it from nowhere$"):
        load_words("small", folder)
    with pytest.raises(InputError, match=r"^corpus large: unknown; one of ptb, wikitext-2, small$"):
        load_words("large", folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "symbols", "sizes"),
    [
        ("ptb", 10_000, (929_589, 73_760, 82_430)),
        ("wikitext-2", 33_278, (2_088_628, 217_646, 245_569)),
    ],
)
def test_the_published_corpora(name, symbols, sizes):
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the corpora are not beside the project")
    corpus = load_words(name, folder)
    assert len(corpus.vocabulary) == symbols
    assert tuple(len(getattr(corpus, part)) for part in words.PARTS) == sizes
