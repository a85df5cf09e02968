"""Run an IntModel, bit for bit, batched over independent sequences."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from golden.fixed import ClampCount, Int64, integers
from golden.model import Embedding, IntModel, LookUp, Slice
from golden.plan import Codes, Plan


class Tensors(Mapping[str, Int64]):
    """Codes (batch, length) by tensor, read as copies; assignment sets what a state holds."""

    def __init__(self, model: IntModel, arrays: Mapping[str, Codes]):
        self.arrays = arrays
        self._model = model

    def __getitem__(self, name: str) -> Int64:
        return self.arrays[name].astype(np.int64)

    def __setitem__(self, name: str, codes: ArrayLike) -> None:
        """Raises ValueError for codes outside the tensor's bits, or of another shape."""
        values, bits = integers(codes, name), self._model.tensors[name].bits
        if bits < 32 and values.size and (int(values.min()) < 0 or int(values.max()) >> bits):
            raise ValueError(f"{name}: codes outside 0..{(1 << bits) - 1}")
        self.arrays[name][:] = values

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


class Executor:
    """The state of `batch` sequences of a model, advanced one time step a call.

    tensors: the states, and after the first step everything that it computed.
    clamps[tensor] counts the values that saturation changed, over all steps so far.
    """

    def __init__(self, model: IntModel, batch: int = 1):
        self.model = model
        self.batch = batch
        self.clamps = {
            op.output: ClampCount()
            for op in model.operations
            if not isinstance(op, Embedding | Slice | LookUp)
            and model.tensors[op.output].bits != 32
        }
        self._plan = Plan(model, batch, self.clamps)
        tables = [op.table for op in model.operations if isinstance(op, Embedding)]
        self._symbols = min(map(len, tables), default=None)
        self.reset()

    def reset(self) -> None:
        """Put every state at its zero point; clamp counts stay."""
        names = [state.name for state in self.model.states]
        self.tensors = Tensors(self.model, {name: self._plan.arrays[name] for name in names})
        for name in names:
            self._plan.arrays[name][:] = self.model.tensors[name].zero_point

    def step(self, token: ArrayLike) -> Int64:
        """One time step: tokens (batch,) -> output codes or accumulators (batch, length)."""
        self._advance(self._checked(np.broadcast_to(integers(token, "token"), (self.batch,))))
        return self.tensors[self.model.output]

    def run(
        self,
        tokens: ArrayLike,
        keep: Iterable[str] = (),
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, Int64]:
        """Tokens (batch, T) -> {tensor: (batch, T, length)} for the output and those in `keep`."""
        steps = self._checked(integers(tokens, "tokens").reshape(self.batch, -1))
        arrays = {n: self._plan.arrays[n] for n in dict.fromkeys((self.model.output, *keep))}
        shape = (self.batch, steps.shape[1])
        traces = {n: np.empty((*shape, a.shape[1]), np.int64) for n, a in arrays.items()}
        for t in range(steps.shape[1]):
            self._advance(steps[:, t])
            for name, array in arrays.items():
                traces[name][:, t] = array
            if progress is not None:
                progress(t + 1)
        return traces

    def _advance(self, tokens: Int64) -> None:
        self._plan.step(tokens)
        self.tensors.arrays = self._plan.arrays

    def _checked(self, tokens: Int64) -> Int64:
        """tokens. Raises IndexError for a symbol that an embedding does not have."""
        top = self._symbols
        if top is not None and tokens.size and (tokens.min() < 0 or tokens.max() >= top):
            raise IndexError(f"index outside 0..{top - 1}")
        return tokens
