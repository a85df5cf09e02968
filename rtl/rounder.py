"""Shift, round half away from zero, add the zero point, saturate (Eq. 11): the one rounder."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.npu_config import ROUNDER
from rtl.fixed import fits_groups, half_units, round_saturate, shift_halves
from rtl.pipeline import delayed

SHIFT_BITS = 6


class Rounder(wiring.Component):
    """``q = saturate(round_shift(p, shift) + zero_point, bits)``, LATENCY cycles later.

    One a cycle, no handshake: a stage of the units that hold it. p is not the most negative value
    of its width (rtl/fixed.py).

    Members: p: In(signed(width)), shift: In(6), zero_point: In(bits), q: Out(bits).
    """

    LATENCY = ROUNDER

    def __init__(self, *, width: int, bits: int):
        self._width, self._bits = width, bits
        super().__init__(
            {
                "p": In(signed(width)),
                "shift": In(SHIFT_BITS),
                "zero_point": In(bits),
                "q": Out(bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Cycle 1: 2p - (p < 0), and whether the whole groups of the shift leave too much.
        halves = Signal(signed(self._width + 1))
        small = Signal()
        m.d.sync += halves.eq(half_units(self.p))
        m.d.sync += small.eq(fits_groups(self.p, self.shift, self._bits))
        shift = delayed(m, self.shift, 1, "shift")
        # Cycle 2: shift; what does not fit is told, so that what follows is narrow.
        shifted = Signal(signed(self._bits + 2))
        fits = Signal()
        value, within = shift_halves(halves, shift, self._bits)
        m.d.sync += [shifted.eq(value), fits.eq(within & small)]
        zero_point = delayed(m, self.zero_point, 2, "zero_point")
        # Cycle 3: round, zero point, saturate.
        m.d.sync += self.q.eq(round_saturate(shifted, zero_point, self._bits, fits))
        return m
