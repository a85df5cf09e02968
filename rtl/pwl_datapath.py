"""What follows the select of every PWL unit: one multiply-add, shift, saturate (Eq. 24)."""

from amaranth.hdl import Cat, Const, Module, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.fixed import saturate


class PwlDatapath(wiring.Component):
    """``clamp((slope q + offset) >> shift)``: rounding and zero point are in the offset.

    tie: ``clamp(((slope q + offset) >> shift) + t + zero_point)``. t is 1 where the sum is not
    negative and its lowest `shift` bits are ones: with half less one unit in the offset, halves of
    a positive sum go up, those of a negative one down. zero_point is held still.

    LATENCY: cycles(tie), after q and slope; the offset is taken one cycle after these.
    Parameters: in_bits, out_bits, slope and total (shapes), shift (at least 1 with tie), tie.
    Members: q: In, slope: In, offset: In(width of total), zero_point: In, y: Out.
    """

    def __init__(
        self, *, in_bits: int, out_bits: int, slope: Shape, total: Shape, shift: int, tie=False
    ):
        self._total, self._shift, self._bits, self._tie = total, shift, out_bits, tie
        self.LATENCY = self.cycles(tie)
        super().__init__(
            {
                "q": In(in_bits),
                "slope": In(slope),
                "offset": In(total.width),
                "zero_point": In(out_bits),
                "y": Out(out_bits),
            }
        )

    @staticmethod
    def cycles(tie: bool) -> int:
        """LATENCY of a datapath with or without ties."""
        return 3 if tie else 2

    def elaborate(self, platform):
        m = Module()
        # Cycle 1: slope * q, as much of it as the sum has bits.
        exact = self.slope * self.q
        product = Signal(Shape(min(len(exact), self._total.width), exact.shape().signed))
        m.d.sync += product.eq(exact)
        total = Signal(self._total)
        if self._tie:
            # Cycle 2: + offset. Cycle 3: the tie is the carry into the zero point's adder.
            m.d.sync += total.eq(product + self.offset)
            tie = total[: self._shift].all() & ~total[-1]
            floor = Cat(tie, total[self._shift :]).as_signed()
            result = (floor + Cat(Const(1, 1), self.zero_point))[1:].as_signed()
        else:
            # Cycle 2: + offset.
            result = Signal(Shape(max(self._total.width + 1 - self._shift, self._bits + 1), True))
            m.d.comb += [total.eq(product + self.offset), result.eq(total >> self._shift)]
        m.d.sync += self.y.eq(saturate(result, self._bits))
        return m
