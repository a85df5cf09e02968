"""irnn_hw.quant.params: Eq. 1-3."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.errors import InputError
from irnn_hw.quant.params import QuantParams, round_half_away

finite = st.floats(-1e6, 1e6, allow_nan=False)


@pytest.mark.parametrize(
    ("x", "expected"),
    [(0.5, 1), (-0.5, -1), (1.5, 2), (2.5, 3), (-2.5, -3), (0.49, 0), (-0.49, 0), (0.0, 0),
     (0.49999999999999994, 0), (-0.49999999999999994, 0), (2.0**52 + 1, 2**52 + 1)],
)  # fmt: skip
def test_ties_round_away_from_zero(x, expected):
    assert round_half_away(x) == expected


def test_range_of_the_paper():
    p = QuantParams.from_range(-1, 1)
    assert (p.scale, p.zero_point, p.bits) == (2 / 255, 128, 8)
    assert p.quantize(1.0) == 255, "round(1 / S) + Z is 256: only the clamp gives a code"
    assert p.quantize(-1.0) == 0


@pytest.mark.parametrize(
    ("lo", "hi", "zero_point"), [(2.0, 5.0, 0), (-5.0, -2.0, 255), (-1e-9, 5.0, 0)]
)
def test_range_is_widened_to_hold_zero(lo, hi, zero_point):
    p = QuantParams.from_range(lo, hi)
    assert p.zero_point == zero_point
    assert p.dequantize(p.quantize(0.0)) == 0


@pytest.mark.parametrize(
    ("lo", "hi", "message"),
    [
        (0.0, 0.0, "is empty"),
        (1.0, -1.0, "is empty"),
        (-math.inf, 1.0, "is not finite"),
        (0.0, math.nan, "is not finite"),
        (0.0, 5e-324, "no representable scale"),
        (-1.7e308, 1.7e308, "no representable scale"),
    ],
)
def test_bad_ranges_are_refused(lo, hi, message):
    with pytest.raises(InputError, match=message):
        QuantParams.from_range(lo, hi)


@pytest.mark.parametrize("max_abs", [0.0, -1.0, math.nan, math.inf])
def test_bad_magnitudes_are_refused(max_abs):
    with pytest.raises(InputError, match="largest magnitude"):
        QuantParams.symmetric(max_abs)


def test_symmetric_never_uses_the_most_negative_code():
    p = QuantParams.symmetric(2.0)
    assert p.quantize([-2.0, -9.0, 2.0, 9.0, 0.0]).tolist() == [-127, -127, 127, 127, 0]
    assert (p.low, p.high, p.zero_point) == (-127, 127, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1.0, 256, 8), "zero point"), ((0.0, 0, 8), "scale"), ((1.0, 0, 1), "bits"),
     ((1.0, 5, 8, True), "zero point")],
)  # fmt: skip
def test_bad_parameters_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        QuantParams(*arguments)


def test_nan_has_no_code_and_infinity_clamps():
    p = QuantParams.from_range(-1, 1)
    with pytest.raises(InputError, match="NaN"):
        p.quantize([0.0, math.nan])
    assert p.quantize([math.inf, -math.inf, 1e300]).tolist() == [255, 0, 255]


@given(finite, finite, st.sampled_from([8, 16]))
def test_every_code_survives_a_round_trip(a, b, bits):
    lo, hi = min(a, b, -1e-3), max(a, b, 1e-3)
    p = QuantParams.from_range(lo, hi, bits)
    codes = np.unique(np.linspace(p.low, p.high, 300).astype(np.int64))
    assert np.array_equal(p.quantize(p.dequantize(codes)), codes)


@given(st.floats(-3, 5))
def test_the_error_is_at_most_half_a_step_inside(x):
    p = QuantParams.from_range(-3, 5)
    error = abs(p.dequantize(p.quantize(x)) - x)
    assert error <= p.scale * (0.5 + 1e-9) or p.quantize(x) in (0, 255)
    assert error <= p.scale * (1 + 1e-9)
