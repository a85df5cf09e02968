"""golden against the outside reference on every pair of 8-bit codes."""

import numpy as np
import reference
from reference_specs import ALL, agree, constants, each, flat, matvec_both_ways
from test_golden_madnorm import spec_of

from golden.attention import ContextSpec, context
from golden.elementwise import (
    AddSpec,
    AffineSpec,
    MultiplySpec,
    add,
    affine,
    minimum,
    multiply,
    subtract_spec,
)
from golden.fixed import FixedPoint
from golden.linear import MatVecSpec
from golden.madnorm import deviation, mean, quotient

A, B = (axis.ravel() for axis in np.meshgrid(np.arange(256), np.arange(256)))
PAIRS = list(zip(A.tolist(), B.tolist(), strict=True))


def on_pairs(function, *numbers) -> list[int]:
    return [function(a, b, *numbers) for a, b in PAIRS]


MULTIPLY = {
    "typical": MultiplySpec((128, 128), FixedPoint(40000, 22), 128),
    "to the upper byte": MultiplySpec((0, 0), FixedPoint(1 << 15, 23), 0),
    "ends": MultiplySpec((255, 0), FixedPoint(65535, 24), 255),
    "ties": MultiplySpec((77, 200), FixedPoint(1, 1), 100),
    "ties, 16 bits": MultiplySpec((255, 255), FixedPoint(3, 2), 9, 16),
    "no shift": MultiplySpec((128, 130), FixedPoint(3, 0), 32768, 16),
    "saturating": MultiplySpec((120, 140), FixedPoint(65535, 18), 128),
}


@each(MULTIPLY, slow=["to the upper byte"])
def test_multiply_on_every_pair(spec):
    assert agree(multiply(spec, A, B), on_pairs(reference.multiply, *constants(spec))) == ALL


ADD = {
    "typical": AddSpec((128, 128), (40000, 33333), 16, 128),
    "ends": AddSpec((0, 255), (65535, 65535), 16, 0),
    "ties": AddSpec((13, 200), (1, 1), 1, 100),
    "no shift, 16 bits": AddSpec((255, 255), (127, 63), 0, 65535, 16),
    "saturating": AddSpec((120, 130), (50001, 60000), 14, 128),
    "a - b": subtract_spec((128, 100), (40000, 33333), 16, 128),
    "a - b, ends": subtract_spec((255, 0), (65535, 65535), 16, 255),
    "a - b, ties": subtract_spec((13, 200), (1, 3), 1, 100),
    "b - a": AddSpec((7, 9), (-3, 5), 3, 255),
    "a - b, no shift": subtract_spec((3, 250), (1, 1), 0, 0),
    "a - b, 16 bits": subtract_spec((100, 30), (60000, 50000), 9, 30000, 16),
}


@each(ADD, slow=["ends", "b - a", "a - b", "a - b, no shift", "a - b, 16 bits"])
def test_add_and_subtract_on_every_pair(spec):
    numbers = constants(spec)
    assert agree(add(spec, A, B), [reference.add(pair, *numbers) for pair in PAIRS]) == ALL


def test_add_of_equal_parameters_is_eq_5():
    spec = AddSpec((77, 77), (3, 3), 2, 100)
    expected = [reference.add_alike(pair, 77, 3, 2, 100, 8) for pair in PAIRS]
    assert agree(add(spec, A, B), expected) == ALL


def test_minimum_on_every_pair():
    assert agree(minimum(A, B), on_pairs(reference.minimum)) == ALL


def affine_spec(z_y: int, multiplier: FixedPoint, beta: int, z_z: int, bits: int = 8):
    """Every gamma of 8 bits, each with a beta of its own."""
    gamma = np.arange(-127, 128)
    return AffineSpec(gamma.astype(np.int8), beta + gamma, z_y, multiplier, z_z, bits)


AFFINE = {
    "typical": affine_spec(128, FixedPoint(40000, 21), 0, 128),
    "ties, moved by beta": affine_spec(0, FixedPoint(1, 1), 1, 0),
    "no shift": affine_spec(255, FixedPoint(1, 0), -1, 40000, 16),
    "saturating": affine_spec(255, FixedPoint(65535, 20), -(1 << 25), 255),
    "16 bits": affine_spec(77, FixedPoint(50001, 16), 123456789, 20000, 16),
}


@each(AFFINE, slow=["typical"])
def test_affine_on_every_code_and_gamma(spec):
    y = np.broadcast_to(np.arange(256)[:, np.newaxis], (256, 255))
    terms = list(zip(spec.gamma.tolist(), spec.beta.tolist(), strict=True))
    expected = [reference.affine(q, *term, *constants(spec)) for q in range(256) for term in terms]
    assert agree(affine(spec, y), expected) == 256 * 255


INT8, UINT8 = np.arange(-127, 128)[:, np.newaxis], np.arange(256)[:, np.newaxis]
MATVEC = {  # one column, a row for each weight: the products of every code and weight
    "typical": MatVecSpec(
        INT8.astype(np.int8), INT8[:, 0].astype(np.int32), 128, FixedPoint(40000, 22), 128
    ),
    "ties": MatVecSpec(
        INT8.astype(np.int8), INT8[:, 0].astype(np.int32), 0, FixedPoint(3 << 14, 20), 77
    ),
    "unsigned, ties": MatVecSpec(
        UINT8.astype(np.uint8), np.zeros(256, np.int32), 255, FixedPoint(1, 1), 99, 8, 16, 200
    ),
}


@each(MATVEC)
def test_matvec_on_every_code_and_weight(spec):
    expected = flat(reference.matvec([q], *constants(spec)) for q in range(256))
    result = matvec_both_ways(spec, np.arange(256)[:, np.newaxis])
    assert agree(result, expected) == 256 * len(spec.bias)


MADNORM = {
    "typical": spec_of(),
    "ties": spec_of(2, (1, 1, 0), (1, 1, 1, 255), (1, 1), (1, 1, 77), 255),
    "no shift": spec_of(2, (1, 0, 255), (1, 1, 0, 3), (1, 0), (1, 0, 255), 0),
    "saturating, 16 bits out": spec_of(
        2,
        (65535, 15, 9),
        (65535, 40000, 14, 200),
        (65535, 15),
        (60000, 3, 31000),
        120,
        (8, 8, 8, 8, 16),
    ),
}


@each(MADNORM)
def test_madnorm_on_every_pair(spec):
    """Rows of two codes, and every operand of its element-wise steps."""
    z_x, mu, x_hat, d, y = constants(spec)
    z_mu, z_xh = spec.centre.zero_points[1], spec.centre.out_zero_point
    rows = np.stack([A, B], axis=-1)
    assert agree(mean(spec, rows), [reference.mean(pair, z_x, *mu) for pair in PAIRS]) == ALL
    assert agree(add(spec.centre, A, B), on_pairs(reference.centre, z_x, z_mu, *x_hat)) == ALL
    expected = [reference.deviation(pair, z_xh, *d) for pair in PAIRS]
    assert agree(deviation(spec, rows), expected) == ALL
    assert agree(quotient(spec, A, B), on_pairs(reference.quotient, z_xh, *y)) == ALL


CONTEXT = {
    "typical": ContextSpec(128, FixedPoint(40000, 15), 128),
    "ties": ContextSpec(0, FixedPoint(1, 1), 0),
    "no shift": ContextSpec(100, FixedPoint(1, 0), 99),
    "ends": ContextSpec(255, FixedPoint(65535, 16), 255),
    "saturating, 16 bits": ContextSpec(77, FixedPoint(50001, 6), 40000, out_bits=16),
}


@each(CONTEXT)
def test_context_on_every_pair(spec):
    """Every code of exp with every one of h, in one step."""
    expected = [reference.context([e], [h], *constants(spec)) for e, h in PAIRS]
    assert agree(context(spec, A, B[:, np.newaxis], np.ones(ALL, int)), expected) == ALL


@each(CONTEXT, slow=["typical", "no shift", "ends"])
def test_context_on_every_pair_of_weights(spec):
    """Every pair of codes of exp, in two steps."""
    e, h = np.stack([A, B], axis=1).ravel(), np.tile([201, 14], ALL)[:, np.newaxis]
    expected = [reference.context(pair, [201, 14], *constants(spec)) for pair in PAIRS]
    assert agree(context(spec, e, h, np.full(ALL, 2)), expected) == ALL
