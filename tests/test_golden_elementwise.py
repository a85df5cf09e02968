"""Element-wise operations: refusals, shapes, clamp counts; more numbers in test_reference_*.py."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

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
from golden.fixed import ClampCount, FixedPoint

codes16 = st.integers(0, 65535)


@given(st.lists(st.tuples(codes16, codes16, st.integers(-(1 << 30), 1 << 30)), min_size=1,
                max_size=4), st.integers(0, 62), codes16)  # fmt: skip
def test_add_of_any_number_of_16_bit_terms_rounds_once(terms, shift, z_out):
    q, *constants = zip(*terms, strict=True)
    spec = AddSpec(*constants, shift, z_out, 16)
    assert add(spec, *q) == reference.add(q, *constants, shift, z_out, 16)


@given(codes16, codes16, codes16, codes16, st.integers(1, (1 << 30) - 1), st.integers(0, 62))
def test_multiply_of_16_bit_codes(a, z_a, b, z_b, mantissa, shift):
    spec = MultiplySpec((z_a, z_b), FixedPoint(mantissa, shift), 4321, 16)
    assert multiply(spec, a, b) == reference.multiply(a, b, z_a, z_b, mantissa, shift, 4321, 16)


def test_a_negative_mantissa_subtracts():
    spec = AddSpec((10, 20), (1 << 8, -(1 << 8)), 8, 0)
    assert add(spec, 110, 50).tolist() == 100 - 30


def test_shapes_broadcast_and_clamps_are_counted():
    clamps = ClampCount()
    spec = AddSpec((0, 0), (1, 1), 0, 0)
    total = add(spec, np.full((3, 1), 200), np.array([0, 55, 56, 255]), clamps=clamps)
    assert total.tolist() == [[200, 255, 255, 255]] * 3
    assert (clamps.clamped, clamps.seen) == (6, 12)
    assert minimum([65535, 3], 4).tolist() == [4, 3]


def test_clamps_of_one_minus_and_affine_are_counted():
    clamps = ClampCount()
    one_minus(subtract_spec((0, 0), (1, 2), 0, 0), np.arange(256), 8, clamps)  # 255 - 2 x
    assert (clamps.clamped, clamps.seen) == (128, 256)
    affine(_affine(gamma=np.array([3], np.int8)), np.arange(256)[:, np.newaxis], clamps)
    assert (clamps.clamped, clamps.seen) == (128 + 170, 512)


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


@pytest.mark.parametrize("bits", [8, 16])
def test_one_minus_of_the_gates_range_mirrors_its_codes(bits):
    """[0, 1] to [0, 1], scale 1 / (2^b - 1): exact, without an LSB of error."""
    codes = np.arange(1 << bits)
    spec = subtract_spec((0, 0), (1 << 15, 1 << 15), 15, 0, bits)
    assert np.array_equal(one_minus(spec, codes, bits), codes[::-1])


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
