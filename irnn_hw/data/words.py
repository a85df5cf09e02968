"""Word corpora for language models, Penn Treebank and WikiText-2, checked by SHA-256."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.container import read_bytes
from golden.errors import InputError

DATA = "IRNN_DATA"  # the environment variable that names the folder of the corpora
TASK = "word-lm"  # in the metadata of models of words
EOS = "<eos>"  # ends every line
PARTS = ("train", "valid", "test")

Tokens = NDArray[np.int32]


@dataclass(frozen=True)
class Source:
    """Where a corpus lies below the folder, and where it is from. digests: SHA-256 by part."""

    pattern: str
    origin: str
    digests: dict[str, str]


SOURCES = {
    "ptb": Source(
        "ptb/ptb.{}.txt",
        "simple-examples of Mikolov's RNNLM toolkit, folder data",
        {
            "train": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            "valid": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            "test": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
        },
    ),
    "wikitext-2": Source(
        "wikitext-2/wiki.{}.tokens",
        "wikitext-2-v1 of Merity et al. 2016",
        {
            "train": "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
            "valid": "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
            "test": "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
        },
    ),
}


@dataclass(frozen=True)
class WordCorpus:
    """Codes of the words of each part; vocabulary[code] is a word.

    The vocabulary is sorted by frequency in the training part, ties in alphabetical order, so that
    code 0 is the most frequent one.
    """

    name: str
    train: Tokens
    valid: Tokens
    test: Tokens
    vocabulary: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Identifies codes and vocabulary."""
        digest = hashlib.sha256("\n".join(self.vocabulary).encode())
        for part in PARTS:
            digest.update(b"\0" + getattr(self, part).tobytes())
        return digest.hexdigest()


def load_words(name: str, folder: Path | None = None) -> WordCorpus:
    """The corpus `ptb` or `wikitext-2` below `folder`, or below $IRNN_DATA.

    Raises InputError for another name, a folder that is not told, a file that is missing or not
    the published one.
    """
    if name not in SOURCES:
        raise InputError(f"corpus {name}: unknown; one of {', '.join(SOURCES)}")
    source, folder = SOURCES[name], data_folder(folder)
    lines = {part: _words(folder, name, source, part) for part in PARTS}
    counts = Counter(lines["train"])
    vocabulary = tuple(sorted(counts, key=lambda word: (-counts[word], word)))
    codes = {word: code for code, word in enumerate(vocabulary)}
    return WordCorpus(name, *(_encode(lines[part], codes, name) for part in PARTS), vocabulary)


def data_folder(folder: Path | None) -> Path:
    """The folder that was told, or that of the environment. Raises InputError for neither."""
    if folder is None and not os.environ.get(DATA):
        raise InputError(f"data: no folder; give --data DIR, or set {DATA}")
    return Path(os.environ[DATA]) if folder is None else folder


def _words(folder: Path, name: str, source: Source, part: str) -> list[str]:
    path = folder / source.pattern.format(part)
    if not path.is_file():
        raise InputError(f"corpus {name}: {path} is missing; take it from {source.origin}")
    data = read_bytes(path, "corpus")
    if hashlib.sha256(data).hexdigest() != source.digests[part]:
        raise InputError(f"corpus {name}: {path} is not the file of {source.origin}")
    return list(_split(data.decode()))


def _split(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from line.split()
        yield EOS


def _encode(words: list[str], codes: dict[str, int], name: str) -> Tokens:
    try:
        return np.fromiter((codes[word] for word in words), np.int32, len(words))
    except KeyError as error:
        raise InputError(f"corpus {name}: {error} is not in its training part") from error
