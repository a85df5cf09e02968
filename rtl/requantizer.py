"""Requantization of an accumulator (Eq. 10-11)."""

from amaranth.hdl import Signal, signed, unsigned
from amaranth.lib.data import StructLayout

from golden.npu_config import REQUANTIZER
from rtl.pipeline import Pipeline, delayed
from rtl.rounder import SHIFT_BITS, Rounder


def requantizer_layout(acc_width: int, multiplier_width: int, bits: int) -> StructLayout:
    """An accumulator and the constants of its requantization."""
    return StructLayout(
        {
            "acc": signed(acc_width),
            "mantissa": unsigned(multiplier_width),
            "shift": SHIFT_BITS,
            "zero_point": bits,
        }
    )


class Requantizer(Pipeline):
    """``requantize(acc, FixedPoint(mantissa, shift), zero_point, bits)`` of golden/fixed.py.

    LATENCY cycles, one a cycle. Parameters: acc_width, multiplier_width, bits.
    Members: i: In(stream of {acc, mantissa, shift, zero_point}), o: Out(stream of bits).
    """

    LATENCY = REQUANTIZER

    def __init__(self, *, acc_width: int = 32, multiplier_width: int = 16, bits: int = 8):
        self._bits = bits
        self._product = signed(acc_width + multiplier_width)
        super().__init__(requantizer_layout(acc_width, multiplier_width, bits), bits)

    def datapath(self, m, valid):
        i = self.i.payload
        # Cycles 1-2: multiply; the second register moves into the multiplier.
        product = Signal(self._product)
        m.d.sync += product.eq(i.acc * i.mantissa)
        m.submodules.rounder = rounder = Rounder(width=len(product), bits=self._bits)
        # Cycles 3-5: round, add the zero point, saturate.
        m.d.comb += [
            rounder.p.eq(delayed(m, product, 1, "product")),
            rounder.shift.eq(delayed(m, i.shift, 2, "shift")),
            rounder.zero_point.eq(delayed(m, i.zero_point, 2, "zero_point")),
            self.o.payload.eq(rounder.q),
        ]
