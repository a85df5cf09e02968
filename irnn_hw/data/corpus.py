"""Text corpora for character language models: training text, held-out text, vocabulary."""

import hashlib
import pydoc_data.topics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.container import read_bytes
from golden.errors import InputError

DEFAULT = "pydoc"
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
MAX_SYMBOLS = 96  # a multiple of every MAC array's rows; pydoc has 103 characters, 7 of them rare
HELD_OUT_FRACTION = 1 / 16
MIN_CHARACTERS = 4096  # less leaves a held-out text of no statistical use
PARAGRAPH = "\n\n"


@dataclass(frozen=True)
class Corpus:
    """Text split in two, and the symbols that count: vocabulary[code] is a character.

    The vocabulary is sorted by frequency in the training text (ties by code point); what is not in
    it is read as UNKNOWN, its last symbol.
    """

    name: str
    train: str
    held_out: str
    vocabulary: str

    @property
    def unknown(self) -> int:
        """The code of UNKNOWN."""
        return len(self.vocabulary) - 1

    @property
    def sha256(self) -> str:
        """Identifies text, split and vocabulary."""
        parts = "\0".join((self.train, self.held_out, self.vocabulary))
        return hashlib.sha256(parts.encode()).hexdigest()

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {character: code for code, character in enumerate(self.vocabulary)}

    def encode(self, text: str) -> NDArray[np.int64]:
        """Codes (len(text),) of the characters of text."""
        codes = (self._codes.get(character, self.unknown) for character in text)
        return np.fromiter(codes, np.int64, len(text))

    def decode(self, codes: ArrayLike) -> str:
        """The characters of codes. Raises InputError for a code outside the vocabulary."""
        array = np.asarray(codes, np.int64).ravel()
        if array.size and not 0 <= array.min() <= array.max() < len(self.vocabulary):
            raise InputError(f"codes: not all in 0..{len(self.vocabulary) - 1}")
        return "".join(self.vocabulary[code] for code in array)


def load_corpus(spec: str = DEFAULT, max_symbols: int = MAX_SYMBOLS) -> Corpus:
    """The corpus that spec names: `pydoc`, `ptb:DIR` (as characters), or a UTF-8 text file.

    Raises InputError for what is missing, not UTF-8, or too short.
    """
    if max_symbols < 2:
        raise InputError(f"max_symbols: {max_symbols}; at least 2, one of them for the unknown")
    if spec == DEFAULT:
        train, held_out = _split(pydoc_text(), spec)
    elif spec.startswith("ptb:"):
        train, held_out = _penn_treebank(Path(spec.removeprefix("ptb:")))
    else:
        train, held_out = _split(_read_text(Path(spec)), spec)
    return Corpus(spec, train, held_out, _vocabulary(train, max_symbols))


def pydoc_text() -> str:
    """The language reference that every Python carries, topics in alphabetical order."""
    topics = pydoc_data.topics.topics
    return PARAGRAPH.join(topics[key] for key in sorted(topics))


def _split(text: str, name: str) -> tuple[str, str]:
    """Training text and held-out text: the last part, at a paragraph's end where there is one.

    A paragraph that also stands in the training text is not held out: it would measure memory.
    """
    if len(text) < MIN_CHARACTERS:
        raise InputError(
            f"corpus {name}: {len(text)} characters; give a text of at least {MIN_CHARACTERS}"
        )
    cut = int(len(text) * (1 - HELD_OUT_FRACTION))
    paragraph = text.find(PARAGRAPH, cut)
    if 0 <= paragraph < (cut + len(text)) // 2:
        cut = paragraph + len(PARAGRAPH)
    train = text[:cut]
    seen = set(train.split(PARAGRAPH))
    held_out = PARAGRAPH.join(p for p in text[cut:].split(PARAGRAPH) if p not in seen)
    if len(held_out) < 2:
        raise InputError(
            f"corpus {name}: the last part repeats the rest, nothing is left to hold out; "
            "give a text that does not repeat itself"
        )
    return train, held_out


def _penn_treebank(folder: Path) -> tuple[str, str]:
    """The train and valid files of Mikolov's Penn Treebank."""
    train, held_out = (_read_text(folder / f"ptb.{part}.txt") for part in ("train", "valid"))
    return train, held_out


def _read_text(path: Path) -> str:
    data = read_bytes(path, "corpus")
    if not data:
        raise InputError(f"corpus {path}: the file is empty; give a UTF-8 text")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InputError(
            f"corpus {path}: not UTF-8 at byte {error.start}; convert it, e.g. with iconv"
        ) from error


def _vocabulary(text: Iterable[str], max_symbols: int) -> str:
    counts = Counter(text)
    counts.pop(UNKNOWN, None)
    ranked = sorted(counts, key=lambda character: (-counts[character], character))
    return "".join(ranked[: max_symbols - 1]) + UNKNOWN
