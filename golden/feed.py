"""What a batch of sequences is fed, checked once, time first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.fixed import Int64, integers, within_bits
from golden.kernels import Codes
from golden.model import IntModel
from golden.operations import Embedding, Input
from golden.plan import DTYPES


@dataclass(frozen=True)
class Feed:
    """tokens (batch, T): symbols, where there is an embedding. inputs: codes (batch, T, length) of
    each Input. lengths (batch,), 1..T: the steps that count, the rest is padding; None: all T."""

    tokens: ArrayLike | None = None
    inputs: Mapping[str, ArrayLike] = field(default_factory=dict)
    lengths: ArrayLike | None = None


Feeds = ArrayLike | Feed | Mapping[str, ArrayLike | Feed]


@dataclass(frozen=True)
class Sequence:
    """tokens (T, batch), codes (T, batch, length) of inputs, lengths (batch,)."""

    steps: int
    tokens: Int64 | None
    codes: dict[str, Codes]
    lengths: Int64
    ragged: bool

    @property
    def live(self) -> NDArray[np.bool_] | None:
        """The steps that count (T, batch); None: all."""
        return np.arange(self.steps)[:, np.newaxis] < self.lengths if self.ragged else None

    def flipped(self, codes: NDArray[Any]) -> NDArray[Any]:
        """(T, batch, ...) with the steps that count in reverse, the padding where it was."""
        if not self.ragged:
            return codes[::-1]
        steps = np.arange(self.steps)[:, np.newaxis]
        source = np.where(steps < self.lengths, self.lengths - 1 - steps, steps)
        return codes[source, np.arange(codes.shape[1])]


class Feeder:
    """Checks what the sequences of a model are fed."""

    def __init__(self, model: IntModel, batch: int):
        self._batch, self._bits = batch, {n: t.bits for n, t in model.tensors.items()}
        self._lengths = {n: t.length for n, t in model.tensors.items()}
        self.names = list(dict.fromkeys(scan.sequence for scan in model.scans))
        self._symbols: dict[str, int] = {}
        self._inputs: dict[str, list[str]] = {name: [] for name in self.names}
        for scan in model.scans:
            for op in scan.operations:
                if isinstance(op, Input):
                    self._inputs[scan.sequence].append(op.output)
                elif isinstance(op, Embedding):
                    symbols = self._symbols.get(scan.sequence, len(op.table))
                    self._symbols[scan.sequence] = min(symbols, len(op.table))

    def checked(self, feeds: Feeds) -> dict[str, Sequence]:
        """By sequence. Raises ValueError, TypeError naming what does not fit, IndexError for a
        symbol that an embedding does not have."""
        if not isinstance(feeds, Mapping):
            if len(self.names) > 1:
                raise ValueError(f"feeds: name one of the sequences {', '.join(self.names)}")
            feeds = {self.names[0]: feeds}
        for name in feeds:
            if name not in self.names:
                raise ValueError(f"feeds: no sequence {name}; there are {', '.join(self.names)}")
        return {
            name: self._sequence(name, feed if isinstance(feed, Feed) else Feed(feed))
            for name, feed in feeds.items()
        }

    def _sequence(self, name: str, feed: Feed) -> Sequence:
        tokens = None
        if name in self._symbols:
            tokens = self._tokens(name, feed.tokens)
        elif feed.tokens is not None:
            raise ValueError(f"sequence {name}: reads no symbols")
        if set(feed.inputs) != set(self._inputs[name]):
            raise ValueError(
                f"sequence {name}: inputs {', '.join(feed.inputs) or 'none'} given, "
                f"{', '.join(self._inputs[name]) or 'none'} expected"
            )
        codes = {n: self._codes(n, feed.inputs[n]) for n in self._inputs[name]}
        steps = {len(a) for a in (tokens, *codes.values()) if a is not None}
        if len(steps) != 1:
            raise ValueError(f"sequence {name}: fed {sorted(steps)} steps; one number expected")
        (count,) = steps
        lengths = np.full(self._batch, count, np.int64)
        if feed.lengths is not None:
            lengths = integers(feed.lengths, "lengths")
            if lengths.shape != (self._batch,) or np.any((lengths < 1) | (lengths > count)):
                raise ValueError(f"sequence {name}: lengths: {self._batch} of 1..{count} expected")
        return Sequence(count, tokens, codes, lengths, bool(np.any(lengths < count)))

    def _tokens(self, name: str, tokens: ArrayLike | None) -> Int64:
        if tokens is None:
            raise ValueError(f"sequence {name}: tokens expected")
        steps, top = integers(tokens, "tokens"), self._symbols[name]
        if steps.ndim != 2 or len(steps) != self._batch:
            raise ValueError(f"tokens: shape {steps.shape} for a batch of {self._batch}")
        if steps.size and (steps.min() < 0 or steps.max() >= top):
            raise IndexError(f"index outside 0..{top - 1}")
        return steps.T

    def _codes(self, name: str, codes: ArrayLike) -> Codes:
        values, bits = within_bits(codes, self._bits[name], name), self._bits[name]
        if values.ndim != 3 or values.shape[::2] != (self._batch, self._lengths[name]):
            expected = f"({self._batch}, T, {self._lengths[name]})"
            raise ValueError(f"{name}: shape {values.shape}, {expected} expected")
        return np.ascontiguousarray(values.swapaxes(0, 1), DTYPES[bits])
