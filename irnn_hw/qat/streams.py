"""Windows of symbols for truncated backpropagation: parallel streams of one long text."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from golden.errors import InputError


@dataclass(frozen=True)
class SymbolWindow:
    """inputs, targets: (T, batch); targets are the next symbols. fresh: the first of its streams,
    whose states start anew."""

    inputs: Tensor
    targets: Tensor
    fresh: bool


@dataclass(frozen=True)
class Streams:
    """inputs, targets (steps, batch), read in windows of `length` steps, again and again."""

    inputs: Tensor
    targets: Tensor
    length: int

    @classmethod
    def of(cls, symbols: NDArray[np.int64], batch: int, length: int, source: str) -> "Streams":
        """`batch` parallel streams of the symbols (N,). Raises InputError, naming the source, where
        they do not fill a window, and for none of either."""
        if batch < 1 or length < 1:
            raise InputError(f"{source}: {batch} streams of {length}; give positive numbers")
        steps = (len(symbols) - 1) // batch
        if steps < length:
            raise InputError(
                f"{source}: {len(symbols)} characters do not fill {batch} streams of "
                f"{length}; give a longer text"
            )
        inputs, targets = (
            np.ascontiguousarray(s[: batch * steps].reshape(batch, steps).T)
            for s in (symbols, symbols[1:])
        )
        return cls(torch.as_tensor(inputs), torch.as_tensor(targets), length)

    @property
    def windows(self) -> int:
        """Of one pass."""
        return (len(self.inputs) - self.length) // self.length + 1

    def window(self, step: int) -> SymbolWindow:
        """The window of a step of training."""
        first = step * self.length % (len(self.inputs) - self.length + 1)
        first -= first % self.length
        rows = slice(first, first + self.length)
        return SymbolWindow(self.inputs[rows], self.targets[rows], first == 0)
