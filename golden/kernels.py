"""What a plan is made of: operations as calls on arrays, and counts of what they clamped.

Element-wise operations whose operands have 16 bits together and whose output has 8 are a table of
what their plain definitions give for every operand; a product of embedded symbols is remembered by
symbol. Whatever else there is calls the plain definition. Nothing here defines arithmetic.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.activation import LutSpec, PwlSpec, look_up, pwl
from golden.elementwise import AddSpec, AffineSpec, MultiplySpec, add, affine, multiply
from golden.fixed import ClampCount, Int64
from golden.linear import MatVecSpec, matvec

Codes = NDArray[Any]  # of the narrowest dtype for the bits of the tensor
Kernel = Callable[[], None]
Spec = AddSpec | MultiplySpec | PwlSpec | LutSpec

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
        rows_of(products, tokens, out)
        if clamps is not None:
            clamps.tally(clamped.take(tokens, axis=0))

    return kernel


def rows_of(table: Codes, tokens: Int64, out: Codes) -> None:
    """out = table[tokens], all of which there are."""
    table.take(tokens, axis=0, out=out, mode="clip")  # mode: without it take copies first
