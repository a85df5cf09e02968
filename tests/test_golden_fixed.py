from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import rounded

from golden.fixed import (
    MAX_SHIFT,
    PRODUCT_LIMIT,
    ClampCount,
    FixedPoint,
    divide_round,
    integers,
    requantize,
    rescale,
    round_shift,
    saturate,
)
from golden.stimulus import corners

products = st.integers(1 - PRODUCT_LIMIT, PRODUCT_LIMIT - 1)
shifts = st.integers(0, MAX_SHIFT)


@pytest.mark.parametrize(
    ("p", "shift", "result"),
    [(1, 1, 1), (-1, 1, -1), (3, 1, 2), (-3, 1, -2), (5, 1, 3), (-5, 1, -3), (2, 2, 1), (-2, 2, -1),
     (1, 2, 0), (-1, 2, 0), (6, 2, 2), (-6, 2, -2), (7, 0, 7), (0, 62, 0), (1, 62, 0)],
)  # fmt: skip
def test_ties_go_away_from_zero(p, shift, result):
    assert round_shift(p, shift) == result


def test_round_shift_on_every_16_bit_number_and_shift():
    p = np.arange(-(1 << 15), 1 << 15)
    for shift in range(20):
        half_units = np.abs(p) * 2 >> shift  # floor(|2p| / 2^shift): a tie shows as its lowest bit
        expected = np.sign(p) * ((half_units + 1) >> 1)
        assert np.array_equal(round_shift(p, shift), expected), shift


@given(products, shifts)
def test_round_shift_is_the_rounded_quotient(p, shift):
    assert round_shift(p, shift) == rounded(Fraction(p, 1 << shift))


@given(products, shifts)
def test_round_shift_is_odd(p, shift):
    assert round_shift(-p, shift) == -round_shift(p, shift)


@pytest.mark.parametrize("p", corners(1 - PRODUCT_LIMIT, PRODUCT_LIMIT - 1))
def test_corners_at_every_shift(p):
    for shift in range(MAX_SHIFT + 1):
        assert round_shift(p, shift) == rounded(Fraction(p, 1 << shift))


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(1, (1 << 31) - 1), shifts)
def test_rescale_takes_every_accumulator_and_mantissa(a, mantissa, shift):
    expected = rounded(Fraction(a * mantissa, 1 << shift))
    assert rescale(a, FixedPoint(mantissa, shift)) == expected


@given(products, shifts, st.data())
def test_divide_round_rounds_once(n, shift, data):
    d = data.draw(st.integers(1, max((PRODUCT_LIMIT >> shift) - 1, 1)))
    if d << shift >= PRODUCT_LIMIT:
        with pytest.raises(ValueError, match="divisor: a magnitude reaches 1"):
            divide_round(n, shift, d)
        return
    assert divide_round(n, shift, d) == rounded(Fraction(n, d << shift))


def test_divide_round_exhaustively_on_small_numbers():
    n, d = np.meshgrid(np.arange(-300, 301), np.arange(1, 40))
    for shift in range(4):
        twice = 2 * np.abs(n) + (d << shift)  # floor(|n| / d 2^s + 1/2) over one denominator
        expected = np.sign(n) * (twice // (2 * (d << shift)))
        assert np.array_equal(divide_round(n, shift, d), expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_saturate_ends_where_the_codes_end(bits):
    top = (1 << bits) - 1
    values = [-(1 << 40), -2, -1, 0, 1, top - 1, top, top + 1, top + 2, 1 << 40]
    clamps = ClampCount()
    assert saturate(values, bits, clamps).tolist() == [0, 0, 0, 0, 1, top - 1, top, top, top, top]
    assert clamps == ClampCount(clamped=6, seen=10)


def test_clamp_counts_add_up():
    clamps = ClampCount()
    for _ in range(3):
        requantize([[-1, 300], [5, 256]], FixedPoint(1, 0), 0, 8, clamps)
    assert (clamps.clamped, clamps.seen) == (9, 12)


@pytest.mark.parametrize(
    "x", [1.0, [1, 2.5], np.ones(3, np.float32), [True], "7", np.ones(2, np.uint64), 1 << 64, 1j]
)
def test_only_integers_enter(x):
    with pytest.raises(TypeError, match=r"^acc: "):
        integers(x, "acc")
    with pytest.raises(TypeError):
        round_shift(x, 3)


def test_every_integer_type_is_taken():
    for dtype in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64):
        assert integers(np.array([0, 127], dtype)).dtype == np.int64


def refused(message: str):
    return pytest.raises(ValueError, match=f"^{message}$")


def test_out_of_domain_is_refused_with_its_reason():
    with refused("shift -1 is not in 0..62"):
        round_shift(1, -1)
    with refused("shift 63 is not in 0..62"):
        round_shift(1, 63)
    with refused(f"round_shift: a magnitude reaches {PRODUCT_LIMIT}"):
        round_shift([0, -PRODUCT_LIMIT], 1)
    with refused("divisor must be at least 1"):
        divide_round(1, 0, [1, 0])
    with refused("shift 63 is not in 0..62"):
        divide_round(1, 63, 1)
    with refused(r"mantissa 0 is not in 1..2\^31-1"):
        FixedPoint(0, 3)
    with refused(r"mantissa 2147483648 is not in 1..2\^31-1"):
        FixedPoint(1 << 31, 3)
    with refused("shift 63 is not in 0..62"):
        FixedPoint(1, 63)


def test_a_product_that_would_wrap_is_refused():
    """int64 wraps silently; the domain ends before that, to the unit."""
    multiplier = FixedPoint(3, 0)
    largest = (PRODUCT_LIMIT - 1) // 3
    assert rescale(largest, multiplier) == 3 * largest
    for a in (largest + 1, -largest - 1, 1 << 62):
        with pytest.raises(ValueError, match="rescale: a magnitude reaches"):
            rescale(a, multiplier)


def test_empty_arrays_pass():
    assert round_shift(np.empty(0, np.int64), 3).size == 0
    assert divide_round(np.empty(0, np.int64), 3, 1).size == 0
