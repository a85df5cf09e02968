"""Piecewise linear activation (Eq. 24): a comparator bank, then one multiply-add."""

from amaranth.hdl import Array, Const, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from golden.activation import PwlSpec
from golden.npu_config import ROUNDER
from rtl.pipeline import Pipeline, delayed
from rtl.rounder import Rounder


class PwlBank(wiring.Component):
    """``index = number of interior knots <= q``, registered: 1 cycle, one comparator a knot.

    A table of fewer pieces repeats its last knot and its last segment: the index may then be any
    of the copies. Parameters: bits of a code, pieces.
    Members: q: In(bits), knots: In(pieces - 1 interior knots), index: Out.
    """

    LATENCY = 1

    def __init__(self, *, bits: int, pieces: int):
        super().__init__(
            {
                "q": In(bits),
                "knots": In(ArrayLayout(bits, pieces - 1)),
                "index": Out(range(pieces)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.index.eq(sum(self.q >= knot for knot in self.knots))
        return m


def offsets(spec: PwlSpec) -> tuple[int, ...]:
    """intercept_i - slope_i * knot_i: with it a piece is one multiply-add of the code itself."""
    return tuple(
        b - a * k for a, b, k in zip(spec.slopes, spec.intercepts, spec.knots, strict=True)
    )


def signed_width(values) -> int:
    """Bits of the narrowest two's complement that holds every value."""
    return max(max(v.bit_length() if v >= 0 else (~v).bit_length() for v in values) + 1, 1)


class Pwl(Pipeline):
    """``pwl(spec, q)`` of golden/activation.py for one constant table, as a comparator bank.

    LATENCY cycles, one code a cycle. Parameters: the PwlSpec.
    Members: i: In(stream of in_bits), o: Out(stream of out_bits).
    """

    LATENCY = PwlBank.LATENCY + 3 + ROUNDER

    def __init__(self, *, spec: PwlSpec):
        self._spec = spec
        super().__init__(spec.in_bits, spec.out_bits)

    def datapath(self, m, valid):
        spec, q = self._spec, self.i.payload
        # Cycle 1: which piece.
        m.submodules.bank = bank = PwlBank(bits=spec.in_bits, pieces=max(spec.pieces, 2))
        interior = spec.knots[1:] or (spec.knots[-1],)
        m.d.comb += [
            bank.q.eq(q),
            *(port.eq(knot) for port, knot in zip(bank.knots, interior, strict=True)),
        ]
        # Cycle 2: its slope and offset.
        slopes, constants = _at_least_two(spec.slopes), _at_least_two(offsets(spec))
        slope = Signal(signed(signed_width(spec.slopes)))
        offset = Signal(signed(signed_width(constants)))
        m.d.sync += [
            slope.eq(_select(slopes, len(slope), bank.index)),
            offset.eq(_select(constants, len(offset), bank.index)),
        ]
        # Cycles 3-4: slope * q, + offset.
        product = Signal(signed(len(slope) + spec.in_bits + 1))
        m.d.sync += product.eq(slope * delayed(m, q, 2, "q"))
        total = Signal(signed(max(len(product), len(offset)) + 1))
        m.d.sync += total.eq(product + delayed(m, offset, 1, "offset"))
        # Cycles 5-7: round, zero point, saturate.
        m.submodules.rounder = rounder = Rounder(width=len(total), bits=spec.out_bits)
        m.d.comb += [
            rounder.p.eq(total),
            rounder.shift.eq(spec.shift),
            rounder.zero_point.eq(spec.out_zero_point),
            self.o.payload.eq(rounder.q),
        ]


def _at_least_two(values):
    """The bank tells at least two pieces apart: a single one is there twice."""
    return values * 2 if len(values) == 1 else values


def _select(values, width: int, index):
    """A constant table; the index stays within it."""
    return Array(Const(v, signed(width)) for v in values)[index]
