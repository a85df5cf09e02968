"""The affine part of a normalization: gamma * y + beta for each code of a row."""

from amaranth.hdl import Array, Const, Signal, signed

from golden.elementwise import AffineSpec
from golden.npu_config import ROUNDER
from rtl.constant_requantizer import ConstantRounder
from rtl.pipeline import Pipeline, delayed


class Affine(Pipeline):
    """``affine(spec, y)`` of golden/elementwise.py, rows of constants gamma and beta.

    LATENCY cycles, one code a cycle, row after row.

    Parameters: the AffineSpec, bits of y.
    Members: i: In(stream of bits), o: Out(stream of out_bits).
    """

    LATENCY = 4 + ROUNDER

    def __init__(self, *, spec: AffineSpec, bits: int = 8):
        self._spec, self._bits = spec, bits
        super().__init__(bits, spec.out_bits)

    def datapath(self, m, valid):
        spec = self._spec
        index = Signal(range(max(len(spec.gamma), 2)))
        with m.If(valid[0]):
            last = index == len(spec.gamma) - 1
            with m.If(last):
                m.d.sync += index.eq(0)
            with m.Else():
                m.d.sync += index.eq(index + 1)
        # Cycle 1: the distance from the zero point, and this code's constants.
        y = Signal(signed(max(self._bits, spec.zero_point.bit_length()) + 1))
        gamma, beta = _constant(spec.gamma, index), _constant(spec.beta, index)
        scale, offset = Signal(gamma.shape()), Signal(beta.shape())
        m.d.sync += [y.eq(self.i.payload - spec.zero_point), scale.eq(gamma), offset.eq(beta)]
        # Cycle 2: times gamma. Cycle 3: times the multiplier.
        weighted = Signal((y * scale).shape())
        m.d.sync += weighted.eq(y * scale)
        mantissa = Const(spec.multiplier.mantissa)
        product = Signal((weighted * mantissa).shape())
        m.d.sync += product.eq(weighted * mantissa)
        # Cycle 4: one sum, so that there is one rounding. Cycles 5-7: round, saturate.
        late = delayed(m, offset, 2, "offset")
        total = Signal((product + late).shape())
        m.d.sync += total.eq(product + late)
        m.submodules.rounder = rounder = ConstantRounder(
            width=len(total),
            bits=spec.out_bits,
            shift=spec.multiplier.shift,
            zero_point=spec.out_zero_point,
        )
        m.d.comb += [rounder.p.eq(total), self.o.payload.eq(rounder.q)]


def _constant(values, index):
    """The value of a constant signed row."""
    numbers = [int(v) for v in values]
    width = signed(max(max(v.bit_length() for v in numbers) + 1, 2))
    # A row of one: the index stays 0.
    return Array(Const(v, width) for v in (numbers * 2)[: max(len(numbers), 2)])[index]
