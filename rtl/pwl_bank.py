"""Comparator banks: the piece of a code by one comparator an interior knot."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.pipeline import delayed
from rtl.pwl_load import PwlSizes

_DIGIT = 4  # bits of a comparison with a constant in one LUT


def at_least(q: Value, knot: int) -> Value:
    """q >= knot, digit by digit: comparators of one bank share what they say about a digit."""
    result = Const(1, 1)
    for n in range(0, len(q), _DIGIT):
        digit, k = q[n : n + _DIGIT], knot >> n & ((1 << _DIGIT) - 1)
        above, equal = Const(0, 1), Const(1, 1)
        for bit in range(len(digit)):
            above = digit[bit] & above if k >> bit & 1 else digit[bit] | above
            equal &= digit[bit] ^ (~k >> bit & 1)
        result = above | equal & result
    return result


def count_ones(m: Module, reached: Sequence[Value] | Value) -> Value:
    """How many are 1, where no 1 follows a 0: its bits by halving, a multiplexer an element."""
    levels = len(reached).bit_length()
    left = Signal((1 << levels) - 1, name="reached")
    m.d.comb += left.eq(Cat(*reached))
    bits = [left[len(left) // 2]]
    for level in range(1, levels):
        half = len(left) // 2
        rest = Signal(half, name=f"left_{level}")
        m.d.comb += rest.eq(Mux(left[half], left[half + 1 :], left[:half]))
        left = rest
        bits.insert(0, left[half // 2])
    return Cat(*bits)


class ConstantBank(wiring.Component):
    """The number of interior knots <= q, to be registered; q_out: q a cycle later.

    Parameters: bits of a code, knots (interior, at least one).
    Members: q: In(bits), index: Out, q_out: Out(bits).
    """

    LATENCY = 1

    def __init__(self, *, bits: int, knots: Sequence[int]):
        self._knots = knots
        super().__init__({"q": In(bits), "index": Out(range(len(knots) + 1)), "q_out": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        reached = [at_least(self.q, knot) for knot in self._knots]
        m.d.comb += self.index.eq(count_ones(m, reached))
        m.d.sync += self.q_out.eq(self.q)
        return m


class LoadableBank(wiring.Component):
    """ConstantBank with knots in registers, as are the comparisons. Unloaded, knots are 0.

    The index is that of the code of one cycle before, q_out comes a cycle after the index.
    Parameters: sizes. Members: load: In(payload of sizes), write: In; q, index, q_out.
    """

    LATENCY = 2

    def __init__(self, *, sizes: PwlSizes):
        self._sizes = sizes
        super().__init__(
            {
                "load": In(sizes.layout()),
                "write": In(1),
                "q": In(sizes.in_bits),
                "index": Out(range(sizes.pieces)),
                "q_out": Out(sizes.in_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        knots = [Signal(len(self.q), name=f"knot_{n}") for n in range(1, self._sizes.pieces)]
        for n, knot in enumerate(knots, 1):
            with m.If(self.write & (self.load.address == n)):
                m.d.sync += knot.eq(self.load.knot)
        # Cycle 1: compare. Cycle 2: count, to be registered.
        reached = Signal(len(knots), name="compared")
        m.d.sync += reached.eq(Cat(self.q >= knot for knot in knots))
        m.d.comb += [
            self.index.eq(count_ones(m, reached)),
            self.q_out.eq(delayed(m, self.q, self.LATENCY, "q")),
        ]
        return m
