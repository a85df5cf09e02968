"""Pipelined binary search: the piece of a code in log2 N cycles, one comparator a cycle."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.pipeline import delayed
from rtl.pwl_bank import at_least
from rtl.pwl_load import PwlSizes
from rtl.pwl_pieces import choose

# From this level on, of 128 knots, LUT memory is as large as the rest of the unit.
_BLOCK = 7


def levels(pieces: int) -> int:
    """Comparisons that tell so many pieces apart; at least one."""
    return max((pieces - 1).bit_length(), 1)


def level_knots(knots: Sequence[int], level: int) -> list[int]:
    """Knots that are compared at a level, by the outcomes before it; knots: 2^levels, all pieces.

    The first level compares with the knot in the middle, the last with those of odd number.
    """
    step = len(knots) >> level
    return list(knots[step // 2 :: step])


class ConstantSearch(wiring.Component):
    """The number of interior knots <= q, LATENCY cycles later, to be registered; q_out: q then.

    Knots are logic of the index so far. Parameters: bits of a code, knots (of all pieces).
    Members: q: In(bits), index: Out, q_out: Out(bits), a cycle after the index.
    """

    def __init__(self, *, bits: int, knots: Sequence[int]):
        self.LATENCY = levels(len(knots))
        self._knots = [*knots, *knots[-1:] * ((1 << self.LATENCY) - len(knots))]
        super().__init__({"q": In(bits), "index": Out(self.LATENCY), "q_out": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        q, index = self.q, Cat()
        # Cycle n: one more bit of the index, the highest first.
        for level in range(self.LATENCY):
            knots = level_knots(self._knots, level)
            if level == 0:
                reached = at_least(q, knots[0])
            else:
                reached = q >= choose(knots, unsigned(len(q)), index)
            found = Cat(reached, index)
            if level < self.LATENCY - 1:
                index = delayed(m, found, 1, f"index_{level}")
            q = delayed(m, q, 1, f"q_{level}")
        m.d.comb += [self.index.eq(found), self.q_out.eq(q)]
        return m


class LoadableSearch(wiring.Component):
    """ConstantSearch with the knots of each level but the first in a memory of its own.

    The outcome of a comparison addresses the next level's memory in the same cycle. The unit's
    table has 2^levels pieces: sizes.pieces is a power of two.

    Parameters: sizes. Members: load: In(payload of sizes), write: In; q, index, q_out.
    """

    def __init__(self, *, sizes: PwlSizes):
        self.LATENCY = levels(sizes.pieces)
        super().__init__(
            {
                "load": In(sizes.layout()),
                "write": In(1),
                "q": In(sizes.in_bits),
                "index": Out(self.LATENCY),
                "q_out": Out(sizes.in_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        q, index = self.q, Cat()
        knot = Signal(len(q))
        with m.If(self._writes(0)):
            m.d.sync += knot.eq(self.load.knot)
        # Cycle n: one more bit of the index, the highest first.
        for level in range(self.LATENCY):
            found = Cat(q >= knot, index)
            q = delayed(m, q, 1, f"q_{level}")
            if level < self.LATENCY - 1:
                index = delayed(m, found, 1, f"index_{level}")
                knot = self._knot(m, level + 1, found)
        m.d.comb += [self.index.eq(found), self.q_out.eq(q)]
        return m

    def _writes(self, level: int) -> Value:
        """The word's knot is of this level: its number ends in a 1 and as many 0 as come after."""
        low = self.load.address[: self.LATENCY - level]
        return self.write & (low == 1 << (len(low) - 1))

    def _knot(self, m: Module, level: int, index: Value) -> Value:
        """The knot of a level, a cycle after its index."""
        memory = Memory(
            shape=len(self.q),
            depth=1 << level,
            init=[],
            attrs={"ram_style": "block" if level >= _BLOCK else "distributed", "no_rw_check": True},
        )
        m.submodules[f"knots_{level}"] = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self._writes(level)),
            write.addr.eq(self.load.address[self.LATENCY - level :]),
            write.data.eq(self.load.knot),
            read.addr.eq(index),
        ]
        return read.data
