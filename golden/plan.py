"""The plan of a model: each operation bound once to the arrays that it reads and writes.

An operation whose operands have 16 bits together and whose output has 8 is a table of what its
plain definition gives for every operand; a product of embedded symbols is remembered by symbol.
Whatever else there is calls the plain definition. Nothing here defines arithmetic.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.activation import look_up, pwl
from golden.elementwise import add, multiply
from golden.fixed import ClampCount, Int64
from golden.linear import BatchedMatVec, MatVecSpec, matvec, rounds_in_float64
from golden.model import (
    Add,
    Embedding,
    IntModel,
    LookUp,
    MatVec,
    Multiply,
    Operation,
    Pwl,
    Slice,
)

Codes = NDArray[Any]  # of the narrowest dtype for the bits of the tensor
Kernel = Callable[[], None]
Definition = Callable[..., Int64]  # (*operands, clamps=...) -> codes

DTYPES = {8: np.uint8, 16: np.uint16, 32: np.int64}
CLAMPED = 1 << 8  # flag beside the 8-bit code in an entry of a table


class ClampMap(ClampCount):
    """Beside the count, which values of the last saturation changed."""

    changed: NDArray[np.bool_]

    def add(self, before: Int64, after: Int64) -> None:
        self.changed = before != after
        super().add(before, after)


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
        return elementwise(definition_of(op, spec), inputs, out, clamps)

    def _slice(self, op: Slice) -> Kernel | None:
        """A view, which costs nothing, but a copy of a state: that changes as the step ends."""
        part = self.arrays[op.inputs[0]][:, op.start : op.start + self.arrays[op.output].shape[1]]
        if op.inputs[0] not in self._states:
            self.arrays[op.output] = part
            return None
        copy = self.arrays[op.output]
        return lambda: np.copyto(copy, part)


def definition_of(op: Operation, spec: Any) -> Definition:
    """The plain function of an element-wise operation."""
    match op:
        case Add():
            return lambda *terms, clamps: add(spec, *terms, clamps=clamps)
        case Multiply():
            return lambda a, b, clamps: multiply(spec, a, b, clamps)
        case Pwl():
            return lambda x, clamps: pwl(spec, x, clamps)
        case LookUp():
            return lambda x, clamps: look_up(spec, x)
    raise TypeError(f"{op}: not element-wise")


def elementwise(
    definition: Definition, inputs: list[Codes], out: Codes, clamps: ClampCount
) -> Kernel:
    """out = definition of the inputs, by table where the operands have 16 bits together."""
    bits = [8 * x.itemsize for x in inputs]
    if sum(bits) > 16 or len(bits) > 2 or out.dtype != np.uint8:

        def plain() -> None:
            np.copyto(out, definition(*inputs, clamps=clamps), casting="unsafe")

        return plain
    table = tabulate(definition, bits)
    index = inputs[0] if len(inputs) == 1 else np.empty(out.shape, np.uint16)
    entries = np.empty(out.shape, np.uint16)
    changed = np.empty(out.shape, np.bool_)

    def tabulated() -> None:
        if len(inputs) == 2:
            np.multiply(inputs[0], np.uint16(256), out=index)
            np.add(index, inputs[1], out=index)
        table.take(index, out=entries, mode="clip")  # which never clips, and so needs no copy
        np.greater_equal(entries, CLAMPED, out=changed)
        clamps.clamped += int(np.count_nonzero(changed))
        clamps.seen += out.size
        np.copyto(out, entries, casting="unsafe")  # the code: the low byte

    return tabulated


def tabulate(definition: Definition, bits: list[int]) -> NDArray[np.uint16]:
    """Code, plus CLAMPED where it was clamped, of every operand; the first one's bits on top."""
    operands = np.indices([1 << b for b in bits]).reshape(len(bits), -1)
    clamps = ClampMap()
    codes = definition(*operands, clamps=clamps)
    if clamps.clamped:
        codes = codes + CLAMPED * clamps.changed
    return codes.astype(np.uint16)


def product(spec: MatVecSpec, x: Codes, out: Codes, clamps: ClampCount) -> Kernel:
    """out = matvec of x."""
    if not rounds_in_float64(spec):
        return lambda: np.copyto(out, matvec(spec, x, clamps), casting="unsafe")
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
