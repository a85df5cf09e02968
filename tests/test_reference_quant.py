"""irnn_hw.quant against the outside reference: real numbers to constants and codes."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import reference
from reference_specs import agree, constants, zero_point

from golden.stimulus import mixed
from irnn_hw.quant.multipliers import common_shift, fixed_point
from irnn_hw.quant.params import QuantParams


def test_fixed_point_of_a_real_number():
    rng = np.random.default_rng(11)
    for bits in rng.integers(8, 32, 500).tolist():
        m = Fraction(int(rng.integers(1, 1 << 62)), 1 << int(rng.integers(62, 90)))
        halfway = Fraction(2 * int(rng.integers(1 << (bits - 1), 1 << bits)) - 1, 1 << 40)
        for value in (m, halfway):
            for converted, bracket in ((False, reference.rounded), (True, floor)):
                result = fixed_point(value, "m", bits, converted)
                assert constants(result) == reference.fixed_point(value, bits, bracket)


def test_common_shift_of_a_sum():
    rng = np.random.default_rng(12)
    for bits in rng.integers(8, 25, 2000).tolist():
        drawn = rng.integers(1 << 40, 1 << 50, int(rng.integers(1, 5))).tolist()
        ms = [Fraction(m, 1 << 49) * int(rng.choice([-1, 1])) for m in drawn]
        mantissas, shift = common_shift(ms, "sum", bits)
        assert ([*mantissas], shift) == reference.common_shift(ms, bits)


@pytest.mark.parametrize("bits", [8, 16])
def test_quantize_of_a_real_number(bits):
    """Scales that floats divide by exactly, ties among the quotients; and any other scale."""
    rng = np.random.default_rng(bits)
    for scale in (2.0**-7, 1.0, *rng.uniform(0.001, 0.1, 3)):
        params = QuantParams(float(scale), zero_point(rng, bits), bits)
        x = mixed(rng, -(4 << bits), 4 << bits, 5000) / 4 * params.scale
        number = Fraction(params.scale), params.zero_point, bits
        if scale not in (2.0**-7, 1.0):
            x += rng.uniform(0.01, 0.2, len(x)) * params.scale
        expected = [reference.quantize(Fraction(v), *number) for v in x.tolist()]
        assert agree(params.quantize(x), expected) == 5000
        back = [float(reference.dequantize(q, *number[:2])) for q in expected]
        assert params.dequantize(expected).tolist() == back


def test_parameters_of_a_range():
    rng = np.random.default_rng(13)
    for low, high in (rng.normal(0, 3, (2000, 2)) * [[1, 3]]).tolist():
        lo, hi = min(low, high), max(low, high)
        params = QuantParams.from_range(lo, hi)
        scale, zero = reference.parameters(Fraction(lo), Fraction(hi), 8)
        assert params.zero_point == zero
        assert params.scale == pytest.approx(float(scale), rel=2**-51)
