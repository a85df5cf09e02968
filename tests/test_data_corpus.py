"""irnn_hw.data.corpus: text, split, vocabulary."""

import pytest

from golden.errors import InputError
from irnn_hw.data.corpus import MAX_SYMBOLS, UNKNOWN, load_corpus, pydoc_text

WORDS = "the quick brown fox jumps over the lazy dog"


@pytest.fixture(scope="module")
def pydoc():
    return load_corpus()


def _text(tmp_path, data):
    path = tmp_path / "text.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def test_pydoc_is_split_near_its_end(pydoc):
    text = pydoc_text()
    assert text.startswith(pydoc.train)
    assert 0.9 < len(pydoc.train) / len(text) < 0.96
    assert len(pydoc.held_out) > 10_000


def test_nothing_held_out_was_trained_on(pydoc):
    trained = set(pydoc.train.split("\n\n"))
    assert not trained & set(pydoc.held_out.split("\n\n"))


def test_vocabulary_is_by_frequency_and_capped(pydoc):
    assert len(pydoc.vocabulary) == MAX_SYMBOLS
    assert pydoc.vocabulary.startswith(" e")
    assert pydoc.vocabulary[pydoc.unknown] == UNKNOWN
    counts = [pydoc.train.count(character) for character in pydoc.vocabulary[:-1]]
    assert counts == sorted(counts, reverse=True)


def test_codes_survive_a_round_trip_and_rare_characters_become_unknown(pydoc):
    codes = pydoc.encode("def \N{SNOWMAN}:")
    assert codes[4] == pydoc.unknown
    assert pydoc.decode(codes) == f"def {UNKNOWN}:"


@pytest.mark.parametrize("code", [-1, MAX_SYMBOLS])
def test_a_code_outside_the_vocabulary_is_refused(pydoc, code):
    with pytest.raises(InputError, match=r"codes: not all in 0\.\.95"):
        pydoc.decode([0, code])


def test_a_file_of_any_text(tmp_path):
    text = "\n\n".join(f"{WORDS} {n}" for n in range(500))
    corpus = load_corpus(_text(tmp_path, text))
    assert corpus.train + corpus.held_out == text
    assert corpus.train.endswith("\n\n"), "cut between two paragraphs"
    assert set(corpus.vocabulary) == {*text, UNKNOWN}
    assert load_corpus(_text(tmp_path, text)).sha256 == corpus.sha256


def test_a_file_without_paragraphs_and_with_windows_line_ends(tmp_path):
    text = "".join(f"{n} bottles\r\n" for n in range(1000))
    corpus = load_corpus(_text(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert corpus.train + corpus.held_out == text.replace("\r\n", "\n")


def test_the_last_symbol_stands_for_all_beyond_the_cap(tmp_path):
    corpus = load_corpus(_text(tmp_path, "aaabbc\n" * 1000), max_symbols=3)
    assert corpus.vocabulary == "ab" + UNKNOWN
    assert corpus.encode("abcz").tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty; give a UTF-8 text"),
        (b"abc" * 1000 + b"\xff\xfe", "not UTF-8 at byte 3000; convert it"),
        (b"too short", "9 characters; give a text of at least 4096"),
        (b"again\n\n" * 1000, "nothing is left to hold out"),
    ],
)
def test_bad_files_are_refused(tmp_path, data, message):
    with pytest.raises(InputError, match=message):
        load_corpus(_text(tmp_path, data))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read the corpus: No such file"):
        load_corpus(str(tmp_path / "nowhere.txt"))
    with pytest.raises(InputError, match="max_symbols: 1"):
        load_corpus(max_symbols=1)


def test_penn_treebank_brings_its_own_split(tmp_path):
    (tmp_path / "ptb.train.txt").write_text(f" {WORDS} \n" * 100)
    (tmp_path / "ptb.valid.txt").write_text(f" {WORDS} <unk> \n")
    corpus = load_corpus(f"ptb:{tmp_path}")
    assert corpus.held_out == f" {WORDS} <unk> \n"
    assert corpus.encode("<").tolist() == [corpus.unknown], "not in the training text"
    (tmp_path / "ptb.valid.txt").unlink()
    with pytest.raises(InputError, match=r"ptb\.valid\.txt: cannot read the corpus"):
        load_corpus(f"ptb:{tmp_path}")
