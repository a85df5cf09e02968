"""golden against the outside reference on every 16-bit code."""

import numpy as np
import pytest
import reference
from reference_specs import ALL, agree, constants, each, output
from test_golden_attention import EXP, TANH

from golden.activation import LutSpec, PwlSpec, look_up, pwl, tabulate
from golden.elementwise import AffineSpec, MultiplySpec, affine, multiply, one_minus, subtract_spec
from golden.fixed import FixedPoint, requantize
from golden.stimulus import mixed, pwl_spec

CODES = np.arange(ALL)

REQUANTIZE = {
    "typical": (40000, 23, 128, 8),
    "ties": (1, 9, 255, 8),
    "ties, odd": (3, 1, 0, 16),
    "no shift": (1, 0, 32768, 16),
    "saturating": (65535, 22, 128, 8),
}


@each(REQUANTIZE)
def test_requantize_on_every_16_bit_accumulator(spec):
    mantissa, shift, *out = spec
    a = CODES - 32768
    expected = [reference.requantize(v, *spec) for v in a.tolist()]
    assert agree(requantize(a, FixedPoint(mantissa, shift), *out), expected) == ALL


PWL = {
    "tanh": TANH,
    "exp": EXP,
    "one piece": pwl_spec(1, 1, 16, 16, 12),
    "signed slopes": pwl_spec(2, 16, 16, 8, 12),
    "16 bits out": pwl_spec(3, 16, 16, 16, 14),
    "clamped": pwl_spec(4, 9, 16, 8),
    "no shift": PwlSpec((0, 1, 30000, 65535), (7, -2, 1, -5), (9, 65000, -30000, 77), 0, 5, 16, 16),
    "ties": PwlSpec((0, 1, 2, 40000), (0, 3, -1, 1), (-7, 8, 70001, -9), 1, 300, 16, 16),
    "ties, 8 bits": PwlSpec((0, 32768), (1, -1), (-128, 40000), 8, 255, 16),
    "255 pieces": pwl_spec(5, 255, 16, 16, 16),
}


@each(PWL, slow=["exp", "one piece", "clamped", "ties, 8 bits", "255 pieces"])
def test_pwl_on_every_16_bit_code(spec):
    expected = [reference.pwl(q, *constants(spec)) for q in range(ALL)]
    assert agree(pwl(spec, CODES), expected) == ALL
    assert agree(look_up(tabulate(spec), CODES), expected) == ALL


@pytest.mark.parametrize("bits", [8, 16])
def test_look_up_on_every_16_bit_code(bits):
    table = tuple(mixed(np.random.default_rng(bits), 0, (1 << bits) - 1, ALL).tolist())
    expected = [reference.look_up(q, table) for q in range(ALL)]
    assert agree(look_up(LutSpec(table, 16, bits), CODES), expected) == ALL


ONE_MINUS = {  # and the width of x
    "8 bits": (subtract_spec((0, 128), (32896, 65535), 16, 100), 8),
    "8 bits, ties": (subtract_spec((0, 255), (1, 3), 1, 3, 16), 8),
    "the range of a gate": (subtract_spec((0, 0), (1 << 15, 1 << 15), 15, 0, 16), 16),
    "ties": (subtract_spec((0, 65535), (1, 3), 1, 3, 16), 16),
    "no shift": (subtract_spec((0, 30000), (1, 1), 0, 0, 16), 16),
    "saturating": (subtract_spec((0, 17), (10000, 40000), 20, 255), 16),
}


@each(ONE_MINUS)
def test_one_minus_on_every_code(spec):
    spec, bits = spec
    m_one, m_x = spec.mantissas
    numbers = bits, spec.zero_points[1], (m_one, -m_x), spec.shift, *output(spec)
    expected = [reference.one_minus(x, *numbers) for x in range(1 << bits)]
    assert agree(one_minus(spec, np.arange(1 << bits), bits), expected) == 1 << bits


BY_A_CONSTANT = {  # the other operand, too
    "typical": (MultiplySpec((32768, 128), FixedPoint(12345678, 30), 32768, 16), 255),
    "ties": (MultiplySpec((65535, 0), FixedPoint(1, 1), 65535, 16), 1),
    "no shift": (MultiplySpec((100, 7), FixedPoint(1, 0), 65535, 16), 6),
    "saturating": (MultiplySpec((30000, 200), FixedPoint((1 << 24) - 1, 30), 128), 0),
}


@each(BY_A_CONSTANT)
def test_multiply_by_a_constant_on_every_16_bit_code(spec):
    spec, b = spec
    expected = [reference.multiply(a, b, *constants(spec)) for a in range(ALL)]
    assert agree(multiply(spec, CODES, b), expected) == ALL


@pytest.mark.parametrize(
    ("gamma", "beta", "z_y", "multiplier", "z_z", "bits"),
    [
        (-32767, 12345, 32768, FixedPoint(12345678, 38), 32768, 16),
        (1, 1, 65535, FixedPoint(1, 1), 65535, 16),  # ties
        (100, -(1 << 24), 1000, FixedPoint(65535, 24), 0, 8),
    ],
)
def test_affine_on_every_16_bit_code(gamma, beta, z_y, multiplier, z_z, bits):
    spec = AffineSpec(np.array([gamma], np.int16), np.array([beta]), z_y, multiplier, z_z, bits)
    expected = [reference.affine(y, gamma, beta, *constants(spec)) for y in range(ALL)]
    assert agree(affine(spec, CODES[:, np.newaxis]), expected) == ALL
