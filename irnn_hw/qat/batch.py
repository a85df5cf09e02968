"""What a sequence is fed in torch: symbols and vectors, time first, padding at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from golden.errors import InputError
from golden.feed import Feed


@dataclass(frozen=True)
class Batch:
    """What a sequence is fed. tokens: (T, batch). inputs: (T, batch, length), real numbers or
    centred codes. lengths: (batch,), of the steps that count; None: all. kept: of each dropout, 1
    where it keeps a value and 0 where it drops it, (T, batch, length)."""

    tokens: Tensor | None = None
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    lengths: Tensor | None = None
    kept: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, feed: Feed, dtype: torch.dtype = torch.float32) -> "Batch":
        """A feed (batch, T, ...) with real inputs, or with centred codes."""
        inputs = {
            name: torch.as_tensor(np.asarray(x), dtype=dtype).transpose(0, 1)
            for name, x in feed.inputs.items()
        }
        tokens = None if feed.tokens is None else torch.as_tensor(np.asarray(feed.tokens)).T
        lengths = None if feed.lengths is None else torch.as_tensor(np.asarray(feed.lengths))
        return cls(tokens, inputs, lengths)

    @property
    def shape(self) -> tuple[int, int]:
        """T and batch."""
        found = [x for x in (self.tokens, *self.inputs.values()) if x is not None]
        if not found:
            raise InputError("feed: neither tokens nor inputs; give one of them")
        return found[0].shape[0], found[0].shape[1]

    @property
    def live(self) -> Tensor | None:
        """The steps that count (T, batch); None: all."""
        if self.lengths is None:
            return None
        return torch.arange(self.shape[0])[:, None] < self.lengths

    def flipped(self, x: Tensor) -> Tensor:
        """(T, batch, ...) with the steps that count in reverse, the padding where it was."""
        if self.lengths is None:
            return x.flip(0)
        steps = torch.arange(len(x))[:, None]
        source = torch.where(steps < self.lengths, self.lengths - 1 - steps, steps)
        return x[source, torch.arange(x.shape[1])]


def kept_by(dropout: str) -> str:
    """The tensor that says which values a dropout keeps."""
    return f"{dropout}.kept"
