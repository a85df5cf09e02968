"""Digits as they are recognized: greedy decoding, and word errors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.feed import Feed
from irnn_hw.data.digits import END, LONGEST, Spoken, heard

MOST = LONGEST + 3  # digits that a string is decoded to

Digits = tuple[int, ...]


def greedy(
    logits: Callable[[NDArray[np.int64]], NDArray[Any]], count: int, most: int = MOST
) -> list[Digits]:
    """The likeliest symbol at each step, up to END or `most` digits, of `count` strings.

    logits: of the next symbol (count, SYMBOLS), after symbols (count, n), END and what was found;
    called once for each n from 1 on."""
    symbols = np.full((count, 1), END)
    while symbols.shape[1] <= most and not (symbols[:, 1:] == END).any(1).all():
        found = logits(symbols).argmax(-1)
        symbols = np.hstack([symbols, found[:, np.newaxis]])
    rows = ([*row, END] for row in symbols[:, 1:].tolist())
    return [tuple(row[: row.index(END)]) for row in rows]


def word_errors(
    recognize: Callable[[Feed], Sequence[Digits]],
    strings: Sequence[Spoken],
    batch: int,
    progress: Callable[[int, int], None] | None = None,
) -> float:
    """Percent of the digits said that are substituted, inserted or deleted.

    recognize: the digits of each string of some, at most `batch` of about one length.
    """
    ordered, wrong = sorted(strings, key=lambda s: len(s.features)), 0
    for first in range(0, len(ordered), batch):
        part = ordered[first : first + batch]
        found = recognize(heard(part))
        wrong += sum(distance(s.digits, f) for s, f in zip(part, found, strict=True))
        if progress is not None:
            progress(first + len(part), len(ordered))
    return 100 * wrong / sum(len(s.digits) for s in ordered)


def distance(a: Sequence[Any], b: Sequence[Any]) -> int:
    """The fewest substitutions, insertions and deletions from a to b (Levenshtein)."""
    row = list(range(len(b) + 1))
    for n, x in enumerate(a, 1):
        diagonal, row[0] = row[0], n
        for m, y in enumerate(b, 1):
            diagonal, row[m] = row[m], min(diagonal + (x != y), row[m] + 1, row[m - 1] + 1)
    return row[-1]
