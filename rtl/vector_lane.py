"""One lane of the vector engine: multiply, two-term add and PWL on one datapath (Eq. 4, 6, 24)."""

from amaranth.hdl import Mux, Signal, signed
from amaranth.lib.data import StructLayout

from golden.npu_config import VECTOR_LANE
from rtl.pipeline import Pipeline, delayed
from rtl.rounder import SHIFT_BITS, Rounder

# Cycle of the lane at which slope and offset are taken: they may be looked up meanwhile.
SEGMENT_CYCLE = 2


def lane_layout(*, bits: int, scale_bits: int) -> StructLayout:
    """What accompanies a pair of operands: the constants of its instruction."""
    return StructLayout(
        {
            "a": bits,
            "b": bits,
            "z_a": bits,
            "z_b": bits,
            "z_out": bits,
            "m_a": signed(scale_bits),
            "m_b": signed(scale_bits),
            "shift": SHIFT_BITS,
            "multiply": 1,
            "pwl": 1,
            "slope": signed(scale_bits),
            "offset": signed(scale_bits + bits + 1),
        }
    )


class VectorLane(Pipeline):
    """One element of multiply, add or pwl of golden/, LATENCY cycles later, one a cycle.

    multiply: ``(a - z_a)(b - z_b) m_a``. add: ``m_a (a - z_a) + m_b (b - z_b)``. pwl:
    ``slope a + offset`` (z_a is 0), slope and offset entering SEGMENT_CYCLE cycles after the rest
    where late_segment is set. Each then rounded by shift, z_out added, saturated.

    Parameters: bits of a code, scale_bits (signed multipliers), late_segment.
    Members: i: In(stream of lane_layout), o: Out(stream of bits).
    """

    LATENCY = VECTOR_LANE

    def __init__(self, *, bits: int = 8, scale_bits: int = 18, late_segment: bool = False):
        self._bits, self._scale_bits, self._late = bits, scale_bits, late_segment
        super().__init__(lane_layout(bits=bits, scale_bits=scale_bits), bits)

    def datapath(self, m, valid):
        i, bits = self.i.payload, self._bits
        segment_delay = 0 if self._late else SEGMENT_CYCLE
        slope = delayed(m, i.slope, segment_delay, "slope")
        offset = delayed(m, i.offset, segment_delay, "offset")
        # Cycle 1: distances from the zero points.
        a = Signal(signed(bits + 1))
        b = Signal(signed(bits + 1))
        m.d.sync += [a.eq(i.a - i.z_a), b.eq(i.b - i.z_b)]
        # Cycle 2: the product, or a itself. |a b| <= (2^bits - 1)^2.
        p = Signal(signed(2 * bits + 1))
        m.d.sync += p.eq(Mux(delayed(m, i.multiply, 1, "multiply"), a * b, a))
        # Cycle 3: scale; PWL takes its constants here.
        pwl = delayed(m, i.pwl, 2, "pwl")
        scale = Mux(pwl, slope, delayed(m, i.m_a, 2, "m_a"))
        scaled_a = Signal(signed(len(p) + self._scale_bits))
        scaled_b = Signal(signed(bits + 1 + self._scale_bits))
        addend = Signal.like(scaled_b)
        m.d.sync += [
            scaled_a.eq(p * scale),
            scaled_b.eq(delayed(m, b, 1, "b") * delayed(m, i.m_b, 2, "m_b")),
            addend.eq(offset),
        ]
        # Cycle 4: one sum, so that there is one rounding. (multiply has m_b = 0.)
        total = Signal(signed(len(scaled_a) + 1))
        m.d.sync += total.eq(scaled_a + Mux(delayed(m, pwl, 1, "pwl_scaled"), addend, scaled_b))
        # Cycles 5-7: round, zero point, saturate.
        m.submodules.rounder = rounder = Rounder(width=len(total), bits=bits)
        m.d.comb += [
            rounder.p.eq(total),
            rounder.shift.eq(delayed(m, i.shift, 4, "shift")),
            rounder.zero_point.eq(delayed(m, i.z_out, 4, "z_out")),
            self.o.payload.eq(rounder.q),
        ]
