"""Rounding and requantization by constants: Rounder and Requantizer without their shifters."""

from amaranth.hdl import Const, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.fixed import FixedPoint
from golden.npu_config import REQUANTIZER, ROUNDER
from rtl.fixed import half_units, narrow, round_saturate
from rtl.pipeline import Pipeline, delayed


class ConstantRounder(wiring.Component):
    """``q = saturate(round_shift(p, shift) + zero_point, bits)``, LATENCY cycles later.

    A Rounder whose shift is wires. (Constants that pass through its registers are none to a
    synthesis: after reset, a register is 0.) Parameters: width of p, bits of q, shift, zero_point.
    Members: p: In(signed(width)), q: Out(bits).
    """

    LATENCY = ROUNDER

    def __init__(self, *, width: int, bits: int, shift: int, zero_point: int):
        self._bits, self._shift, self._zero_point = bits, shift, Const(zero_point, bits)
        super().__init__({"p": In(signed(width)), "q": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        halves, shifted = Signal(signed(len(self.p) + 1)), Signal(signed(self._bits + 3))
        kept = halves[min(self._shift, len(halves) - 1) :].as_signed()
        # Cycle 1: 2p - (p < 0). Cycle 2: shift; saturated early, as in a Rounder. Cycle 3: round.
        m.d.sync += [
            halves.eq(half_units(self.p)),
            shifted.eq(narrow(kept, self._bits + 3)),
            self.q.eq(round_saturate(shifted, self._zero_point, self._bits)),
        ]
        return m


class ConstantRequantizer(Pipeline):
    """``requantize(acc, multiplier, zero_point, bits)`` of golden/fixed.py: LATENCY cycles.

    One a cycle. Parameters: acc_width, multiplier (a FixedPoint), zero_point, bits.
    Members: i: In(stream of signed(acc_width)), o: Out(stream of bits).
    """

    LATENCY = REQUANTIZER

    def __init__(self, *, acc_width: int, multiplier: FixedPoint, zero_point: int, bits: int):
        self._multiplier, self._zero_point, self._bits = multiplier, zero_point, bits
        super().__init__(signed(acc_width), bits)

    def datapath(self, m, valid):
        # Cycles 1-2: multiply; the second register moves into the multiplier.
        product = Signal.like(self.i.payload * Const(self._multiplier.mantissa))
        m.d.sync += product.eq(self.i.payload * Const(self._multiplier.mantissa))
        m.submodules.rounder = rounder = ConstantRounder(
            width=len(product),
            bits=self._bits,
            shift=self._multiplier.shift,
            zero_point=self._zero_point,
        )
        # Cycles 3-5: round, add the zero point, saturate.
        m.d.comb += [
            rounder.p.eq(delayed(m, product, 1, "product")),
            self.o.payload.eq(rounder.q),
        ]
