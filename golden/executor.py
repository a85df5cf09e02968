"""Run an IntModel, bit for bit, batched over independent sequences."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike

from golden.activation import look_up, pwl
from golden.elementwise import add, multiply
from golden.fixed import ClampCount, Int64, integers
from golden.linear import embedding, matvec
from golden.model import Add, Embedding, IntModel, LookUp, MatVec, Multiply, Pwl, Slice


class Executor:
    """The state of `batch` sequences of a model, advanced one time step a call.

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
        self.reset()

    def reset(self) -> None:
        """Put every state at its zero point; clamp counts stay."""
        self.tensors: dict[str, Int64] = {}
        for state in self.model.states:
            t = self.model.tensors[state.name]
            self.tensors[state.name] = np.full((self.batch, t.length), t.zero_point, np.int64)

    def step(self, token: ArrayLike) -> Int64:
        """One time step: tokens (batch,) -> output codes or accumulators (batch, length)."""
        tokens = np.broadcast_to(integers(token, "token"), (self.batch,))
        values = self.tensors
        for op, spec in zip(self.model.operations, self.model.specs, strict=True):
            clamps = self.clamps.get(op.output)
            inputs = [values[name] for name in op.inputs]
            match op:
                case Embedding():
                    result = embedding(op.table, tokens)
                case MatVec():
                    result = matvec(spec, inputs[0], clamps)
                case Slice():
                    length = self.model.tensors[op.output].length
                    result = inputs[0][:, op.start : op.start + length]
                case Add():
                    result = add(spec, *inputs, clamps=clamps)
                case Multiply():
                    a, b = inputs
                    result = multiply(spec, a, b, clamps)
                case Pwl():
                    result = pwl(spec, inputs[0], clamps)
                case LookUp():
                    result = look_up(spec, inputs[0])
            values[op.output] = result
        values |= {state.name: values[state.source] for state in self.model.states}
        return values[self.model.output]

    def run(
        self,
        tokens: ArrayLike,
        keep: Iterable[str] = (),
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, Int64]:
        """Tokens (batch, T) -> {tensor: (batch, T, length)} for the output and those in `keep`."""
        steps = integers(tokens, "tokens").reshape(self.batch, -1)
        names = dict.fromkeys((self.model.output, *keep))
        shape = {n: (self.batch, steps.shape[1], self.model.tensors[n].length) for n in names}
        traces = {name: np.empty(shape[name], np.int64) for name in names}
        for t in range(steps.shape[1]):
            self.step(steps[:, t])
            for name in names:
                traces[name][:, t] = self.tensors[name]
            if progress is not None:
                progress(t + 1)
        return traces
