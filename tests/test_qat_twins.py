"""irnn_hw.qat.twins: golden's bits forward, the integer formula's gradient backward."""

import numpy as np
import pytest
import torch
from test_golden_attention import attention

from golden import attention as golden_attention
from golden import elementwise, linear, madnorm
from golden.activation import LutSpec, look_up, pwl
from golden.elementwise import AddSpec, AffineSpec, MultiplySpec, subtract_spec
from golden.fixed import FixedPoint, FixedPoints, divide_round, requantize, round_shift
from golden.linear import MatVecSpec
from golden.madnorm import MadNormSpec
from golden.operations import LookUp, Tensor
from golden.stimulus import corners, mixed, pwl_spec
from irnn_hw.qat import rounding, twins, twins_divided
from irnn_hw.qat.constants import function_slopes, lookup_table, pwl_table, quantize
from irnn_hw.quant.params import QuantParams

PAIRS = tuple(g.ravel() for g in np.meshgrid(np.arange(256), np.arange(256)))
EVERY = {8: np.arange(256), 16: np.arange(1 << 16)}
MULTIPLIERS = [
    FixedPoint(32768, 23),
    FixedPoint(65535, 22),
    FixedPoint(40503, 16),
    FixedPoint(3, 0),
    FixedPoint((1 << 24) - 1, 38),
]


def centred(codes, zero_point=0, dtype=torch.float32):
    return torch.tensor(np.asarray(codes) - zero_point, dtype=dtype, requires_grad=True)


def codes_of(x, zero_point):
    assert torch.equal(x, x.round())
    return x.detach().long().numpy() + zero_point


def real(m):
    return m.mantissa * 2.0**-m.shift


def inside(value, zero_point, bits=8):
    """1 where the rounded value is not clamped, of values (...) without the zero point."""
    rounded = torch.sign(value) * torch.floor(value.abs() + 0.5) + zero_point
    return (rounded >= 0) & (rounded < 1 << bits)


def check_gradient(out, operands, formula, zero_point, bits=8):
    """The gradient of `out` is that of the real formula, 0 where that is clamped."""
    weights = torch.from_numpy(np.random.default_rng(3).normal(0, 1, tuple(out.shape)))
    found = torch.autograd.grad(out, operands, weights.float())
    exact = [x.detach().double().requires_grad_() for x in operands]
    value = formula(*exact)
    kept = weights * inside(value.detach(), zero_point, bits)
    expected = torch.autograd.grad(value, exact, kept)
    for ours, theirs in zip(found, expected, strict=True):
        scale = theirs.abs().max().item()
        assert torch.allclose(ours.double(), theirs, rtol=2e-5, atol=2e-6 * scale)


@pytest.mark.parametrize("shift", [0, 1, 7, 40, 62])
def test_round_shift(shift):
    p = np.array(corners(1 - (1 << 62), (1 << 62) - 1))
    assert np.array_equal(rounding.round_shift(torch.from_numpy(p), shift), round_shift(p, shift))
    each = torch.full((len(p),), shift)
    assert np.array_equal(rounding.round_shift(torch.from_numpy(p), each), round_shift(p, shift))


def test_divide_round():
    rng = np.random.default_rng(1)
    for shift, top in ((0, 20), (3, 20), (15, 30), (31, 30)):
        n, d = mixed(rng, 1 - (1 << 61), (1 << 61) - 1, 5000), mixed(rng, 1, 1 << top, 5000)
        n[::3] = (d[::3] << shift >> 1) * rng.integers(-1, 2, len(n[::3]))  # ties
        found = rounding.divide_round(torch.from_numpy(n), shift, torch.from_numpy(d))
        assert np.array_equal(found, divide_round(n, shift, d))


@pytest.mark.parametrize("m", MULTIPLIERS, ids=str)
@pytest.mark.parametrize("bits", [8, 16])
def test_requantize(m, bits):
    every = np.concatenate([np.arange(-(1 << 15), 1 << 15), corners(-(1 << 31) + 1, (1 << 31) - 1)])
    acc = centred(every, dtype=torch.float64)
    out = twins.requantize(acc, m, 100, bits)
    assert np.array_equal(codes_of(out, 100), requantize(every, m, 100, bits))
    check_gradient(out, [acc], lambda x: x * real(m), 100, bits)


def test_requantize_with_a_multiplier_a_row():
    m = FixedPoints(np.array([40503, 65535, 3]), np.array([20, 24, 0]))
    every = np.repeat(np.arange(-(1 << 15), 1 << 15)[:, None], 3, axis=1)
    acc = centred(every)
    out = twins.requantize(acc, m, 9, 8)
    assert np.array_equal(codes_of(out, 9), requantize(every, m, 9, 8))
    rows = torch.from_numpy(m.mantissa * 2.0**-m.shift)
    check_gradient(out, [acc], lambda x: x * rows, 9)


@pytest.mark.parametrize("zero_points", [(0, 0, 0), (128, 128, 128), (255, 255, 255), (3, 250, 17)])
@pytest.mark.parametrize("m", MULTIPLIERS[:3], ids=str)
def test_multiply_every_pair(zero_points, m):
    z_a, z_b, z_c = zero_points
    a, b = centred(PAIRS[0], z_a), centred(PAIRS[1], z_b)
    spec = MultiplySpec((z_a, z_b), m, z_c)
    out = twins.multiply(spec, a, b)
    assert np.array_equal(codes_of(out, z_c), elementwise.multiply(spec, *PAIRS))
    check_gradient(out, [a, b], lambda a, b: a * b * real(m), z_c)


def test_multiply_16_bits():
    rng = np.random.default_rng(2)
    q = [mixed(rng, 0, 65535, 20000), mixed(rng, 0, 65535, 20000)]
    spec = MultiplySpec((30000, 65535), FixedPoint((1 << 24) - 3, 39), 40000, 16)
    out = twins.multiply(spec, centred(q[0], 30000), centred(q[1], 65535))
    assert np.array_equal(codes_of(out, 40000), elementwise.multiply(spec, *q))


@pytest.mark.parametrize("zero_points", [(0, 0), (128, 128), (255, 3)])
@pytest.mark.parametrize("terms", [((65535, 40000), 16), ((32768, 1), 15), ((50000, -50000), 16)])
def test_add_every_pair(zero_points, terms):
    spec = AddSpec(zero_points, *terms, 20)
    x = [centred(q, z) for q, z in zip(PAIRS, zero_points, strict=True)]
    out = twins.add(spec, *x)
    assert np.array_equal(codes_of(out, 20), elementwise.add(spec, *PAIRS))
    a, b = (m * 2.0 ** -terms[1] for m in terms[0])
    check_gradient(out, x, lambda x, y: a * x + b * y, 20)


def test_add_three_terms_of_16_bits():
    rng = np.random.default_rng(2)
    q = [mixed(rng, 0, 65535, 20000) for _ in range(3)]
    spec = AddSpec((0, 40000, 65535), ((1 << 24) - 1, -(1 << 22), 5), 24, 30000, 16)
    x = [centred(c, z) for c, z in zip(q, spec.zero_points, strict=True)]
    assert np.array_equal(codes_of(twins.add(spec, *x), 30000), elementwise.add(spec, *q))


def test_add_of_more_terms_than_float64_holds():
    rng, terms = np.random.default_rng(2), 64
    mantissas = tuple((rng.integers(1 << 30, 1 << 31, terms) * rng.choice([-1, 1], terms)).tolist())
    spec = AddSpec((0,) * terms, mantissas, 34, 30000, 16)
    assert not twins.narrow_sum(spec)
    q = [mixed(rng, 0, 65535, 2000) for _ in range(terms)]
    out = twins.add(spec, *(centred(c) for c in q))
    assert np.array_equal(codes_of(out, 30000), elementwise.add(spec, *q))


def test_sums_side_by_side_are_each_by_itself():
    specs = [AddSpec((7, 9), (65535, 40000), 16, 20), AddSpec((7, 9), (300, -33000), 17, 250)]
    x = [centred(np.stack([q, q], axis=1), z) for q, z in zip(PAIRS, (7, 9), strict=True)]
    out = twins.add(twins.AddColumns.of(specs, 1), *x)
    weights = torch.from_numpy(np.random.default_rng(1).normal(0, 1, tuple(out.shape))).float()
    found = torch.autograd.grad(out, x, weights)
    for n, spec in enumerate(specs):
        columns = [centred(q, z) for q, z in zip(PAIRS, (7, 9), strict=True)]
        alone = twins.add(spec, *columns)
        assert torch.equal(out[:, n], alone)
        expected = torch.autograd.grad(alone, columns, weights[:, n])
        assert all(torch.equal(f[:, n], e) for f, e in zip(found, expected, strict=True))


@pytest.mark.parametrize("bits", [8, 16])
def test_one_minus_minimum_and_affine_of_every_code(bits):
    q, top = EVERY[bits], (1 << bits) - 1
    spec = subtract_spec((0, 7), (60000, 59000), 16, 5, bits)
    x = centred(q, 7)
    found = codes_of(twins.one_minus(spec, x, bits), 5)
    assert np.array_equal(found, elementwise.one_minus(spec, q, bits))
    other = np.random.default_rng(1).permutation(q)
    found = codes_of(twins.minimum(x, centred(other, 7)), 7)
    assert np.array_equal(found, elementwise.minimum(q, other))
    gamma = np.array([-127, -5, 0, 127], np.int8)
    beta = np.array([-(1 << 55), 12345, -7, 1 << 30], np.int64)
    affine = AffineSpec(gamma, np.abs(beta), 7, FixedPoint(50000, 22), top // 2, bits)
    rows = np.repeat(q[:, None], 4, axis=1)
    y, g, b = centred(rows, 7), centred(gamma), centred(np.abs(beta), dtype=torch.float64)
    out = twins.affine(affine, y, g, b)
    assert np.array_equal(codes_of(out, top // 2), elementwise.affine(affine, rows))
    m, unit = real(affine.multiplier), 2.0**-22
    check_gradient(out, [y, g, b], lambda y, g, b: m * y * g + b * unit, top // 2, bits)


@pytest.mark.parametrize(("bits", "out_bits"), [(8, 8), (16, 8), (8, 16), (16, 16)])
@pytest.mark.parametrize("pieces", [1, 16])
def test_a_pwl_at_every_code(bits, out_bits, pieces):
    spec, q = pwl_spec(pieces, pieces, bits, out_bits), EVERY[bits]
    x = centred(q, 77)
    out = twins.table(x, pwl_table(spec, 77))
    assert np.array_equal(codes_of(out, spec.out_zero_point), pwl(spec, q))
    piece = np.searchsorted(spec.knots, q, side="right") - 1
    slope, knot, start = (
        torch.from_numpy(np.array(c)[piece]) for c in (spec.slopes, spec.knots, spec.intercepts)
    )
    unit = 2.0**-spec.shift
    check_gradient(
        out, [x], lambda x: (slope * (x + 77 - knot) + start) * unit, spec.out_zero_point, out_bits
    )


@pytest.mark.parametrize(("bits", "out_bits"), [(8, 8), (16, 16), (8, 16)])
def test_a_look_up_table_at_every_code(bits, out_bits):
    rng, q = np.random.default_rng(1), EVERY[bits]
    table = rng.integers(0, 1 << out_bits, 1 << bits).astype(f"u{out_bits // 8}")
    tensors = {"x": Tensor("x", 1, bits, 5), "y": Tensor("y", 1, out_bits, 9)}

    x, y = QuantParams(8 / (1 << bits), 5, bits), QuantParams(2 / (1 << out_bits), 9, out_bits)
    slopes = function_slopes("tanh", x, y)
    leaf = centred(q, 5)
    out = twins.table(leaf, lookup_table(LookUp("y", ("x",), table), tensors, slopes))
    expected = look_up(LutSpec(tuple(table.tolist()), bits, out_bits), q)
    assert np.array_equal(codes_of(out, 9), expected)
    out.sum().backward()
    exact = (1 - np.tanh(x.dequantize(q)) ** 2) * x.scale / y.scale
    assert np.allclose(leaf.grad[1:-1], exact[1:-1], rtol=1e-2, atol=1e-4)  # differences of codes


@pytest.mark.parametrize("columns", [64, 128, 700])
@pytest.mark.parametrize("bits", [8, 16])
def test_matvec_at_its_worst_case(columns, bits):
    rng, top = np.random.default_rng(1), (1 << bits) - 1
    largest = min(127, ((1 << 31) - 1000) // (columns * top))
    weights = rng.integers(-largest, largest, (7, columns), endpoint=True)
    weights[0] = largest
    bias = rng.integers(-999, 999, 7).astype(np.int32)
    rows = FixedPoints(np.full(7, 40503), np.arange(20, 27))
    for multiplier in (FixedPoint(40503, 24), rows, None):
        spec = MatVecSpec(weights.astype(np.int8), bias, 0, multiplier, 100, bits)
        q = np.concatenate([np.full((1, columns), top), rng.integers(0, top, (9, columns))])
        x, w, b = centred(q), centred(weights), centred(bias, dtype=torch.float64)
        out = twins.matvec(spec, x, *twins.exact(spec, w, b))
        zero_point = 0 if multiplier is None else 100
        assert np.array_equal(codes_of(out, zero_point), linear.matvec(spec, q))
        if multiplier is None:
            continue
        m = torch.as_tensor(np.ldexp(1.0 * multiplier.mantissa, np.negative(multiplier.shift)))
        check_gradient(out, [x, w, b], lambda x, w, b, m=m: (x @ w.T + b) * m, 100)


def test_matvec_of_asymmetric_weights():
    rng = np.random.default_rng(1)
    weights, q = rng.integers(0, 256, (5, 40)).astype(np.uint8), rng.integers(0, 256, (9, 40))
    spec = MatVecSpec(
        weights, np.arange(5, dtype=np.int32), 90, FixedPoint(40503, 28), 9, w_zero_point=200
    )
    w, b = centred(weights.astype(int), 200), centred(spec.bias, dtype=torch.float64)
    out = twins.matvec(spec, centred(q, 90), *twins.exact(spec, w, b))
    assert np.array_equal(codes_of(out, 9), linear.matvec(spec, q))


def norm_spec(bits, length):
    up = 8 if bits == 16 else 0
    return MadNormSpec(
        length,
        FixedPoint((1 << 16) // length + 40000, 18),
        subtract_spec((90 << up, 100 << up), (32768, 32000), 15, 128 << up, bits),
        FixedPoint(43691, 18),
        FixedPoint(60000, 3 if bits == 8 else 11),
        77,
        bits,
        bits,
        bits,
    )


@pytest.mark.parametrize("bits", [8, 16])
def test_madnorm_of_rows_and_corners(bits):
    rng, top = np.random.default_rng(1), (1 << bits) - 1
    spec = norm_spec(bits, 6)
    q = mixed(rng, 0, top, 12 * 4000).reshape(4000, 12)
    q[:4] = np.array([0, top, 90, 100])[:, None]  # rows without any deviation
    q[4:8] = np.repeat([[0, top]], 6, axis=0).ravel()
    found = twins_divided.madnorm(spec, centred(q, spec.centre.zero_points[0]))
    expected = madnorm.madnorm(spec, q)
    zero_points = (spec.centre.zero_points[1], spec.centre.out_zero_point, 0, 77)
    for ours, theirs, zero_point in zip(found, expected, zero_points, strict=True):
        assert np.array_equal(codes_of(ours, zero_point), theirs)


def test_the_gradient_of_madnorm_is_that_of_its_formula():
    """Steps apart, as each is clamped by itself; the deviation is 1 at least."""
    rng, spec = np.random.default_rng(1), norm_spec(8, 6)
    x = centred(rng.integers(0, 256, (300, 6)), 90)
    mu, x_hat, d, y = twins_divided.madnorm(spec, x)
    m, c = real(spec.quotient), spec.centre
    weights = torch.from_numpy(rng.normal(0, 1, (300, 6)))
    (found,) = torch.autograd.grad(y, x, weights.float())

    exact = x.detach().double().requires_grad_()

    def clamped(value, codes, zero_point):
        return codes.double() + (value - value.detach()) * inside(value.detach(), zero_point)

    mu_real = clamped(exact.sum(-1, keepdim=True) * real(spec.mean), mu.detach(), c.zero_points[1])
    unit = 2.0**-c.shift
    pre = (exact * c.mantissas[0] + mu_real * c.mantissas[1]) * unit
    hat = clamped(pre, x_hat.detach(), c.out_zero_point)
    d_real = clamped(hat.abs().sum(-1, keepdim=True) * real(spec.deviation), d.detach(), 0)
    out = clamped(hat * m / d_real.clamp(min=1), y.detach(), 77)
    (expected,) = torch.autograd.grad(out, exact, weights)
    assert expected.abs().max() > 0
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_attention_over_sequences_of_every_length(seed):
    rng, spec = np.random.default_rng(seed), attention(seed)
    lengths = np.array([1, 7, 4, 2])
    z_h, z_s = spec.context.h_zero_point, spec.context.out_zero_point
    query, key, h = (mixed(rng, 0, 255, n).reshape(s) for n, s in
                     ((20, (4, 5)), (140, (4, 7, 5)), (84, (4, 7, 3))))  # fmt: skip
    memory = golden_attention.remember(key, h, lengths)
    expected = golden_attention.attend(spec, query, memory)
    live = torch.arange(7) < torch.from_numpy(lengths)[:, None]
    z_q, z_k = spec.total.zero_points
    found = attended(spec, centred(query, z_q), centred(key, z_k), centred(h, z_h), live)
    kept = live.numpy()
    for ours, theirs, zero_point in (
        (found[0], expected.total, 32768),
        (found[1], expected.tanh, spec.tanh.out_zero_point),
        (found[2][..., 0], expected.score, 32768),
        (found[3][..., 0], expected.exp, 0),
    ):
        assert np.array_equal(codes_of(ours, zero_point)[kept], theirs)
    assert np.array_equal(codes_of(found[4], z_s), expected.context)
    cut = attended(spec, *(centred(x[:1, :1] if x.ndim > 2 else x[:1], z) for x, z in
                           ((query, z_q), (key, z_k), (h, z_h))), None)  # fmt: skip
    assert torch.equal(cut[4], found[4][:1])


def attended(spec, query, key, h, live):
    v = torch.from_numpy(spec.score.weights.astype(np.float32))
    bias = torch.from_numpy(spec.score.bias.astype(np.float64))
    tanh, exp = pwl_table(spec.tanh, 32768), pwl_table(spec.exp, 65535)
    weights = twins.exact(spec.score, v, bias)
    constants = twins_divided.AttentionConstants(tanh, exp, *weights)
    return twins_divided.attend(spec, constants, query, key, h, live)


def test_the_gradient_of_a_context_is_that_of_its_fraction():
    rng = np.random.default_rng(5)
    spec = golden_attention.ContextSpec(100, FixedPoint(40503, 15), 90)
    e = torch.from_numpy(rng.integers(0, 256, (40, 6))).float().requires_grad_()
    h = centred(rng.integers(0, 256, (40, 6, 3)), 100)
    out, m = twins_divided.context(spec, e, h), real(spec.multiplier)

    def fraction(e, h):
        return m * torch.einsum("bs,bsk->bk", e, h) / e.sum(1, keepdim=True)

    check_gradient(out, [e, h], fraction, 90)


def test_no_gradient_comes_from_padding():
    rng, spec = np.random.default_rng(1), attention(1)
    key = centred(rng.integers(0, 256, (2, 4, 5)), spec.total.zero_points[1])
    h = centred(rng.integers(0, 256, (2, 4, 3)), spec.context.h_zero_point)
    query = centred(rng.integers(0, 256, (2, 5)), spec.total.zero_points[0])
    live = torch.tensor([[True, True, False, False], [True] * 4])
    attended(spec, query, key, h, live)[4].sum().backward()
    assert key.grad[1].abs().sum() > 0
    assert not key.grad[0, 2:].any()
    assert not h.grad[0, 2:].any()


def test_master_weights_receive_the_gradient_of_reals():
    p = QuantParams.symmetric(2.0)
    master = torch.tensor([-2.0, -0.3, 0.0, 1.99], requires_grad=True)
    codes = torch.from_numpy(p.quantize(master.detach().numpy())).float()
    out = quantize(master, codes, p.scale)
    assert out.tolist() == [-127, -19, 0, 126]
    (out * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert torch.allclose(master.grad * p.scale, torch.tensor([1.0, 2.0, 3.0, 4.0]))
