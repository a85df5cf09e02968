"""irnn_hw.qat.functional: golden's bits forward, the integer formula's gradient backward."""

import numpy as np
import pytest
import torch
from torch.nn.functional import linear

from golden.activation import pwl, tabulate
from golden.elementwise import AddSpec, MultiplySpec
from golden.elementwise import add as golden_add
from golden.elementwise import multiply as golden_multiply
from golden.fixed import FixedPoint
from golden.fixed import requantize as golden_requantize
from irnn_hw.qat import functional
from irnn_hw.qat.frozen import OBSERVED as TENSORS
from irnn_hw.qat.frozen import freeze, pwl_slopes
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, fit

A, B = (g.ravel() for g in np.meshgrid(np.arange(256), np.arange(256)))
ZERO_POINTS = [(0, 0, 0), (128, 128, 128), (255, 255, 255), (3, 250, 17), (255, 0, 128)]
MULTIPLIERS = [
    FixedPoint(32768, 23),
    FixedPoint(65535, 22),
    FixedPoint(40503, 16),
    FixedPoint(32768, 16),
]


def centred(codes, zero_point, grad=False):
    return torch.tensor(np.asarray(codes) - zero_point, dtype=torch.float32, requires_grad=grad)


def real(m):
    return m.mantissa * 2.0**-m.shift


def limits(zero_point):
    return functional.Limits.of(torch.tensor(-zero_point), torch.tensor(255 - zero_point))


def formula_gradient(value, zero_point):
    """1 where the rounded value is inside the clamp, 0 elsewhere."""
    rounded = np.sign(value) * np.floor(np.abs(value) + 0.5) + zero_point
    return ((rounded >= 0) & (rounded <= 255)).astype(np.float32)


@pytest.mark.parametrize("zero_points", ZERO_POINTS)
@pytest.mark.parametrize("m", MULTIPLIERS, ids=str)
def test_multiply_every_pair(zero_points, m):
    z_a, z_b, z_c = zero_points
    a, b = centred(A, z_a, grad=True), centred(B, z_b, grad=True)
    out = functional.multiply(a, b, real(m), limits(z_c))
    expected = golden_multiply(MultiplySpec((z_a, z_b), m, z_c), A, B)
    assert np.array_equal(out.detach().numpy() + z_c, expected)
    out.sum().backward()
    inside = formula_gradient((A - z_a) * (B - z_b) * real(m), z_c)
    assert np.array_equal(a.grad.numpy(), (inside * np.float32(real(m))) * (B - z_b))
    assert np.array_equal(b.grad.numpy(), (inside * np.float32(real(m))) * (A - z_a))


@pytest.mark.parametrize("zero_points", ZERO_POINTS)
@pytest.mark.parametrize("terms", [((65535, 40000), 16), ((32768, 1), 15), ((50000, -50000), 16)])
def test_add_every_pair(zero_points, terms):
    (m_a, m_b), shift = terms
    z_a, z_b, z_c = zero_points
    a, b = centred(A, z_a, grad=True), centred(B, z_b, grad=True)
    factors = [torch.tensor(m * 2.0**-shift, dtype=torch.float64) for m in (m_a, m_b)]
    out = functional.add(a, b, *factors, limits(z_c))
    expected = golden_add(AddSpec((z_a, z_b), (m_a, m_b), shift, z_c), A, B)
    assert np.array_equal(out.detach().numpy() + z_c, expected)
    out.sum().backward()
    inside = formula_gradient((m_a * (A - z_a) + m_b * (B - z_b)) * 2.0**-shift, z_c)
    assert np.array_equal(a.grad.numpy(), inside * np.float32(factors[0].item()))
    assert np.array_equal(b.grad.numpy(), inside * np.float32(factors[1].item()))


def test_add_with_constants_of_each_column():
    specs = [AddSpec((7, 9), (65535, 40000), 16, 20), AddSpec((7, 9), (300, 33000), 17, 250)]
    factors = [
        torch.tensor([s.mantissas[k] * 2.0**-s.shift for s in specs], dtype=torch.float64)
        for k in (0, 1)
    ]
    ends = functional.Limits.of(torch.tensor([-20, -250]), torch.tensor([235, 5]))
    a, b = (centred(np.stack([x, x], axis=1), z) for x, z in ((A, 7), (B, 9)))
    out = functional.add(a, b, *factors, ends).numpy()
    for column, spec in enumerate(specs):
        expected = golden_add(spec, A, B)
        assert np.array_equal(out[:, column] + spec.out_zero_point, expected)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "gelu"])
@pytest.mark.parametrize("pieces", [4, 16])
def test_table_of_a_pwl_at_every_code(name, pieces):
    x, y = QuantParams.from_range(-6, 5), QuantParams.from_range(-0.9, 0.9)  # clamps on purpose
    spec = fit(FUNCTIONS[name], x, y, pieces)
    codes = centred(np.arange(256), x.zero_point, grad=True)
    values = centred(tabulate(spec).table, y.zero_point)
    slopes = torch.from_numpy(pwl_slopes(spec)).float()
    out = functional.table(codes, torch.tensor(float(x.zero_point)), values, slopes)
    assert np.array_equal(out.detach().numpy() + y.zero_point, pwl(spec, np.arange(256)))
    out.sum().backward()
    piece = [max(i for i, k in enumerate(spec.knots) if k <= q) for q in range(256)]
    a, b, k = (np.array(c)[piece] for c in (spec.slopes, spec.intercepts, spec.knots))
    value = (a * (np.arange(256) - k) + b) * 2.0**-spec.shift
    inside = formula_gradient(value, y.zero_point)
    assert inside.sum() > 0
    assert np.array_equal(codes.grad.numpy(), (a * 2.0**-spec.shift * inside).astype(np.float32))


@pytest.mark.parametrize("m", MULTIPLIERS, ids=str)
@pytest.mark.parametrize("columns", [128, 513])
def test_matvec_at_its_worst_case(m, columns):
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]).repeat([columns - 1, 1], axis=1)
    weights = torch.tensor(127 * signs, dtype=torch.float32, requires_grad=True)
    x = torch.tensor([[255.0] * columns, [-255.0] * columns, [0.0] * columns], requires_grad=True)
    acc = linear(x, weights)
    exact = (x.detach().numpy().astype(np.int64)) @ (127 * signs.T)
    assert np.array_equal(acc.detach().numpy(), exact)
    out = functional.requantize(acc, real(m), limits(100))
    assert np.array_equal(out.detach().numpy() + 100, golden_requantize(exact, m, 100, 8))
    out.sum().backward()
    inside = formula_gradient(exact * real(m), 100) * np.float32(real(m))
    assert np.allclose(weights.grad.numpy(), inside.T @ x.detach().numpy(), rtol=1e-6)
    assert np.allclose(x.grad.numpy(), inside @ weights.detach().numpy(), rtol=1e-6)


def test_requantize_near_every_tie_of_a_wide_accumulator():
    m = FixedPoint(32768, 30)  # 2^-15: ties at odd multiples of 2^14
    ties = np.arange(-257, 258, 2) << 14
    acc = np.concatenate([ties - 1, ties, ties + 1, [(1 << 31) - 1, -(1 << 31) + 1]])
    out = functional.requantize(torch.from_numpy(acc).double(), real(m), limits(128))
    assert np.array_equal(out.numpy() + 128, golden_requantize(acc, m, 128, 8))


def test_master_weights_receive_the_gradient_of_reals():
    p = QuantParams.symmetric(2.0)
    master = torch.tensor([-2.0, -0.3, 0.0, 1.99], requires_grad=True)
    codes = torch.from_numpy(p.quantize(master.detach().numpy())).float()
    out = functional.quantize(master, codes, p.scale)
    assert out.tolist() == [-127, -19, 0, 126]
    (out * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert torch.allclose(master.grad * p.scale, torch.tensor([1.0, 2.0, 3.0, 4.0]))


@pytest.mark.parametrize("pieces", [None, 16])
def test_frozen_slopes_are_differences_of_their_tables(pieces):
    frozen = freeze(dict.fromkeys(TENSORS, (-4.0, 4.0)), pieces)
    for name, activation in frozen.activations.items():
        table = np.array(activation.table.table)
        for reach in (32, 64):  # over many codes, roundings and knots average out
            secant = (table[reach:] - table[:-reach]) / reach
            mean = np.convolve(activation.slopes, np.ones(reach) / reach, "valid")[: len(secant)]
            assert np.abs(secant - mean).max() < 0.15, name
