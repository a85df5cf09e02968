"""irnn_hw.quant.multipliers: Eq. 7-9, exactly."""

import json
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.errors import InputError
from golden.fixed import FixedPoint
from irnn_hw.quant.multipliers import common_shift, fixed_point, round_fraction

VECTORS = json.loads((Path(__file__).parent / "vectors/fixed_point.json").read_text())["cases"]
multipliers = st.fractions(Fraction(1, 1 << 30), Fraction(200), max_denominator=1 << 50)


def test_reference_vectors():
    for m, width, mantissa, shift in VECTORS:
        assert fixed_point(Fraction(m), "op", width) == FixedPoint(mantissa, shift), (m, width)


@given(multipliers, st.integers(8, 31))
def test_normalised_nearest_and_smallest_shift(m, width):
    fixed = fixed_point(m, "op", width)
    assert 1 << (width - 1) <= fixed.mantissa < 1 << width
    assert abs(Fraction(fixed.mantissa, 1 << fixed.shift) - m) <= Fraction(1, 2 << fixed.shift)
    if fixed.shift:
        assert round_fraction(m * (1 << (fixed.shift - 1))) < 1 << (width - 1)


@pytest.mark.parametrize(
    ("m", "rounded", "floored"),
    [
        (Fraction(5, 2), FixedPoint(160, 6), FixedPoint(160, 6)),
        (Fraction(257, 512), FixedPoint(129, 8), FixedPoint(128, 8)),  # 128.5: a tie
        (Fraction(511, 1024), FixedPoint(128, 8), FixedPoint(255, 9)),  # rounding reaches 2^7
    ],
)
def test_rounding_and_the_papers_floor(m, rounded, floored):
    assert fixed_point(m, "op", 8) == rounded
    assert fixed_point(m, "op", 8, floor=True) == floored


@pytest.mark.parametrize(
    ("m", "message"),
    [
        (0.0, "c.next: multiplier 0.0 is not positive"),
        (-0.25, "c.next: multiplier -0.25 is not positive"),
        (math.inf, "c.next: multiplier inf is not finite"),
        (math.nan, "c.next: multiplier nan is not finite"),
        (65536.0, "c.next: multiplier 65536.0 does not fit 16 bits"),
        (2.0**-49, "c.next: multiplier .* needs a shift above 62"),
    ],
)
def test_out_of_domain_names_operation_and_multiplier(m, message):
    with pytest.raises(InputError, match=message):
        fixed_point(m, "c.next")


@pytest.mark.parametrize("m", [65535.0, 2.0**-47])
def test_the_domain_reaches_its_ends(m):
    fixed = fixed_point(m, "op")
    assert fixed.mantissa * 2.0**-fixed.shift == m


@given(st.lists(multipliers, min_size=1, max_size=4), st.lists(st.booleans(), min_size=4))
def test_a_sum_has_the_shift_of_its_largest(ms, signs):
    ms = [m if s or m < 1 else -m for m, s in zip(ms, signs, strict=False)]
    shift = fixed_point(max(abs(m) for m in ms), "op").shift
    if any(round_fraction(abs(m) * (1 << shift)) == 0 for m in ms):
        with pytest.raises(InputError, match="vanishes"):
            common_shift(ms, "op")
        return
    mantissas, common = common_shift(ms, "op")
    assert common == shift == min(fixed_point(abs(m), "op").shift for m in ms)
    assert list(mantissas) == [round_fraction(m * (1 << shift)) for m in ms]
    assert all(abs(k) < 1 << 16 for k in mantissas)


def test_a_sum_without_terms_or_with_a_zero_is_refused():
    with pytest.raises(InputError, match="h: a sum needs at least one term"):
        common_shift([], "h")
    with pytest.raises(InputError, match=r"h: multiplier 0.0 is not positive"):
        common_shift([1.0, 0.0], "h")


@pytest.mark.parametrize(
    ("x", "expected"), [("1/2", 1), ("-1/2", -1), ("3/2", 2), ("5/2", 3), ("-7/3", -2), ("0", 0)]
)
def test_round_fraction(x, expected):
    assert round_fraction(Fraction(x)) == expected
