from fractions import Fraction

import numpy as np
import pytest
import reference
from amaranth.hdl import Cat, Signal, signed, unsigned
from amaranth.lib.data import StructLayout
from native_runs import full_rate, load, numbers, packed
from rtl_cases import as_unit, complaints

from golden import fixed as golden
from golden.stimulus import mixed
from rtl.fixed import (
    fits_groups,
    half_units,
    narrow,
    part_count,
    partial_products,
    round_saturate,
    saturate,
    shift_halves,
)
from rtl.pipeline import Pipeline
from rtl.units.unit import pack
from sim.unit_check import UnitBench

BITS = 3
ROUND = StructLayout({"p": signed(9), "shift": 4, "zero_point": BITS})
# Wide enough that what is left after whole groups of the shift may not fit, and that it may.
WIDE = StructLayout({"p": signed(15), "shift": 4, "zero_point": BITS})
NARROWED = 5


def exact_round(p: int, shift: int) -> int:
    """round(p / 2^shift), half away from zero, in rational arithmetic."""
    return reference.rounded(Fraction(p, 1 << shift))


class Rounding(Pipeline):
    """The rounding expressions in one cycle."""

    LATENCY = 1

    def __init__(self, layout=ROUND):
        super().__init__(layout, BITS)

    def datapath(self, m, valid):
        i = self.i.payload
        shifted, fits = shift_halves(half_units(i.p), i.shift, BITS)
        fits &= fits_groups(i.p, i.shift, BITS)
        m.d.sync += self.o.payload.eq(round_saturate(shifted, i.zero_point, BITS, fits))


class Product(Pipeline):
    """a * b of parts."""

    LATENCY = 2

    def __init__(self, a, b):
        self._shape = signed(a.width + b.width)
        super().__init__(StructLayout({"a": a, "b": b}), self._shape)

    def datapath(self, m, valid):
        product = Signal(self._shape)
        parts = partial_products(m, self.i.payload.a, self.i.payload.b, "product")
        assert len(parts) == part_count(self.i.payload.a.shape(), self.i.payload.b.shape())
        m.d.sync += product.eq(sum(parts))
        m.d.comb += self.o.payload.eq(product)


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


@pytest.mark.parametrize("zero_point", [0, 7])
def test_wide_rounding_is_goldens_for_every_input(zero_point):
    p, shift = np.arange(1 - (1 << 14), 1 << 14), np.arange(16)
    p, shift = (column.ravel() for column in np.meshgrid(p, shift))
    component = Rounding(WIDE)
    unit = load(component)
    words = packed(component, {"p": p, "shift": shift, "zero_point": zero_point}, unit.input_bytes)
    run = full_rate(unit, words, len(p))
    wanted = golden.saturate(golden.round_shift(p, shift) + zero_point, BITS)
    assert (numbers(run, component) == wanted).all()


@pytest.mark.parametrize(
    ("a", "b", "parts"),
    [
        (signed(18), unsigned(17), 1),
        (signed(19), signed(18), 2),
        (signed(32), unsigned(32), 4),
        (unsigned(18), signed(34), 4),
        (signed(33), signed(25), 4),
    ],
)
def test_products_of_parts_are_products(a, b, parts):
    assert part_count(a, b) == parts
    rng, ends = np.random.default_rng(0), []
    for shape in (a, b):
        low = -(1 << shape.width - 1) if shape.signed else 0
        high = low + (1 << shape.width) - 1
        ends.append([low, high, *([low, high] if shape is a else [high, low])])
        ends[-1] += mixed(rng, low, high, 400).tolist()
    inputs = [dict(zip("ab", pair, strict=True)) for pair in zip(*ends, strict=True)]
    mask = (1 << (a.width + b.width)) - 1
    outputs = [x * y & mask for x, y in zip(*ends, strict=True)]
    assert complaints(Product(a, b), inputs, outputs, ["full rate"]) == ""


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
