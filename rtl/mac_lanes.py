"""The lanes of a MAC array: from activations and weight codes to what a row's adders take.

A row's terms are signed values and single bits, `carries`, all to be added; they stand in registers
one cycle after the operands. ``-v`` is ``~v`` and a carry, which an adder takes in for nothing.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from golden.weights import WeightFormat

PRODUCT_BITS = 16  # of an unsigned by a signed 8-bit number
NARROWEST, WIDEST = 16, 24  # operands that hold two weights; from 24 bits on no products overlap


class Terms(NamedTuple):
    """What a row adds up in a beat."""

    values: list[Value]
    carries: list[Value]


class Lanes(Protocol):
    """A kind of weight. terms: those of each row, registered."""

    def terms(self, m: Module, x: Value, w: Value) -> list[Terms]: ...


def register(m: Module, value: Value, name: str) -> Signal:
    """value, a cycle later. It needs no reset: the pipeline's `valid` says what counts."""
    held = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += held.eq(value)
    return held


def add(a: Value, b: Value, carry: Value | None = None) -> Value:
    """a + b + carry of signed numbers, one bit wider, as one carry chain.

    Two bits below the numbers carry in. Where there is no carry they are a bit and its complement,
    lest Yosys merge it with the next sum into compressors: two LUTs a bit where a chain takes one.
    """
    low = (a[0], ~a[0]) if carry is None else (Const(1, 1), carry)
    return (Cat(low[0], a).as_signed() + Cat(low[1], b).as_signed())[1:].as_signed()


def reduce(values: Iterable[Value], carries: Iterable[Value]) -> tuple[Value, list[Value]]:
    """The sum of the values, and of as many carries as there are adders; the carries left."""
    values, carries = list(values), list(carries)
    while len(values) > 1:
        a, b, *values = values
        if carries or values:
            values.append(add(a, b, carries.pop() if carries else None))
        else:
            return a + b, []
    return values[0], carries


class Products:
    """int8 weights, each with a multiplier."""

    def terms(self, m: Module, x: Value, w: Value) -> list[Terms]:
        return [
            Terms(
                [register(m, x[c] * w[r][c], f"product_{r}_{c}") for c in range(len(x))],
                [],
            )
            for r in range(len(w))
        ]


class Shifts:
    """Weights of 0 and signed powers of two: shifted, masked and inverted, without a multiplier."""

    def __init__(self, form: WeightFormat):
        self._form = form

    def terms(self, m: Module, x: Value, w: Value) -> list[Terms]:
        """Columns in pairs, each with one carry taken in and one left."""
        rows = []
        for r in range(len(w)):
            lanes = [self._lane(x[c], w[r][c]) for c in range(len(x))]
            terms = Terms([], [])
            for n in range(0, len(lanes), 2):
                value, (carry,) = reduce(*zip(*lanes[n : n + 2], strict=True))
                terms.values.append(register(m, value, f"pair_{r}_{n}"))
                terms.carries.append(register(m, carry, f"negative_{r}_{n}"))
            rows.append(terms)
        return rows

    def _lane(self, x: Value, code: Value) -> tuple[Value, Value]:
        """x times the weight as (value, carry)."""
        index, negative = code[:-1], code[-1]
        magnitude = x
        # The finest shift last, and the zero before it: the fewest LUTs of all orders.
        for k in (*range(1, len(index)), 0):
            if k == 0 and self._form.zero:
                magnitude &= index.any().replicate(len(magnitude))
            magnitude = Mux(index[k], magnitude.shift_left(1 << k), magnitude)
        if self._form.zero:  # index i is 2^(i-1)
            magnitude = magnitude[1:]
        return Cat(magnitude ^ negative.replicate(len(magnitude)), negative).as_signed(), negative


class PackedProducts:
    """int8 weights, two rows' products by one multiplier: ``(w1 2^k + w0 + 128) x``.

    operand_bits: of the multiplier's wider operand, k + 8. At 24 the products lie side by side. In
    a narrower one the lower product's upper bits lie on the lowest bits of w1 x, which logic
    computes and takes off. 128 x is taken off in the sum over the columns, one for all rows.
    """

    def __init__(self, operand_bits: int):
        self._k = operand_bits - 8

    def terms(self, m: Module, x: Value, w: Value) -> list[Terms]:
        rows = len(w) - len(w) % 2
        offset = register(m, -sum(x[c] for c in range(len(x))), "offset")
        result = []
        for r in range(0, rows, 2):
            pairs = [self._pair(m, x[c], w[r][c], w[r + 1][c], f"{r}_{c}") for c in range(len(x))]
            lower, upper = map(list, zip(*pairs, strict=True))
            lower[0] = Cat(lower[0][:7], add(lower[0][7:].as_signed(), offset)).as_signed()
            result += [Terms(lower, []), Terms(upper, [])]
        return result + Products().terms(m, x, w[rows:])

    def _pair(self, m: Module, x: Value, w0: Value, w1: Value, name: str) -> tuple[Value, Value]:
        """((w0 + 128) x, w1 x)."""
        k, overlap = self._k, PRODUCT_BITS - self._k
        operand = Cat(w0[:-1], ~w0[-1], Const(0, k - 8), w1).as_signed()
        product = register(m, operand * x, f"product_{name}")
        if not overlap:
            return Cat(product[:k], Const(0, 1)).as_signed(), product[k:].as_signed()
        lowest = register(m, _low_product(x[:overlap], w1[:overlap]), f"lowest_{name}")
        above = product[k:PRODUCT_BITS] - lowest
        borrow = above[-1]
        lower = Cat(product[:k], above[:overlap], Const(0, 1)).as_signed()
        upper = Cat(lowest, (product[PRODUCT_BITS:] - borrow)[:k]).as_signed()
        return lower, upper


def _low_product(x: Value, w: Value) -> Value:
    """The lowest len(x) bits of x w, by additions: a multiplication would take a multiplier."""
    if len(w) == 1:
        return x & w.replicate(len(x))
    half = len(w) // 2
    lower, upper = _low_product(x, w[:half]), _low_product(x[:-half], w[half:])
    return Cat(lower[:half], add(lower[half:].as_signed(), upper.as_signed())[: len(upper)])
