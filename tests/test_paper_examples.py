"""The paper's worked examples, with its four-decimal scales and with exact ones.

None of them decides how ties round: tests/test_quant_params.py and tests/test_golden_fixed.py do.
"""

from dataclasses import dataclass

import pytest

from golden.elementwise import AddSpec, MultiplySpec, add, multiply
from irnn_hw.quant.multipliers import common_shift, fixed_point
from irnn_hw.quant.params import QuantParams

PRINTED_SCALES = {
    (-1, 1): 0.0078,
    (0, 5): 0.0196,
    (-5, 5): 0.0392,
    (-2, 2): 0.0157,
    (-1, 6): 0.0274,
}


@dataclass(frozen=True)
class Column:
    """One way of computing the examples: how a range becomes parameters, and the results."""

    printed: bool
    q_u: int
    q_x2: int
    mixed_sum: int

    def params(self, lo: float, hi: float) -> QuantParams:
        exact = QuantParams.from_range(lo, hi)
        scale = PRINTED_SCALES[lo, hi] if self.printed else exact.scale
        return QuantParams(scale, exact.zero_point)


PRINTED = Column(printed=True, q_u=25, q_x2=218, mixed_sum=146)
EXACT = Column(printed=False, q_u=26, q_x2=217, mixed_sum=145)
columns = pytest.mark.parametrize("column", [PRINTED, EXACT], ids=["printed", "exact"])


@pytest.mark.parametrize(("limits", "scale"), PRINTED_SCALES.items())
def test_the_printed_scales_are_cut_exact_ones(limits, scale):
    assert abs(QuantParams.from_range(*limits).scale - scale) < 1e-4


@columns
def test_section_2_quantize(column):
    p = column.params(-1, 1)
    assert p.quantize(0.2) == 154
    assert p.dequantize(154) == pytest.approx(0.2028 if column.printed else 26 * 2 / 255)


@columns
def test_b1_multiplication(column):
    u, w, z = (column.params(*r) for r in [(-1, 1), (0, 5), (-5, 5)])
    q_u, q_w = u.quantize(-0.8), w.quantize(2.3)
    assert (q_u, q_w) == (column.q_u, 117)
    m = fixed_point(u.scale * w.scale / z.scale, "B.1")
    assert multiply(MultiplySpec((128, 0), m, z.zero_point), q_u, q_w) == 81


@columns
def test_b2_addition_of_equal_parameters(column):
    x, y = column.params(-1, 1), column.params(-2, 2)
    codes = x.quantize([-0.3, 0.7])
    assert codes.tolist() == [90, column.q_x2]
    mantissas, shift = common_shift([x.scale / y.scale] * 2, "B.2")
    assert add(AddSpec((128, 128), mantissas, shift, y.zero_point), *codes) == 154


@columns
def test_b2_addition_of_different_parameters(column):
    a, b, c = (column.params(*r) for r in [(-1, 1), (0, 5), (-1, 6)])
    q_a, q_b = a.quantize(-0.9), b.quantize(3.9)
    assert (q_a, q_b, c.zero_point) == (13, 199, 36)
    mantissas, shift = common_shift([a.scale / c.scale, b.scale / c.scale], "B.2")
    assert add(AddSpec((128, 0), mantissas, shift, 36), q_a, q_b) == column.mixed_sum
