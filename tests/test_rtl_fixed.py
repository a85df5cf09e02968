from fractions import Fraction

import numpy as np
import pytest
import reference
from amaranth.hdl import Cat, signed
from amaranth.lib.data import StructLayout
from rtl_cases import as_unit, complaints

from golden import fixed as golden
from rtl.fixed import half_units, narrow, round_saturate, saturate, shift_halves
from rtl.pipeline import Pipeline
from rtl.units.unit import pack
from sim.unit_check import UnitBench

BITS = 3
ROUND = StructLayout({"p": signed(9), "shift": 4, "zero_point": BITS})
NARROWED = 5


def exact_round(p: int, shift: int) -> int:
    """round(p / 2^shift), half away from zero, in rational arithmetic."""
    return reference.rounded(Fraction(p, 1 << shift))


class Rounding(Pipeline):
    """The three rounding expressions in one cycle."""

    LATENCY = 1

    def __init__(self):
        super().__init__(ROUND, BITS)

    def datapath(self, m, valid):
        i = self.i.payload
        shifted = shift_halves(half_units(i.p), i.shift, BITS)
        m.d.sync += self.o.payload.eq(round_saturate(shifted, i.zero_point, BITS))


class Narrowing(Pipeline):
    """narrow to fewer bits and to more, saturate, half_units: side by side."""

    LATENCY = 1

    def __init__(self):
        super().__init__(signed(8), NARROWED + 8 + 4 + 9)

    def datapath(self, m, valid):
        i = self.i.payload
        parts = narrow(i, NARROWED), narrow(i, 12), saturate(i, 4), half_units(i)
        m.d.sync += self.o.payload.eq(Cat(*parts))


def test_rounding_is_goldens_for_every_input():
    words = np.arange(1 << 16)
    words = words[words & 0x1FF != 0x100]  # -256 is out of the expressions' domain
    p = np.where(words & 0x100, (words & 0x1FF) - 512, words & 0x1FF)
    shift, zero_point = (words >> 9) & 15, words >> 13
    rounded = np.select(
        [shift == s for s in range(16)], [golden.round_shift(p, s) for s in range(16)]
    )
    outputs = golden.saturate(rounded + zero_point, BITS)
    assert rounded.tolist() == [
        exact_round(a, s) for a, s in zip(p.tolist(), shift.tolist(), strict=True)
    ]
    assert pack(ROUND, {"p": -256, "shift": 15, "zero_point": 5}) == 256 | 15 << 9 | 5 << 13
    unit = as_unit("rounding", Rounding, words.tolist(), outputs.tolist())
    result = UnitBench(unit, 0).check_native()
    assert result.message == ""
    assert result.words == 5 * len(words) == 5 * 511 * 128


def test_narrowing_is_clamping_for_every_input():
    values = np.arange(-128, 128)
    parts = [
        (np.clip(values, -16, 15), NARROWED),
        (values, 8),
        (np.clip(values, 0, 15), 4),
        (2 * values - (values < 0), 9),
    ]
    outputs, offset = np.zeros(256, np.int64), 0
    for part, width in parts:
        outputs |= (part & ((1 << width) - 1)) << offset
        offset += width
    assert complaints(Narrowing(), values.tolist(), outputs.tolist()) == ""


@pytest.mark.parametrize("shift", range(12))
def test_the_identity_of_the_module_docstring(shift):
    p = np.arange(-5000, 5000)
    assert (((((2 * p - (p < 0)) >> shift) + 1) >> 1) == golden.round_shift(p, shift)).all()
