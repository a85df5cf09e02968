from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_golden_fixed import rounded

from golden.elementwise import (
    AddSpec,
    AffineSpec,
    MultiplySpec,
    add,
    affine,
    minimum,
    multiply,
    one_minus,
    subtract_spec,
)
from golden.fixed import PRODUCT_LIMIT, ClampCount, FixedPoint

A, B = (axis.ravel() for axis in np.meshgrid(np.arange(256), np.arange(256)))
codes16 = st.integers(0, 65535)


def exact(numerators: np.ndarray, shift: int, zero_point: int, bits: int = 8) -> np.ndarray:
    """clamp(round(n / 2^shift) + Z) of each number, evaluated once for each distinct one."""
    unique, inverse = np.unique(numerators, return_inverse=True)
    table = [rounded(Fraction(int(n), 1 << shift)) + zero_point for n in unique]
    return np.clip(np.array(table), 0, (1 << bits) - 1)[inverse]


@pytest.mark.parametrize(
    ("z_a", "z_b", "mantissa", "shift", "z_out", "bits"),
    [
        (128, 128, 40000, 22, 128, 8),
        (0, 0, 1 << 15, 23, 0, 8),  # every product: 8 bits times 8 bits to the upper byte
        (255, 0, 65535, 24, 255, 8),
        (77, 200, 1, 1, 100, 8),  # ties on every odd product
        (3, 250, 50001, 16, 40000, 16),
    ],
)
def test_multiply_on_every_pair_of_codes(z_a, z_b, mantissa, shift, z_out, bits):
    spec = MultiplySpec((z_a, z_b), FixedPoint(mantissa, shift), z_out, bits)
    expected = exact((A - z_a) * (B - z_b) * mantissa, shift, z_out, bits)
    assert np.array_equal(multiply(spec, A, B), expected)


@pytest.mark.parametrize(
    ("z", "mantissas", "shift", "z_out", "bits"),
    [
        ((128, 128), (40000, 33333), 16, 128, 8),
        ((0, 255), (65535, -65535), 15, 0, 8),
        ((13, 200), (1, 1), 1, 100, 8),  # a tie on every odd sum
        ((7, 9), (-3, 5), 3, 255, 8),
        ((100, 30), (60000, -50000), 9, 30000, 16),
    ],
)
def test_add_on_every_pair_of_codes(z, mantissas, shift, z_out, bits):
    spec = AddSpec(z, mantissas, shift, z_out, bits)
    total = mantissas[0] * (A - z[0]) + mantissas[1] * (B - z[1])
    assert np.array_equal(add(spec, A, B), exact(total, shift, z_out, bits))


@given(st.lists(st.tuples(codes16, codes16, st.integers(-(1 << 30), 1 << 30)), min_size=1,
                max_size=4), st.integers(0, 62), codes16)  # fmt: skip
def test_add_of_any_number_of_16_bit_terms_rounds_once(terms, shift, z_out):
    q, z, mantissas = zip(*terms, strict=True)
    spec = AddSpec(z, mantissas, shift, z_out, 16)
    total = sum(m * (a - b) for a, b, m in terms)
    assert add(spec, *q) == exact(np.array([total], object), shift, z_out, 16)[0]


@given(codes16, codes16, codes16, codes16, st.integers(1, (1 << 30) - 1), st.integers(0, 62))
def test_multiply_of_16_bit_codes(a, z_a, b, z_b, mantissa, shift):
    spec = MultiplySpec((z_a, z_b), FixedPoint(mantissa, shift), 4321, 16)
    product = np.array([(a - z_a) * (b - z_b) * mantissa], object)
    assert multiply(spec, a, b) == exact(product, shift, 4321, 16)[0]


def test_a_negative_mantissa_subtracts():
    spec = AddSpec((10, 20), (1 << 8, -(1 << 8)), 8, 0)
    assert add(spec, 110, 50).tolist() == 100 - 30


def test_shapes_broadcast_and_clamps_are_counted():
    clamps = ClampCount()
    spec = AddSpec((0, 0), (1, 1), 0, 0)
    total = add(spec, np.full((3, 1), 200), np.array([0, 55, 56, 255]), clamps=clamps)
    assert total.tolist() == [[200, 255, 255, 255]] * 3
    assert (clamps.clamped, clamps.seen) == (6, 12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AddSpec((0,), (1, 2), 0, 0), "add: one zero point and one mantissa a term"),
        (lambda: AddSpec((), (), 0, 0), "add: one zero point and one mantissa a term"),
        (lambda: AddSpec((0,), (1 << 31,), 0, 0), r"add: mantissas \(2147483648,\) exceed 31 bits"),
        (lambda: AddSpec((0,), (1,), 63, 0), "shift 63 is not in 0..62"),
        (lambda: AddSpec((0,), (1,), 0, 256), "add output: zero point 256 is not in 0..255"),
        (lambda: AddSpec((0,), (1,), 0, 0, 32), "add output: 32 bits; operands have 8 or 16"),
        (lambda: AddSpec((-1,), (1,), 0, 0), "add operand: zero point -1 is not in 0..65535"),
        (
            lambda: AddSpec((0,) * 40000, ((1 << 31) - 1,) * 40000, 0, 0),
            "add: 40000 terms may exceed 4611686018427387904",
        ),
        (
            lambda: MultiplySpec((0, 0), FixedPoint((1 << 30) + (1 << 16), 0), 0),
            "multiply: mantissa 1073807360 exceeds 30 bits",
        ),
        (
            lambda: MultiplySpec((0, 65536), FixedPoint(1, 0), 0),
            "multiply operand: zero point 65536 is not in 0..65535",
        ),
        (
            lambda: MultiplySpec((0, 0), FixedPoint(1, 0), 0, 9),
            "multiply output: 9 bits; operands have 8 or 16",
        ),
        (
            lambda: MultiplySpec((0, 0), FixedPoint(1, 0), 300),
            "multiply output: zero point 300 is not in 0..255",
        ),
        (lambda: add(AddSpec((0,), (1,), 0, 0), 1, 2), "add: 2 operands for 1 terms"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        build()


def test_floats_are_refused():
    with pytest.raises(TypeError, match="a: expected integers, got float64"):
        multiply(MultiplySpec((0, 0), FixedPoint(1, 0), 0), 1.0, 2)
    with pytest.raises(TypeError, match="expected integers"):
        add(AddSpec((0, 0), (1, 1), 0, 0), 1, np.float32(2))


def test_the_largest_operands_stay_exact():
    """16-bit extremes with the widest multiplier: the product that comes nearest to int64's end."""
    mantissa = (1 << 30) - 1
    spec = MultiplySpec((0, 0), FixedPoint(mantissa, 47), 0, 16)
    expected = rounded(Fraction(65535 * 65535 * mantissa, 1 << 47))
    assert multiply(spec, 65535, 65535) == min(expected, 65535)


@pytest.mark.parametrize(
    ("z", "mantissas", "shift", "z_out", "bits"),
    [
        ((128, 128), (40000, 33333), 16, 128, 8),
        ((0, 255), (65535, 65535), 15, 0, 8),
        ((13, 200), (1, 3), 1, 100, 8),  # a tie on every odd difference
        ((100, 30), (60000, 50000), 9, 30000, 16),
    ],
)
def test_subtract_on_every_pair_of_codes(z, mantissas, shift, z_out, bits):
    spec = subtract_spec(z, mantissas, shift, z_out, bits)
    difference = mantissas[0] * (A - z[0]) - mantissas[1] * (B - z[1])
    assert np.array_equal(add(spec, A, B), exact(difference, shift, z_out, bits))


@pytest.mark.parametrize("x_bits", [8, 16])
@pytest.mark.parametrize(
    ("z_x", "mantissas", "shift", "z_out", "bits"),
    [
        (0, (1 << 15, 1 << 15), 15, 0, 8),
        (128, (32896, 65535), 16, 128, 8),
        (255, (1, 1), 1, 3, 8),
        (17, (65535, 40000), 8, 1000, 16),
    ],
)
def test_one_minus_on_every_code(x_bits, z_x, mantissas, shift, z_out, bits):
    top = (1 << x_bits) - 1
    x = np.arange(top + 1)
    spec = subtract_spec((0, z_x), mantissas, shift, z_out, bits)
    expected = exact(mantissas[0] * top - mantissas[1] * (x - z_x), shift, z_out, bits)
    clamps = ClampCount()
    assert np.array_equal(one_minus(spec, x, x_bits, clamps), expected)
    assert clamps.seen == len(x)


@pytest.mark.parametrize("bits", [8, 16])
def test_one_minus_of_the_gates_range_mirrors_its_codes(bits):
    """[0, 1] to [0, 1], scale 1 / (2^b - 1): exact, without an LSB of error."""
    codes = np.arange(1 << bits)
    spec = subtract_spec((0, 0), (1 << 15, 1 << 15), 15, 0, bits)
    assert np.array_equal(one_minus(spec, codes, bits), codes[::-1])


def test_minimum_on_every_pair_of_codes():
    expected = [a if a < b else b for a, b in zip(A.tolist(), B.tolist(), strict=True)]
    assert minimum(A, B).tolist() == expected
    assert minimum([65535, 3], 4).tolist() == [4, 3]


@pytest.mark.parametrize(
    ("z_y", "mantissa", "shift", "beta", "z_out", "bits"),
    [
        (128, 40000, 21, 0, 128, 8),
        (0, 1, 1, 1, 0, 8),  # ties, moved by beta
        (255, 65535, 22, -(1 << 29), 255, 8),
        (77, 50001, 16, 123456789, 20000, 16),
    ],
)
def test_affine_on_every_code_and_gamma(z_y, mantissa, shift, beta, z_out, bits):
    gamma = np.arange(-127, 128, dtype=np.int8)
    betas = beta + np.arange(-127, 128)
    spec = AffineSpec(gamma, betas, z_y, FixedPoint(mantissa, shift), z_out, bits)
    y = np.arange(256)[:, np.newaxis]
    numerator = mantissa * (y - z_y) * gamma.astype(np.int64) + betas
    clamps = ClampCount()
    result = affine(spec, np.broadcast_to(y, numerator.shape), clamps)
    assert np.array_equal(result.ravel(), exact(numerator.ravel(), shift, z_out, bits))
    assert clamps.seen == numerator.size


def test_affine_of_the_largest_operands_stays_exact():
    multiplier = FixedPoint((1 << 30) - 1, 62)
    gamma = np.array([32767, -32767], np.int16)
    room = PRODUCT_LIMIT - 1 - multiplier.mantissa * 65535 * 32767
    spec = AffineSpec(gamma, np.array([room, -room]), 0, multiplier, 100, 16)
    assert affine(spec, [65535, 65535]).tolist() == [101, 99]
    with pytest.raises(ValueError, match=r"^beta: with its product, one may reach 4611686018427"):
        AffineSpec(gamma, np.array([0, room + 1]), 0, multiplier, 100, 16)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: subtract_spec((0, 0), (1, -1), 0, 0), r"subtract: mantissas \(1, -1\) are not"),
        (lambda: one_minus(subtract_spec((0, 0), (1, 1), 0, 0), 1, 9), "one minus: 9 bits"),
        (lambda: _affine(gamma=np.array([-128], np.int8)), "gamma: the most negative code"),
        (lambda: _affine(gamma=np.array([1])), "gamma: int8 or int16 vector expected, got int64"),
        (lambda: _affine(gamma=np.ones((1, 1), np.int8)), "gamma: int8 or int16 vector expected"),
        (lambda: _affine(beta=np.zeros(2, np.int64)), "beta: one int64 for each gamma expected"),
        (lambda: _affine(beta=np.zeros(1, np.int32)), "beta: one int64 for each gamma expected"),
        (lambda: _affine(beta=np.array([-(1 << 63)])), "beta: with its product"),
        (lambda: _affine(zero_point=65536), "affine operand: zero point 65536"),
        (lambda: _affine(out_zero_point=256), "affine output: zero point 256"),
        (lambda: _affine(out_bits=7), "affine output: 7 bits"),
        (lambda: affine(_affine(), [1, 2]), r"y: \(2,\) codes for \(1,\) of gamma"),
    ],
)
def test_what_does_not_fit_the_others_is_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        build()


def _affine(gamma=None, beta=None, zero_point=0, out_zero_point=0, out_bits=8):
    return AffineSpec(
        np.ones(1, np.int8) if gamma is None else gamma,
        np.zeros(1, np.int64) if beta is None else beta,
        zero_point,
        FixedPoint(1, 0),
        out_zero_point,
        out_bits,
    )
