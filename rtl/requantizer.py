"""Requantization of an accumulator (Eq. 10-11)."""

from amaranth.hdl import Signal, signed, unsigned
from amaranth.lib.data import StructLayout

from golden.errors import InputError
from golden.npu_config import REQUANTIZER
from rtl.fixed import partial_products
from rtl.pipeline import Pipeline, delayed
from rtl.rounder import SHIFT_BITS, Rounder

MULTIPLIER_WIDTHS = range(8, 33)


def check_multiplier_width(width: int, name: str) -> None:
    """Raise InputError unless multipliers may have so many bits."""
    if width not in MULTIPLIER_WIDTHS:
        ends = f"{MULTIPLIER_WIDTHS[0]} to {MULTIPLIER_WIDTHS[-1]}"
        raise InputError(f"{name}: multiplier_width is {width}; {ends}")


def check_operand_bits(bits: int, name: str) -> None:
    """Raise InputError unless codes may have so many bits."""
    if bits not in (8, 16):
        raise InputError(f"{name}: bits is {bits}; 8 or 16")


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

    LATENCY cycles, one a cycle.

    Parameters: acc_width; multiplier_width (8 to 32), bits (8 or 16), else InputError.
    Members: i: In(stream of {acc, mantissa, shift, zero_point}), o: Out(stream of bits).
    """

    LATENCY = REQUANTIZER

    def __init__(self, *, acc_width: int = 32, multiplier_width: int = 16, bits: int = 8):
        check_multiplier_width(multiplier_width, "requantizer")
        check_operand_bits(bits, "requantizer")
        self._bits = bits
        self._product = signed(acc_width + multiplier_width)
        super().__init__(requantizer_layout(acc_width, multiplier_width, bits), bits)

    def datapath(self, m, valid):
        i = self.i.payload
        # Cycle 1: products of parts. Cycle 2: their sum.
        product = Signal(self._product)
        m.d.sync += product.eq(sum(partial_products(m, i.acc, i.mantissa, "part")))
        m.submodules.rounder = rounder = Rounder(width=len(product), bits=self._bits)
        # Cycles 3-5: round, add the zero point, saturate.
        m.d.comb += [
            rounder.p.eq(product),
            rounder.shift.eq(delayed(m, i.shift, 2, "shift")),
            rounder.zero_point.eq(delayed(m, i.zero_point, 2, "zero_point")),
            self.o.payload.eq(rounder.q),
        ]
