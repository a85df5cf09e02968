import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from reference_specs import constants, products

from golden.fixed import ClampCount, FixedPoint, FixedPoints, requantize, rescale
from golden.linear import (
    ACCUMULATOR_MAX,
    MatVecSpec,
    accumulate,
    accumulator_bounds,
    embedding,
    matvec,
)
from golden.stimulus import mixed


def spec_of(weights, bias=None, z=0, multiplier=None, **kw) -> MatVecSpec:
    w = np.array(weights, np.int8)
    b = np.zeros(len(w), np.int32) if bias is None else np.array(bias, np.int32)
    return MatVecSpec(w, b, z, multiplier, **kw)


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 65535), st.sampled_from([8, 16]),
       st.integers(-20, 20), st.integers(0, 1 << 30))  # fmt: skip
def test_accumulators_are_those_of_the_definition(rows, columns, z, x_bits, z_w, seed):
    rng = np.random.default_rng(seed)
    z %= 1 << x_bits
    w = mixed(rng, -127, 127, rows * columns).reshape(rows, columns)
    bias = mixed(rng, -(1 << 20), 1 << 20, rows)
    spec = spec_of(w, bias, z, x_bits=x_bits, w_zero_point=z_w)
    x = mixed(rng, 0, (1 << x_bits) - 1, columns)
    assert accumulate(spec, x).tolist() == reference.accumulate(x.tolist(), *products(spec))
    low, high = spec.bounds
    assert np.all(low <= accumulate(spec, x))
    assert np.all(accumulate(spec, x) <= high)


@given(st.integers(0, 255), st.integers(0, 1 << 30))
def test_the_bounds_are_reached(z, seed):
    """The worst inputs are the ends of the code range, by the sign of each weight."""
    rng = np.random.default_rng(seed)
    w, bias = mixed(rng, -127, 127, 24).reshape(3, 8), mixed(rng, -999, 999, 3)
    low, high = accumulator_bounds(w, bias, z, 8)
    spec = spec_of(w, bias, z)
    for row in range(3):
        assert accumulate(spec, np.where(w[row] > 0, 255, 0))[row] == high[row]
        assert accumulate(spec, np.where(w[row] > 0, 0, 255))[row] == low[row]


def test_the_largest_accumulator_fits_and_one_more_does_not():
    columns = 66000
    room = ACCUMULATOR_MAX - 255 * 127 * columns
    weights = np.full((1, columns), 127, np.int8)
    spec = spec_of(weights, [room])
    x = np.full(columns, 255)
    assert accumulate(spec, x).tolist() == [ACCUMULATOR_MAX]
    assert matvec(spec, x).tolist() == [ACCUMULATOR_MAX]
    with pytest.raises(ValueError, match=r"^row 0: worst-case accumulator 2147483648 exceeds"):
        spec_of(weights, [room + 1])
    with pytest.raises(ValueError, match=r"^row 0: worst-case accumulator 2147483648 exceeds"):
        spec_of(-weights, [-room - 1])


def test_the_row_at_fault_is_named():
    weights = np.zeros((3, 70000), np.int8)
    weights[2] = -127
    with pytest.raises(ValueError, match=r"^row 2: worst-case accumulator \d+ exceeds 2147483647$"):
        spec_of(weights)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("w_zero_point", [0, 100])
@pytest.mark.parametrize("z", [0, 30000, 65535])
def test_the_most_columns_that_fit(dtype, w_zero_point, z):
    """Whatever the zero points are, of weights at their end and of either sign."""
    ends = (-127, 127) if dtype == np.int8 else (0, 255)
    end = max(ends, key=lambda code: abs(code - w_zero_point))
    columns = ACCUMULATOR_MAX // (abs(end - w_zero_point) * max(z, 65535 - z))
    bias = np.zeros(1, np.int32)
    for extra in (0, 1):
        weights = np.full((1, columns + extra), end, dtype)
        arguments = (weights, bias, z, None, 0, 16, 8, w_zero_point)
        if extra:
            with pytest.raises(ValueError, match=r"^row 0: worst-case accumulator \d+ exceeds"):
                MatVecSpec(*arguments)
        else:
            MatVecSpec(*arguments)


@pytest.mark.parametrize(("columns", "bias", "narrow"), [
    (518, 1785, True), (518, 1786, False), (518, -1785, True), (518, -1786, False), (519, 0, False),
    (1, (1 << 24) - 1 - 32385, True), (1, (1 << 24) - 32385, False),
])  # fmt: skip
def test_sums_are_narrow_up_to_the_bound_of_float32(columns, bias, narrow):
    weights = np.full((2, columns), 127 if bias >= 0 else -127)
    weights[0] = 1
    spec = spec_of(weights, [0, bias])
    assert spec.narrow == narrow
    assert spec_of(np.ones((2, columns)), [0, bias]).narrow, "smaller weights"


def test_a_bias_that_cancels_makes_no_sum_narrow():
    assert not spec_of(np.full((1, 519), 127), [-100_000]).narrow


def test_bounds_of_sums_beyond_float32_are_exact():
    columns = 70_001  # an odd sum of weights above 2^24
    low, high = accumulator_bounds(np.full((2, columns), 255, np.uint8), [0, 1], 0, 8)
    assert (low.tolist(), high.tolist()) == ([0, 1], [columns * 255**2, columns * 255**2 + 1])


@pytest.mark.parametrize(("columns", "dtype"), [(500, np.float32), (700, np.float64)])
def test_sums_beyond_float32_are_exact(columns, dtype):
    """Odd products on either side of 2^24: a float32 sum beyond would lose its lowest bit."""
    spec = spec_of(np.full((2, columns), 127), z=0)
    assert spec.operand.dtype == dtype
    x = np.full(columns, 255)
    x[-1] = 254
    assert accumulate(spec, x).tolist() == [127 * (255 * columns - 1)] * 2


def test_requantized_batches():
    multiplier, clamps = FixedPoint(40000, 20), ClampCount()
    rng = np.random.default_rng(5)
    spec = spec_of(mixed(rng, -127, 127, 60).reshape(5, 12), z=100, multiplier=multiplier,
                   out_zero_point=130)  # fmt: skip
    x = mixed(rng, 0, 255, 7 * 3 * 12).reshape(7, 3, 12)
    y = matvec(spec, x, clamps)
    assert y.shape == (7, 3, 5)
    for n, row in enumerate(x.reshape(-1, 12)):
        assert y.reshape(-1, 5)[n].tolist() == reference.matvec(row.tolist(), *constants(spec))
    assert clamps.seen == 105
    expected = rescale(accumulate(spec, x), multiplier) + 130
    assert clamps.clamped == int(np.sum((expected < 0) | (expected > 255))) > 0


def points(mantissas, shifts) -> FixedPoints:
    return FixedPoints(np.array(mantissas, np.int64), np.array(shifts, np.int64))


def test_a_multiplier_a_row():
    rng = np.random.default_rng(6)
    multipliers = points(rng.integers(1, 1 << 16, 5), [0, 1, 17, 20, 24])
    spec = spec_of(mixed(rng, -127, 127, 60).reshape(5, 12), z=100, multiplier=multipliers,
                   out_zero_point=30000, out_bits=16)  # fmt: skip
    x = mixed(rng, 0, 255, 300 * 12).reshape(300, 12)
    y = matvec(spec, x)
    for row, (m, f) in enumerate(zip(multipliers.mantissa, multipliers.shift, strict=True)):
        acc = accumulate(spec, x)[:, row]
        assert np.array_equal(y[:, row], requantize(acc, FixedPoint(int(m), int(f)), 30000, 16))


def test_asymmetric_weights_are_unsigned():
    rng = np.random.default_rng(7)
    w = mixed(rng, 0, 255, 60).reshape(5, 12)
    spec = MatVecSpec(w.astype(np.uint8), np.zeros(5, np.int32), 100, None, w_zero_point=77)
    x = mixed(rng, 0, 255, 12)
    assert accumulate(spec, x).tolist() == ((w - 77) @ (x - 100)).tolist()


def test_wrong_specs_are_refused():
    w, b = np.zeros((2, 3), np.int8), np.zeros(2, np.int32)
    for arguments, message in (
        ((w.astype(np.int16), b, 0, None), "weights: int8 or uint8 matrix expected, got int16"),
        ((w[0], b, 0, None), "weights: int8 or uint8 matrix expected, got int8"),
        ((w, b.astype(np.int64), 0, None), "bias: one int32 a row expected"),
        ((w, b[:1], 0, None), "bias: one int32 a row expected"),
        (
            (np.full_like(w, -128), b, 0, None),
            "weights: the code -128 is not used, so that negation is exact",
        ),
        ((w, b, 256, None), "matvec input: zero point 256 is not in 0..255"),
        ((w, b, 0, None, -1), "matvec output: zero point -1 is not in 0..255"),
        ((w, b, 0, None, 0, 12), "matvec input: 12 bits; operands have 8 or 16"),
        ((w, b, 0, None, 0, 8, 32), "matvec output: 32 bits; operands have 8 or 16"),
        ((w, b, 0, None, 0, 8, 8, 128), "weights: zero point 128 is no code of theirs"),
        ((w.astype("u1"), b, 0, None, 0, 8, 8, -1), "weights: zero point -1 is no code of theirs"),
        ((w, b, 0, points([1, 1, 1], [0, 0, 0])), "multiplier: 3 for 2 rows"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            MatVecSpec(*arguments)


@pytest.mark.parametrize("x", [[-1, 0, 0], [256, 0, 0]])
def test_codes_outside_their_range_are_refused(x):
    with pytest.raises(ValueError, match=r"^x: codes outside 0\.\.255$"):
        accumulate(spec_of(np.zeros((2, 3))), x)


def test_floats_are_refused():
    with pytest.raises(TypeError, match=r"^x: expected integers"):
        accumulate(spec_of(np.zeros((2, 3))), [1.0, 2.0, 3.0])


def test_embedding():
    table = np.arange(12, dtype=np.uint8).reshape(4, 3)
    assert embedding(table, [3, 0]).tolist() == [[9, 10, 11], [0, 1, 2]]
    for index in ([4], [-1]):
        with pytest.raises(IndexError, match=r"^index outside 0\.\.3$"):
            embedding(table, index)
    with pytest.raises(TypeError, match=r"^index: "):
        embedding(table, [1.0])
