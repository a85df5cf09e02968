"""Division with one rounding (Eq. 30 and the context of attention), exact in every variant.

``divide_round(n, f, d) = sign(n) (t // d)`` with ``t = ((2|n| >> f) + d) >> 1``: floors nest, so
n is shifted first and a short number divided. The quotient saturates at 2^bits - 1 in magnitude,
which no zero point of a `bits`-wide code brings back into range. It does so when t >= 2^bits d,
so more than bits + d_bits bits of t tell nothing: 2|n| >> f saturates at one bit more.
"""

from amaranth.hdl import Array, Cat, Const, EnableInserter, Module, Mux, Signal, signed
from amaranth.lib.data import StructLayout

from rtl.fixed import narrow, saturate
from rtl.pipeline import Pipeline, delayed
from rtl.rounder import SHIFT_BITS

STEPS = (1, 2, 4)
TABLE_BITS = 8  # of a divisor whose reciprocals fit a table


def divider_layout(n_bits: int, d_bits: int, constant_shift: bool = False) -> StructLayout:
    """Numerator, right shift (unless it is a constant of the unit) and divisor of a division."""
    shift = {} if constant_shift else {"shift": SHIFT_BITS}
    return StructLayout({"n": signed(n_bits), **shift, "d": d_bits})


class Divider(Pipeline):
    """``clip(divide_round(n, shift, max(d, 1)), -top, top)`` of golden/fixed.py, top = 2^bits - 1.

    What the variants share: ports, and the two cycles from n to t.

    Parameters: n_bits (signed), d_bits, bits of the code made of the quotient; shift: a constant,
    or None: each division brings its own.
    Members: i: In(stream of divider_layout), o: Out(stream of signed(bits + 1)).
    """

    PREPARE = 2

    def __init__(
        self, *, n_bits: int = 25, d_bits: int = 8, bits: int = 8, shift: int | None = None
    ):
        if min(n_bits - 1, d_bits, bits) < 1:
            raise ValueError(f"divider: no division of {n_bits} by {d_bits} to {bits} bits")
        self._d_bits, self._bits, self._shift = d_bits, bits, shift
        super().__init__(divider_layout(n_bits, d_bits, shift is not None), signed(bits + 1))

    def _prepare(self, m: Module):
        """t (combinational), the divisor and whether n is negative, PREPARE cycles after i."""
        i = self.i.payload
        # Cycle 1: magnitude, which fits n_bits unsigned; nothing is divided by zero.
        magnitude = Signal(len(i.n))
        divisor = Signal(self._d_bits)
        m.d.sync += [magnitude.eq(Mux(i.n[-1], -i.n, i.n)), divisor.eq(Mux(i.d == 0, 1, i.d))]
        # Cycle 2: shift; one bit more than t, and one for the sign that `narrow` wants.
        width = self._bits + self._d_bits + 1
        halves = Signal(width)
        twice = Cat(0, magnitude)
        if self._shift is None:
            shifted = twice >> delayed(m, i.shift, 1, "shift")
        else:
            shifted = twice[self._shift :]
        m.d.sync += halves.eq(narrow(Cat(shifted, 0).as_signed(), width + 1))
        divisor = delayed(m, divisor, 1, "divisor")
        t = Signal(width)
        # Saturated halves reach 2^(width - 1) at least: t // d overflows for every d.
        m.d.comb += t.eq((halves + divisor) >> 1)
        return t, divisor, delayed(m, i.n[-1], self.PREPARE, "negative")

    def _signed(self, quotient, negative):
        """The quotient saturated to `bits`, with the sign of n."""
        magnitude = quotient[: self._bits] | quotient[self._bits :].any().replicate(self._bits)
        return Mux(negative, -magnitude, magnitude)


def _step(remainder, bit, divisor):
    """One restoring step: the next remainder, below the divisor if this one is; quotient bit."""
    partial = Cat(bit, remainder)
    difference = partial - divisor
    fits = ~difference[-1]
    return Mux(fits, difference, partial)[: len(remainder)], fits


def _steps(remainder, digits, divisor, count: int):
    """`count` steps. digits: the rest of the dividend, high end first; quotient bits enter low.

    A remainder that begins at or above the divisor makes the first quotient bit 1. That bit lies
    above the code's, so the quotient saturates and the bits behind it do not matter.
    """
    for _ in range(count):
        remainder, fits = _step(remainder, digits[-1], divisor)
        digits = Cat(fits, digits[:-1])
    return remainder, digits


def _stages(bits: int, step: int) -> int:
    """Stages of `step` quotient bits: those of a code, and one at least that says overflow."""
    if step not in STEPS:
        raise ValueError(f"divider: {step} quotient bits a cycle; 1, 2 or 4")
    return -(-(bits + 1) // step)


class PipelinedDivider(Divider):
    """A Divider of restoring stages: LATENCY cycles, one result a cycle.

    Parameters: those of Divider; step: quotient bits a stage, 1, 2 or 4.
    """

    def __init__(self, *, step: int = 1, **widths: int):
        super().__init__(**widths)
        self._step, self._stages = step, _stages(self._bits, step)
        self.LATENCY = self.PREPARE + 1 + self._stages + 1

    def datapath(self, m, valid):
        t, divisor, negative = self._prepare(m)
        count = self._stages * self._step
        left, digits = t[count:], t[:count]
        # Cycle 3: t. Then `step` quotient bits a cycle.
        for n in range(self._stages + 1):
            remainder = Signal(self._d_bits, name=f"remainder_{n}")
            rest = Signal(count, name=f"rest_{n}")
            m.d.sync += [remainder.eq(left), rest.eq(digits)]
            divisor = delayed(m, divisor, 1, f"divisor_{n}")
            left, digits = _steps(remainder, rest, divisor, self._step)
        # Last cycle: saturate, sign.
        negative = delayed(m, negative, self._stages + 1, "negative_stage")
        m.d.sync += self.o.payload.eq(self._signed(rest, negative))


class IterativeDivider(Divider):
    """A Divider that makes `step` quotient bits a cycle and works on one division at a time.

    LATENCY cycles, and INTERVAL, which is the same, from one division to the next.
    Parameters: those of Divider; step: 1, 2 or 4.
    """

    def __init__(self, *, step: int = 1, **widths: int):
        super().__init__(**widths)
        self._step, self._stages = step, _stages(self._bits, step)
        self.LATENCY = self.INTERVAL = self.PREPARE + 1 + self._stages

    def elaborate(self, platform):
        prepare, m = Module(), Module()
        t, divisor, negative = self._prepare(prepare)
        count = self._stages * self._step
        accepted = Signal()
        preparing = Signal(self.PREPARE)
        left = Signal(range(self._stages + 1))
        remainder = Signal(self._d_bits)
        rest = Signal(count)
        busy = preparing.any() | left.any() | self.o.valid
        taken = self.o.valid & self.o.ready
        m.d.comb += [
            self.i.ready.eq(~busy | taken),
            accepted.eq(self.i.valid & self.i.ready),
            self.o.payload.eq(self._signed(rest, negative)),
        ]
        m.d.sync += preparing.eq(Cat(accepted, preparing))
        with m.If(taken):
            m.d.sync += self.o.valid.eq(0)
        # Cycle 3: t. Then `step` quotient bits a cycle.
        with m.If(preparing[-1]):
            m.d.sync += [Cat(rest, remainder).eq(t), left.eq(self._stages)]
        with m.Elif(left.any()):
            next_remainder, digits = _steps(remainder, rest, divisor, self._step)
            m.d.sync += [remainder.eq(next_remainder), rest.eq(digits)]
            m.d.sync += [left.eq(left - 1), self.o.valid.eq(left == 1)]
        # From cycle 2 until the next division, divisor and sign stand still.
        m.submodules.prepare = EnableInserter(accepted | preparing[:-1].any())(prepare)
        return m


def reciprocals(d_bits: int, bits: int) -> tuple[int, ...]:
    """ceil(2^k / d) for every divisor, k = bits + 2 d_bits; 0 is taken as 1."""
    k = bits + 2 * d_bits
    return tuple(-(-(1 << k) // max(d, 1)) for d in range(1 << d_bits))


class ReciprocalDivider(Divider):
    """A Divider that multiplies by r = ceil(2^k / d) from a table: LATENCY cycles, one a cycle.

    Exact. With e = r d - 2^k, ``t r / 2^k = t / d + t e / (2^k d)``. The fraction of t / d is at
    most (d - 1) / d, so the floor is that of t / d wherever t e < 2^k. As e < d < 2^d_bits, that
    holds for every t < 2^(bits + d_bits) at k = bits + 2 d_bits; with 8-bit codes and divisors,
    k = 24, and 23 fails for 46 divisors. A larger t overflows either way: r / 2^k >= 1 / d.

    Parameters: those of Divider; d_bits at most 8.
    """

    PRODUCT = 2
    LATENCY = Divider.PREPARE + 1 + PRODUCT + 1

    def __init__(self, **widths: int):
        super().__init__(**widths)
        if self._d_bits > TABLE_BITS:
            raise ValueError(
                f"reciprocal: divisors of {self._d_bits} bits; the table is of at most {TABLE_BITS}"
            )

    def datapath(self, m, valid):
        t, divisor, negative = self._prepare(m)
        table = reciprocals(self._d_bits, self._bits)
        k = self._bits + 2 * self._d_bits
        # Cycle 3: t, and the reciprocal.
        dividend, reciprocal = Signal(len(t)), Signal(k + 1)
        m.d.sync += [
            dividend.eq(t),
            reciprocal.eq(Array(Const(r, k + 1) for r in table)[divisor]),
        ]
        # Cycles 4-5: multiply; the second register moves into the multiplier.
        product = Signal(len(dividend) + len(reciprocal))
        m.d.sync += product.eq(dividend * reciprocal)
        quotient = delayed(m, product, 1, "product")[k:]
        # Cycle 6: saturate, sign.
        negative = delayed(m, negative, 1 + self.PRODUCT, "negative_stage")
        m.d.sync += self.o.payload.eq(self._signed(quotient, negative))


class ZeroPoint(Pipeline):
    """``saturate(quotient + zero_point, bits)``, 1 cycle: what a Divider gives, made a code.

    Parameters: zero_point, bits.
    Members: i: In(stream of signed(bits + 1)), o: Out(stream of bits).
    """

    LATENCY = 1

    def __init__(self, *, zero_point: int, bits: int):
        self._zero_point, self._bits = zero_point, bits
        super().__init__(signed(bits + 1), bits)

    def datapath(self, m, valid):
        total = self.i.payload + Const(self._zero_point, self._bits)
        m.d.sync += self.o.payload.eq(saturate(total, self._bits))
