"""One lane of the vector engine: element-wise operations, reductions and PWL on one datapath."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib.data import StructLayout

from golden.npu_config import VECTOR_LANE
from rtl.fixed import partial_products
from rtl.pipeline import Pipeline, delayed
from rtl.requantizer import check_operand_bits
from rtl.rounder import SHIFT_BITS, Rounder

# Cycle of the lane at which slope and offset are taken: they may be looked up meanwhile.
SEGMENT_CYCLE = 2


def lane_layout(*, bits: int, scale_bits: int, complete: bool = False) -> StructLayout:
    """What accompanies a pair of operands: the constants of its instruction."""
    # Of a complete lane it may be the beta of an affine, as wide as what gamma y is scaled to.
    offset_bits = scale_bits + (2 if complete else 1) * bits + 1
    beat = ("minimum", "maximum", "magnitudes", "first", "last") if complete else ()
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
            "offset": signed(offset_bits),
        }
        | dict.fromkeys(beat, 1)
    )


def longest_sum(bits: int) -> int:
    """Operands, at least, that the sum of a complete lane holds, whatever they and their scales.

    Each is below 2^(bits + scale_bits - 1) in magnitude, and the sum has 2 bits + scale_bits + 2
    bits, as a product has: it is as wide for reductions as it is without them.
    """
    return 1 << (bits + 2)


class VectorLane(Pipeline):
    """One element of multiply, add or pwl of golden/, LATENCY cycles later, one a cycle.

    multiply: ``(a - z_a)(b - z_b) m_a``. add: ``m_a (a - z_a) + m_b (b - z_b)``. pwl:
    ``slope a + offset`` (z_a is 0), slope and offset entering SEGMENT_CYCLE cycles after the rest
    where late_segment is set. Each then rounded by shift, z_out added, saturated.

    A complete lane sums over its beats, one a cycle, from `first` to `last`, LATENCY cycles after
    which the result comes; the next may start right behind. With it, add takes two terms a beat,
    up to longest_sum in all; one minus is add whose first term is the largest code. And there are:
    affine (`multiply` and `pwl`): ``slope (a - z_a)(b - z_b) + offset``, beta the offset;
    `magnitudes`: add of ``|a - z_a|`` and ``|b - z_b|``; `minimum`: ``m_a min(a - z_a, b - z_b)``;
    `maximum`: m_a times the largest ``a - z_a`` of all beats. Of the last two, and of multiply,
    m_b is 0; for codes as they are, m_a is 1, shift 0, and all zero points are one.

    Parameters: bits of a code (8 or 16, else InputError), scale_bits (signed multipliers),
    late_segment, complete.
    Members: i: In(stream of lane_layout), o: Out(stream of bits), valid for last beats only.
    """

    LATENCY = VECTOR_LANE

    def __init__(
        self,
        *,
        bits: int = 8,
        scale_bits: int = 18,
        late_segment: bool = False,
        complete: bool = False,
    ):
        check_operand_bits(bits, "vector lane")
        self._bits, self._scale_bits = bits, scale_bits
        self._late, self._complete = late_segment, complete
        super().__init__(lane_layout(bits=bits, scale_bits=scale_bits, complete=complete), bits)

    def datapath(self, m, valid):
        i, bits = self.i.payload, self._bits
        segment_delay = 0 if self._late else SEGMENT_CYCLE
        slope = delayed(m, i.slope, segment_delay, "slope")
        offset = delayed(m, i.offset, segment_delay, "offset")
        # Cycle 1: distances from the zero points.
        a = Signal(signed(bits + 1))
        b = Signal(signed(bits + 1))
        m.d.sync += [a.eq(i.a - i.z_a), b.eq(i.b - i.z_b)]
        # Cycle 2: the product, or one operand. |a b| <= (2^bits - 1)^2.
        p = Signal(signed(2 * bits + 1))
        one, other = self._operands(m, a, b, p) if self._complete else (a, b)
        multiply = delayed(m, i.multiply, 1, "multiply")
        # It holds the largest code so far through a gap.
        with m.If(valid[1] if self._complete else Const(1)):
            m.d.sync += p.eq(Mux(multiply, a * b, one))
        # Cycle 3: scale; PWL takes its constants here.
        pwl = delayed(m, i.pwl, 2, "pwl")
        scale = Mux(pwl, slope, delayed(m, i.m_a, 2, "m_a"))
        scaled_a = partial_products(m, p, scale, "scaled_a")
        scaled_b = Signal(signed(bits + 1 + self._scale_bits))
        addend = Signal.like(offset)
        m.d.sync += [
            scaled_b.eq(delayed(m, other, 1, "b") * delayed(m, i.m_b, 2, "m_b")),
            addend.eq(offset),
        ]
        # Cycle 4: one sum, so that there is one rounding. (multiply has m_b = 0.)
        total = Signal(signed(len(p) + self._scale_bits + 1))
        beat = Mux(delayed(m, pwl, 1, "pwl_scaled"), addend, scaled_b) + sum(scaled_a)
        if self._complete:
            self._accumulate(m, valid, total, beat)
        else:
            m.d.sync += total.eq(beat)
        # Cycles 5-7: round, zero point, saturate.
        m.submodules.rounder = rounder = Rounder(width=len(total), bits=bits)
        m.d.comb += [
            rounder.p.eq(total),
            rounder.shift.eq(delayed(m, i.shift, 4, "shift")),
            rounder.zero_point.eq(delayed(m, i.z_out, 4, "z_out")),
            self.o.payload.eq(rounder.q),
        ]

    def _operands(self, m: Module, a: Value, b: Value, largest: Value) -> tuple[Value, Value]:
        """What takes the place of a and of b: a magnitude, the smaller one, the largest so far."""
        names = ("minimum", "maximum", "magnitudes", "first")
        flags = {name: delayed(m, self.i.payload[name], 1, name) for name in names}
        rival = Mux(flags["maximum"], largest[: len(b)].as_signed(), b)
        smaller = rival < a
        lost = Mux(flags["maximum"], ~smaller & ~flags["first"], smaller & flags["minimum"])
        one, other = (_negated(v, flags["magnitudes"] & v[-1]) for v in (a, b))
        return Mux(lost, rival, one), other

    def _accumulate(self, m: Module, valid, total: Signal, beat: Value) -> None:
        """Cycle 4 of a complete lane: beats are summed; of a maximum, the last one counts."""
        i = self.i.payload
        alone = delayed(m, i.first | i.maximum, 3, "alone")
        with m.If(valid[3]):
            m.d.sync += total.eq(beat + Mux(alone, 0, total))
        last = delayed(m, i.last, self.LATENCY, "last")
        m.d.comb += self.o.valid.eq(valid[-1] & last)


def _negated(value: Value, negate: Value) -> Value:
    """value, or -value of the same width: it is not the most negative one."""
    flipped = value.as_unsigned() ^ negate.replicate(len(value))
    return (flipped + negate)[: len(value)].as_signed()
