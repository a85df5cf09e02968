"""The plan of operations: each bound once to the arrays that it reads and writes.

Operations whose operands have 16 bits together and whose output has 8 are a table of what their
plain definitions give for every operand; a product of embedded symbols is remembered by symbol.
Whatever else there is calls the plain definition. Nothing here defines arithmetic.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.activation import LutSpec, PwlSpec, look_up, pwl
from golden.attention import AttentionClamps, AttentionSpec, Memory, attend
from golden.batched import BatchedMatVec
from golden.elementwise import (
    AddSpec,
    AffineSpec,
    MultiplySpec,
    add,
    affine,
    minimum,
    multiply,
    one_minus,
)
from golden.fixed import ClampCount, Int64
from golden.linear import MatVecSpec, matvec
from golden.madnorm import MadNormClamps, MadNormSpec, madnorm
from golden.model import IntModel
from golden.operations import (
    Attend,
    Concatenate,
    Embedding,
    LookUp,
    MadNorm,
    MatVec,
    Minimum,
    OneMinus,
    Operation,
    Pwl,
    Slice,
    stepwise,
    written,
)

Codes = NDArray[Any]  # of the narrowest dtype for the bits of the tensor
Kernel = Callable[[], None]
Spec = AddSpec | MultiplySpec | PwlSpec | LutSpec

DTYPES = {8: np.uint8, 16: np.uint16, 32: np.int32}
CLAMPED = 1 << 8  # flag beside the 8-bit code in an entry of a table, of the first operation


class Rows:
    """Which rows of a plan count: of a batch of sequences, those that have not ended."""

    mask: NDArray[np.bool_] | None = None  # None: all


class RowClamps(ClampCount):
    """A saturation seen by a plan: counts to `total` what changed in the rows that count."""

    def __init__(self, total: ClampCount, rows: Rows):
        self.total, self.rows = total, rows

    def tally(self, changed: NDArray[np.bool_]) -> None:
        self.total.tally(changed if self.rows.mask is None else changed[self.rows.mask])


class ClampMap(ClampCount):
    """Beside the count, which values of the last saturation changed."""

    changed: NDArray[np.bool_]

    def tally(self, changed: NDArray[np.bool_]) -> None:
        self.changed = changed
        super().tally(changed)


class RangeClamps(ClampCount):
    """Beside the count, the smallest and the largest code of all."""

    low: int | None = None
    high: int | None = None

    def add(self, before: Int64, after: Int64) -> None:
        super().add(before, after)
        if after.size:
            low, high = int(after.min()), int(after.max())
            self.low = low if self.low is None else min(low, self.low)
            self.high = high if self.high is None else max(high, self.high)


class Scratch:
    """What a look-up needs for a moment, shared by all of one shape, so that it stays in cache."""

    def __init__(self, shape: tuple[int, ...]):
        self.index, self.entries = np.empty((2, *shape), np.uint16)


class Plan:
    """Operations for `rows` independent vectors a tensor.

    given: arrays (rows, length) that other plans own. arrays[tensor]: (rows, length), what it holds
    after `run`. clamps: by tensor. hidden: tensors that nobody but the one operation that
    reads them sees, so that they need not be there. memories: of each attention, by its output.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        model: IntModel,
        rows: int,
        clamps: Mapping[str, ClampCount],
        given: Mapping[str, Codes],
        hidden: Container[str] = (),
    ):
        self.rows, self.arrays = Rows(), dict(given)
        self.tokens = np.zeros(rows, np.int64)
        self.memories: dict[str, Memory] = {}
        self._spec, self._hidden = model.spec, hidden
        self._totals = clamps
        self._clamps = {name: RowClamps(clamps[name], self.rows) for name in clamps}
        self._producers: dict[str, Operation] = {op.output: op for op in operations}
        self._scratch: dict[tuple[int, ...], Scratch] = {}
        for op in operations:
            for name in stepwise(op):
                t = model.tensors[name]
                self.arrays[name] = np.zeros((rows, t.length), DTYPES[t.bits])
        kernels = [self._kernel(op) for op in operations]
        self._kernels = [kernel for kernel in kernels if kernel is not None]

    def run(self) -> None:
        """Every operation once, on what the arrays hold."""
        for kernel in self._kernels:
            kernel()

    def _kernel(self, op: Operation) -> Kernel | None:
        out, spec = self.arrays[op.output], self._spec(op.output)
        inputs = [self.arrays[name] for name in op.inputs if name in self.arrays]
        match op:
            case Embedding():
                return lambda: _rows(op.table, self.tokens, out)
            case Slice():  # a view, which costs nothing
                self.arrays[op.output] = inputs[0][:, op.start : op.start + out.shape[1]]
                return None
            case MatVec():
                return self._product(op, spec, inputs[0], out)
            case MadNorm():
                return self._madnorm(op, spec, inputs[0], out)
            case Attend():
                return self._attend(op, spec, inputs[0], out)
            case Concatenate():
                return lambda: _joined(inputs, out)
            case Minimum():
                return lambda: np.copyto(out, minimum(*inputs), casting="unsafe")
            case OneMinus():
                bits, clamps = 8 * inputs[0].itemsize, self._clamps[op.output]
                return lambda: np.copyto(
                    out, one_minus(spec, inputs[0], bits, clamps), casting="unsafe"
                )
        return self._elementwise(op, spec, inputs, out)

    def _product(self, op: MatVec, spec: MatVecSpec, x: Codes, out: Codes) -> Kernel:
        clamps = self._clamps.get(op.output)
        source = self._producers.get(op.inputs[0])
        if isinstance(source, Embedding):
            return embedded_product(spec, source.table, self.tokens, out, clamps)
        batched = BatchedMatVec(spec, len(x))
        return lambda: batched(x, out, clamps)

    def _elementwise(
        self, op: Operation, spec: Spec, inputs: list[Codes], out: Codes
    ) -> Kernel | None:
        """One operation, or, where its operand is hidden, that one's and its own."""
        if op.output in self._hidden:
            return None
        chain: tuple[Spec, ...] = (spec,)
        clamps = [self._totals.get(op.output)]
        if isinstance(op, Pwl | LookUp) and op.inputs[0] in self._hidden:
            first = self._producers[op.inputs[0]]
            inputs = [self.arrays[name] for name in first.inputs]
            chain = (self._spec(first.output), spec)
            clamps = [self._totals.get(first.output), *clamps]
        scratch = self._scratch.setdefault(out.shape, Scratch(out.shape))
        return elementwise(chain, inputs, out, clamps, scratch, self.rows)

    def _madnorm(self, op: MadNorm, spec: MadNormSpec, x: Codes, out: Codes) -> Kernel:
        names = (op.mean, op.centred, op.deviation, op.output)
        clamps = MadNormClamps(*(self._clamps[name] for name in names))
        targets = [self.arrays[name] for name in names]

        def kernel() -> None:
            for target, codes in zip(targets, madnorm(spec, x, clamps), strict=True):
                np.copyto(target, codes.reshape(target.shape), casting="unsafe")

        return kernel

    def _attend(self, op: Attend, spec: AttentionSpec, query: Codes, out: Codes) -> Kernel:
        """Over the memory of the rows that count; the others keep what they hold."""
        counts = [self._totals[name] for name in written(op)]
        clamps = AttentionClamps(*counts)

        def kernel() -> None:
            mask = self.rows.mask
            if mask is None or mask.all():
                out[:] = attend(spec, query, self.memories[op.output], clamps).context
            elif mask.any():
                memory = self.memories[op.output].of(mask)
                out[mask] = attend(spec, query[mask], memory, clamps).context

        return kernel


def evaluate(spec: Spec | AffineSpec, operands: list[Any], clamps: ClampCount | None) -> Int64:
    """The plain definition of an element-wise operation."""
    match spec:
        case AddSpec():
            return add(spec, *operands, clamps=clamps)
        case MultiplySpec():
            a, b = operands
            return multiply(spec, a, b, clamps)
        case PwlSpec():
            return pwl(spec, operands[0], clamps)
        case AffineSpec():
            return affine(spec, operands[0], clamps)
        case LutSpec():
            return look_up(spec, operands[0])


def elementwise(
    chain: tuple[Spec, ...],
    inputs: list[Codes],
    out: Codes,
    clamps: Sequence[ClampCount | None],
    scratch: Scratch,
    rows: Rows,
) -> Kernel:
    """out = the specs of the chain one after another, from a table where the inputs have 16 bits
    together. clamps: of each spec, in the rows that count."""
    bits = tuple(8 * x.itemsize for x in inputs)
    if not tabulated(chain, bits, 8 * out.itemsize):
        (spec,), (total,) = chain, clamps
        count = None if total is None else RowClamps(total, rows)
        return lambda: np.copyto(out, evaluate(spec, inputs, count), casting="unsafe")
    table = tabulate(chain, bits)
    index = inputs[0] if len(inputs) == 1 else scratch.index
    entries = scratch.entries
    flags = [(np.uint16(CLAMPED << n), c) for n, c in enumerate(clamps) if c is not None]

    def look() -> None:
        if len(inputs) == 2:
            np.multiply(inputs[0], np.uint16(256), out=index)
            np.add(index, inputs[1], out=index)
        table.take(index, out=entries, mode="wrap")  # no index wraps: "raise" would copy
        np.copyto(out, entries, casting="unsafe")  # the code: the low byte
        for flag, total in flags:
            flagged = np.bitwise_and(entries, flag, out=scratch.index)
            counted = flagged if rows.mask is None else flagged[rows.mask]
            total.clamped += int(np.count_nonzero(counted))
            total.seen += counted.size

    return look


def tabulated(chain: Sequence[Any], bits: Sequence[int], out_bits: int) -> bool:
    """Whether a table of these specs pays: one entry for every operand, an 8-bit code in it."""
    kinds = all(isinstance(spec, AddSpec | MultiplySpec | PwlSpec | LutSpec) for spec in chain)
    return kinds and sum(bits) <= 16 and len(bits) <= 2 and out_bits == 8


@lru_cache(maxsize=256)
def tabulate(chain: tuple[Spec, ...], bits: tuple[int, ...]) -> NDArray[np.uint16]:
    """Code, plus CLAMPED << n where the n-th spec clamped, of every operand; the first one's bits
    on top."""
    operands: list[Any] = list(np.indices([1 << b for b in bits]).reshape(len(bits), -1))
    flags: Int64 = np.zeros(1 << sum(bits), np.int64)
    for n, spec in enumerate(chain):
        clamps = ClampMap()
        operands = [evaluate(spec, operands, clamps)]
        if clamps.clamped:
            flags += (CLAMPED << n) * clamps.changed
    entries: NDArray[np.uint16] = (operands[0] + flags).astype(np.uint16)
    return entries


def embedded_product(
    spec: MatVecSpec,
    table: NDArray[np.uint8],
    tokens: Int64,
    out: Codes,
    clamps: ClampCount | None,
) -> Kernel:
    """out = matvec of the rows of a table; each is computed when its symbol is first seen."""
    products = np.empty((len(table), out.shape[1]), out.dtype)
    clamped = np.zeros(products.shape, np.bool_)
    known = np.zeros(len(table), np.bool_)

    def kernel() -> None:
        if not known.take(tokens).all():
            new = np.unique(tokens[~known[tokens]])
            count = ClampMap()
            products[new] = matvec(spec, table[new], count)
            if count.clamped:
                clamped[new] = count.changed
            known[new] = True
        _rows(products, tokens, out)
        if clamps is not None:
            clamps.tally(clamped.take(tokens, axis=0))

    return kernel


def _joined(inputs: list[Codes], out: Codes) -> None:
    np.concatenate(inputs, axis=1, out=out)


def _rows(table: Codes, tokens: Int64, out: Codes) -> None:
    table.take(tokens, axis=0, out=out, mode="clip")  # mode: without it take copies first
