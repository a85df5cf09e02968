"""The plan of a model: each operation bound once to the arrays that it reads and writes.

An operation whose operands have 16 bits together and whose output has 8 is a table of what its
plain definition gives for every operand; a product of embedded symbols is remembered by symbol.
Whatever else there is calls the plain definition. Nothing here defines arithmetic.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.activation import LutSpec, PwlSpec, look_up, pwl
from golden.elementwise import AddSpec, MultiplySpec, add, multiply
from golden.fixed import ClampCount, Int64
from golden.linear import BatchedMatVec, MatVecSpec, matvec
from golden.model import Embedding, IntModel, MatVec, Operation, Slice

Codes = NDArray[Any]  # of the narrowest dtype for the bits of the tensor
Kernel = Callable[[], None]
Spec = AddSpec | MultiplySpec | PwlSpec | LutSpec

DTYPES = {8: np.uint8, 16: np.uint16, 32: np.int64}
CLAMPED = 1 << 8  # flag beside the 8-bit code in an entry of a table


class ClampMap(ClampCount):
    """Beside the count, which values of the last saturation changed."""

    changed: NDArray[np.bool_]

    def add(self, before: Int64, after: Int64) -> None:
        self.changed = before != after
        super().add(before, after)


class Scratch:
    """What a look-up needs for a moment, shared by all of one shape, so that it stays in cache."""

    def __init__(self, shape: tuple[int, ...]):
        self.index, self.entries = np.empty((2, *shape), np.uint16)
        self.changed = np.empty(shape, np.bool_)


class Plan:
    """The steps of `batch` sequences of a model.

    arrays[tensor]: (batch, length), its codes at the end of the last step. clamps[tensor]: see
    Executor. Symbols given to `step` must be in every embedding's table.
    """

    def __init__(self, model: IntModel, batch: int, clamps: dict[str, ClampCount]):
        self.arrays: dict[str, Codes] = {
            t.name: np.zeros((batch, t.length), DTYPES[t.bits]) for t in model.tensors.values()
        }
        self.tokens = np.zeros(batch, np.int64)
        self._tables = {op.output: op.table for op in model.operations if isinstance(op, Embedding)}
        self._states = {state.name for state in model.states}
        self._scratch = {a.shape: Scratch(a.shape) for a in self.arrays.values()}
        self._kernels: list[Kernel] = []
        for op, spec in zip(model.operations, model.specs, strict=True):
            kernel = self._kernel(op, spec, clamps.get(op.output, ClampCount()))
            if kernel is not None:
                self._kernels.append(kernel)
        arrays = self.arrays
        # Two moves, because a state may be the source of another.
        moves = [(arrays[s.name], np.empty_like(arrays[s.name]), s.source) for s in model.states]
        self._moves = [(state, held, arrays[source]) for state, held, source in moves]

    def step(self, tokens: Int64) -> None:
        """One time step with symbols tokens (batch,)."""
        self.tokens[:] = tokens
        for kernel in self._kernels:
            kernel()
        for _, held, source in self._moves:
            np.copyto(held, source)
        for state, held, _ in self._moves:
            np.copyto(state, held)

    def _kernel(self, op: Operation, spec: Any, clamps: ClampCount) -> Kernel | None:
        out, inputs = self.arrays[op.output], [self.arrays[name] for name in op.inputs]
        match op:
            case Embedding():
                return lambda: _rows(op.table, self.tokens, out)
            case Slice():
                return self._slice(op)
            case MatVec():
                table = self._tables.get(op.inputs[0])
                if table is not None:
                    return embedded_product(spec, table, self.tokens, out, clamps)
                return product(spec, inputs[0], out, clamps)
        return elementwise(spec, inputs, out, clamps, self._scratch[out.shape])

    def _slice(self, op: Slice) -> Kernel | None:
        """A view, which costs nothing, but a copy of a state: that changes as the step ends."""
        part = self.arrays[op.inputs[0]][:, op.start : op.start + self.arrays[op.output].shape[1]]
        if op.inputs[0] not in self._states:
            self.arrays[op.output] = part
            return None
        copy = self.arrays[op.output]
        return lambda: np.copyto(copy, part)


def evaluate(spec: Spec, operands: list[Codes], clamps: ClampCount) -> Int64:
    """The plain definition of an element-wise operation."""
    match spec:
        case AddSpec():
            return add(spec, *operands, clamps=clamps)
        case MultiplySpec():
            a, b = operands
            return multiply(spec, a, b, clamps)
        case PwlSpec():
            return pwl(spec, operands[0], clamps)
        case LutSpec():
            return look_up(spec, operands[0])


def elementwise(
    spec: Spec, inputs: list[Codes], out: Codes, clamps: ClampCount, scratch: Scratch
) -> Kernel:
    """out = spec of the inputs, from a table where they have 16 bits together."""
    bits = tuple(8 * x.itemsize for x in inputs)
    if sum(bits) > 16 or len(bits) > 2 or out.dtype != np.uint8:
        return lambda: np.copyto(out, evaluate(spec, inputs, clamps), casting="unsafe")
    table = tabulate(spec, bits)
    index = inputs[0] if len(inputs) == 1 else scratch.index
    entries, changed = scratch.entries, scratch.changed

    def look() -> None:
        if len(inputs) == 2:
            np.multiply(inputs[0], np.uint16(256), out=index)
            np.add(index, inputs[1], out=index)
        table.take(index, out=entries, mode="clip")  # no index is clipped: "raise" would copy
        np.greater_equal(entries, CLAMPED, out=changed)
        clamps.clamped += int(np.count_nonzero(changed))
        clamps.seen += out.size
        np.copyto(out, entries, casting="unsafe")  # the code: the low byte

    return look


@lru_cache(maxsize=256)
def tabulate(spec: Spec, bits: tuple[int, ...]) -> NDArray[np.uint16]:
    """Code, plus CLAMPED where it was clamped, of every operand; the first one's bits on top."""
    operands = np.indices([1 << b for b in bits]).reshape(len(bits), -1)
    clamps = ClampMap()
    codes = evaluate(spec, list(operands), clamps)
    if clamps.clamped:
        codes = codes + CLAMPED * clamps.changed
    return codes.astype(np.uint16)


def product(spec: MatVecSpec, x: Codes, out: Codes, clamps: ClampCount) -> Kernel:
    """out = matvec of x."""
    batched = BatchedMatVec(spec, len(x))
    return lambda: batched(x, out, clamps)


def embedded_product(
    spec: MatVecSpec, table: NDArray[np.uint8], tokens: Int64, out: Codes, clamps: ClampCount
) -> Kernel:
    """out = matvec of the rows of a table; each is computed when its symbol is first seen."""
    products = np.empty((len(table), out.shape[1]), out.dtype)
    clamped = np.zeros(len(table), np.int64)
    known = np.zeros(len(table), np.bool_)

    def kernel() -> None:
        if not known.take(tokens).all():
            new = np.unique(tokens[~known[tokens]])
            count = ClampMap()
            products[new] = matvec(spec, table[new], count)
            if count.clamped:
                clamped[new] = count.changed.sum(axis=1)
            known[new] = True
        _rows(products, tokens, out)
        clamps.clamped += int(clamped.take(tokens).sum())
        clamps.seen += out.size

    return kernel


def _rows(table: Codes, tokens: Int64, out: Codes) -> None:
    table.take(tokens, axis=0, out=out, mode="clip")  # mode: without it take copies first
