"""golden against the outside reference in the worst cases: all operands at their ends."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from reference_specs import agree, constants, matvec_both_ways, products
from test_golden_madnorm import spec_of

from golden.activation import PwlSpec, pwl
from golden.attention import ContextSpec, context
from golden.elementwise import AddSpec, AffineSpec, MultiplySpec, add, affine, multiply
from golden.fixed import PRODUCT_LIMIT, FixedPoint
from golden.linear import ACCUMULATOR_MAX, MatVecSpec, accumulate
from golden.madnorm import madnorm

ENDS = [(0, 0), (0, 65535), (65535, 0), (65535, 65535)]


@pytest.mark.parametrize("shift", [0, 1, 46, 62])
@pytest.mark.parametrize("zeros", ENDS)
def test_the_largest_product(shift, zeros):
    spec = MultiplySpec(zeros, FixedPoint((1 << 30) - 1, shift), 32768, 16)
    expected = [reference.multiply(*pair, *constants(spec)) for pair in ENDS]
    assert agree(multiply(spec, *np.array(ENDS).T), expected) == 4


@pytest.mark.parametrize("zero", [0, 65535])
def test_the_largest_sum(zero):
    """32,768 terms of 31-bit mantissas: one step below the limit of a product."""
    spec = AddSpec((zero,) * 32768, ((1 << 31) - 1,) * 32768, 46, 65535, 16)
    terms = [65535 - zero] * 32768
    assert add(spec, *terms) == reference.add(terms, *constants(spec))
    with pytest.raises(ValueError, match="may exceed 4611686018427387904"):
        replace(spec, zero_points=(zero,) * 32769, mantissas=((1 << 31) - 1,) * 32769)


def test_the_largest_affine():
    m = FixedPoint((1 << 30) - 1, 62)
    room = PRODUCT_LIMIT - 1 - m.mantissa * 65535 * 32767
    spec = AffineSpec(np.array([32767, -32767], np.int16), np.array([room, -room]), 0, m, 100, 16)
    terms = (32767, room), (-32767, -room)
    expected = [reference.affine(65535, *term, *constants(spec)) for term in terms]
    assert agree(affine(spec, [65535, 65535]), expected) == 2
    with pytest.raises(ValueError, match=r"^beta: with its product, one may reach 4611686018427"):
        replace(spec, beta=np.array([0, room + 1]))


def test_the_widest_pwl():
    slope, intercept = (1 << 44) - 1, (1 << 60) - 1
    for spec in (PwlSpec((0,), (slope,), (intercept,), 46, 0, 16, 16),
                 PwlSpec((0,), (-slope,), (-intercept,), 46, 65535, 16, 16)):  # fmt: skip
        ends = [0, 1, 65534, 65535]
        assert agree(pwl(spec, ends), [reference.pwl(q, *constants(spec)) for q in ends]) == 4


@pytest.mark.parametrize(("x_bits", "z_x"), [(8, 0), (8, 255), (16, 0), (16, 65535)])
@pytest.mark.parametrize(
    ("weight", "z_w", "dtype"),
    [(127, 0, np.int8), (-127, 0, np.int8), (255, 0, np.uint8), (0, 255, np.uint8)],
)
def test_the_largest_accumulator(x_bits, z_x, weight, z_w, dtype):
    """The bias fills what 32 bits the largest products leave; a step more is refused by both."""
    top = (1 << x_bits) - 1
    columns, room = divmod(ACCUMULATOR_MAX, top * abs(weight - z_w))
    sign = 1 if (weight > z_w) == (z_x == 0) else -1
    weights, bias = np.full((1, columns), weight, dtype), np.array([sign * room], np.int32)
    m = FixedPoint((1 << 31) - 1, 46)
    spec = MatVecSpec(weights, bias, z_x, m, 32768, x_bits, 16, z_w)
    x = [top - z_x] * columns
    largest = reference.accumulate(x, *products(spec))
    assert largest == accumulate(spec, x).tolist() == [sign * ACCUMULATOR_MAX]
    assert largest[0] in (spec.bounds[0][0], spec.bounds[1][0])
    result = matvec_both_ways(spec, np.array([x]))
    assert agree(result, reference.matvec(x, *constants(spec))) == 1
    with pytest.raises(ValueError, match="worst-case accumulator 2147483648 exceeds"):
        replace(spec, bias=bias + np.int32(sign))
    with pytest.raises(OverflowError, match="an accumulator exceeds 32 bits"):
        reference.accumulate(x, weights.tolist(), [sign * (room + 1)], z_x, z_w)


@pytest.mark.parametrize("x", [0, 65535])
def test_the_longest_row_of_madnorm(x):
    length = ACCUMULATOR_MAX >> 16
    spec = spec_of(
        length, ((1 << 31) - 1, 46, 65535 - x), (1, 1, 0, x), ((1 << 31) - 1, 46),
        ((1 << 31) - 1, 40, 32768), 65535 - x, (16,) * 5,
    )  # fmt: skip
    trace, expected = (
        madnorm(spec, np.full(length, x)),
        reference.madnorm([x] * length, *constants(spec)),
    )
    assert (trace.mu.tolist(), trace.d.tolist()) == ([expected.mu], [expected.d])
    assert agree(trace.x_hat, expected.x_hat) == agree(trace.y, expected.y) == length


@pytest.mark.parametrize(("z_h", "z_s", "h"), [(0, 0, 255), (128, 255, 0), (255, 255, 0)])
def test_the_longest_sequence_of_attention(z_h, z_s, h):
    spec = ContextSpec(z_h, FixedPoint((1 << 31) - 1, 31), z_s)
    e, column = [255] * spec.max_steps, [h] * spec.max_steps
    expected = [reference.context(e, column, *constants(spec))]
    assert agree(context(spec, e, np.array(column)[:, np.newaxis], [len(e)]), expected) == 1
