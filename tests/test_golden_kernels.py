"""Kernels and batched products against the plain definitions: every operand, every clamp."""

from dataclasses import replace

import numpy as np
import pytest

from golden.activation import LutSpec, look_up, pwl
from golden.batched import BatchedMatVec, float_factor, unclamped
from golden.elementwise import AddSpec, MultiplySpec, add, multiply
from golden.fixed import ClampCount, FixedPoint, rescale
from golden.kernels import Rows, Scratch, elementwise
from golden.linear import MatVecSpec, matvec
from golden.plan import DTYPES
from golden.stimulus import mixed, pwl_spec

CODES = np.arange(256, dtype=np.uint8)
PAIRS = [c.reshape(8, -1).astype(np.uint8) for c in np.indices((256, 256))]
ADDS = [
    AddSpec((128, 128), (40000, 25000), 16, 128),
    AddSpec((0, 255), (65535, -65535), 8, 255),
    AddSpec((255, 0), (-1, -1), 0, 0),
    AddSpec((3, 250), (3, 5), 1, 77),  # half of all sums are ties
    AddSpec((9, 9), (0, 0), 62, 200),
    AddSpec((17, 180), ((1 << 31) - 1, -(1 << 30)), 31, 12),
]
MULTIPLIES = [
    MultiplySpec((128, 128), FixedPoint(40000, 22), 128),
    MultiplySpec((0, 255), FixedPoint((1 << 30) - 1, 0), 255),
    MultiplySpec((255, 0), FixedPoint(1, 62), 0),
    MultiplySpec((100, 20), FixedPoint(1 << 15, 19), 140),  # ties
    MultiplySpec((0, 0), FixedPoint(33000, 23), 0),
]


def run(spec, inputs, dtype=np.uint8):
    """Output, clamps of three calls of the kernel: whatever is kept from one is no harm."""
    out, clamps = np.zeros(inputs[0].shape, dtype), ClampCount()
    kernel = elementwise((spec,), inputs, out, [clamps], Scratch(out.shape), Rows())
    for _ in range(3):
        out[:] = 99
        kernel()
    return out, clamps


def times(count: ClampCount, n: int) -> ClampCount:
    return ClampCount(n * count.clamped, n * count.seen)


@pytest.mark.parametrize("spec", ADDS)
def test_every_pair_of_an_add(spec):
    count = ClampCount()
    expected = add(spec, *PAIRS, clamps=count)
    out, clamps = run(spec, PAIRS)
    assert np.array_equal(out, expected)
    assert clamps == times(count, 3)


@pytest.mark.parametrize("spec", MULTIPLIES)
def test_every_pair_of_a_multiply(spec):
    count = ClampCount()
    expected = multiply(spec, *PAIRS, count)
    out, clamps = run(spec, PAIRS)
    assert np.array_equal(out, expected)
    assert clamps == times(count, 3)


@pytest.mark.parametrize("in_bits", [8, 16])
@pytest.mark.parametrize("out_bits", [8, 16])
def test_every_code_of_a_pwl(in_bits, out_bits):
    x = np.arange(1 << in_bits, dtype=DTYPES[in_bits])[None]
    for seed in range(4):
        spec, count = pwl_spec(seed, 16, in_bits, out_bits), ClampCount()
        expected = pwl(spec, x, count)
        out, clamps = run(spec, [x], DTYPES[out_bits])
        assert np.array_equal(out, expected)
        assert clamps == times(count, 3)
        assert clamps.clamped


@pytest.mark.parametrize("out_bits", [8, 16])
def test_every_code_of_a_look_up_table(out_bits):
    table = mixed(np.random.default_rng(out_bits), 0, (1 << out_bits) - 1, 256)
    spec = LutSpec(tuple(table.tolist()), 8, out_bits)
    out, _ = run(spec, [CODES[None]], DTYPES[out_bits])
    assert np.array_equal(out, look_up(spec, CODES[None]))


@pytest.mark.parametrize("dtypes", [("u2", "u1"), ("u1", "u2"), ("u2", "u2")])
@pytest.mark.parametrize("out_bits", [8, 16])
def test_wide_operands(dtypes, out_bits):
    """16-bit operands and outputs: at the corners and between."""
    rng = np.random.default_rng(2)
    a, b = (mixed(rng, 0, np.iinfo(d).max, 4000).astype(d).reshape(4, -1) for d in dtypes)
    specs = [
        AddSpec((128, 30000), (40000, -25000), 24 - out_bits, 99, out_bits),
        MultiplySpec((128, 30000), FixedPoint(40000, 38 - out_bits), 99, out_bits),
    ]
    for spec, function in zip(specs, (add, multiply), strict=True):
        count = ClampCount()
        expected = function(spec, a, b, clamps=count)
        out, clamps = run(spec, [a, b], DTYPES[out_bits])
        assert np.array_equal(out, expected)
        assert clamps == times(count, 3)
        assert clamps.clamped


def test_three_terms():
    spec = AddSpec((1, 2, 3), (30000, -20000, 9), 15, 100)
    terms = [mixed(np.random.default_rng(n), 0, 255, 999).astype("u1")[None] for n in range(3)]
    assert np.array_equal(run(spec, terms)[0], add(spec, *terms))


def batched(spec: MatVecSpec, x, out_dtype=np.uint8):
    out, clamps = np.empty((len(x), len(spec.weights)), out_dtype), ClampCount()
    BatchedMatVec(spec, len(x))(x, out, clamps)
    return out, clamps


@pytest.mark.parametrize("mantissa", [1, 3, 40000, 65535, 1 << 15, (1 << 24) - 1])
@pytest.mark.parametrize("zero_point", [0, 128, 255])
def test_rounding_of_every_accumulator(mantissa, zero_point):
    """Rows w = +-1 and a bias put each code on, and beside, ties of both signs."""
    top = mantissa.bit_length()
    for shift in (top, top + 1, top + 6, top + 12):
        width = min(shift, 12)
        bias = (np.arange(-(1 << width), 1 << width, 97) << max(shift - top - 8, 0)).astype("i4")
        weights = np.where(np.arange(len(bias)) % 2, 1, -1).astype(np.int8)[:, None]
        multiplier = FixedPoint(mantissa, shift)
        spec = MatVecSpec(weights, bias, 100, multiplier, out_zero_point=zero_point)
        count = ClampCount()
        expected = matvec(spec, CODES[:, None], count)
        out, clamps = batched(spec, CODES[:, None])
        assert np.array_equal(out, expected)
        assert clamps == count


def test_ties_occur_in_that_test():
    """A multiplier of one half: half of all accumulators are ties, and go away from zero."""
    spec = MatVecSpec(np.ones((1, 1), "i1"), np.zeros(1, "i4"), 100, FixedPoint(1, 1), 100)
    out, _ = batched(spec, CODES[:, None])
    assert out[[97, 99, 101, 103], 0].tolist() == [98, 99, 101, 102]


@pytest.mark.parametrize(("columns", "x_bits", "out_bits"), [
    (400, 8, 8), (700, 8, 8), (40, 16, 8), (40, 16, 16), (5, 8, 16)
])  # fmt: skip
def test_products_at_the_largest_sums(columns, x_bits, out_bits):
    """float32 and float64 sums, 8 and 16 bits, with bias, both extremes of every row reached."""
    rng = np.random.default_rng(columns)
    weights = mixed(rng, -127, 127, 30 * columns).reshape(30, columns).astype(np.int8)
    weights[0], weights[1] = 127, -127
    bias = mixed(rng, -(1 << 20), 1 << 20, 30).astype(np.int32)
    shift = 15 + (x_bits - out_bits) + 8
    spec = MatVecSpec(weights, bias, 77, FixedPoint(40001, shift), 128, x_bits, out_bits)
    top = (1 << x_bits) - 1
    x = mixed(rng, 0, top, 40 * columns).reshape(40, columns)
    x[:30], x[30:35], x[35] = np.where(weights > 0, top, 0), np.where(weights[5] > 0, 0, top), 0
    count = ClampCount()
    expected = matvec(spec, x, count)
    out, clamps = batched(spec, x.astype(DTYPES[x_bits]), DTYPES[out_bits])
    assert np.array_equal(out, expected)
    assert clamps == count
    raw = replace(spec, multiplier=None, out_zero_point=0)
    out, clamps = batched(raw, x.astype(DTYPES[x_bits]), np.int64)
    assert np.array_equal(out, matvec(raw, x))
    assert clamps == ClampCount()


@pytest.mark.parametrize("zero_point", [0, 77, 128, 255])
@pytest.mark.parametrize("power", [0, 3, 9, 15])
def test_float64_requantizes_every_accumulator(power, zero_point):
    """All 2^21 of them, thousands of ties among them, whatever the mantissa's power of two."""
    w = np.array([[0, 64, -64, 1]], np.int8)
    for shift in (17, 20, 24):
        multiplier = FixedPoint((1 << 15) | (1 << power), shift)
        spec = MatVecSpec(w, np.zeros(1, np.int32), 0, multiplier, zero_point, 16)
        factor = float_factor(spec, multiplier)
        acc = np.arange(-(1 << 20), 1 << 20)
        expected = rescale(acc, multiplier) + zero_point
        assert factor is not None
        assert np.array_equal(np.floor(acc * factor + (zero_point + 0.5)), expected)
        low, high = unclamped(spec, multiplier)
        inside = (low <= acc) & (acc <= high)
        assert np.array_equal(inside, (expected >= 0) & (expected <= 255))


def test_no_factor_where_there_is_no_proof():
    w, b = np.full((1, 200), 127, np.int8), np.zeros(1, np.int32)
    for multiplier, x_bits in (
        (FixedPoint(1 << 20, 20), 8),  # a factor of 1
        (FixedPoint((1 << 31) - 1, 40), 8),  # products beyond 2^52
        (FixedPoint(1, 1), 16),  # ties that eta does not move
    ):
        assert float_factor(MatVecSpec(w, b, 3, multiplier, x_bits=x_bits), multiplier) is None


@pytest.mark.parametrize("multiplier", [FixedPoint((1 << 31) - 1, 40), FixedPoint(40000, 0)])
def test_products_with_the_largest_multipliers(multiplier):
    weights = np.full((2, 400), 127, np.int8)
    spec = MatVecSpec(weights, np.array([0, 1], np.int32), 3, multiplier, 7)
    x = mixed(np.random.default_rng(1), 0, 255, 1200).astype("u1").reshape(3, 400)
    out, count, clamps = np.empty((3, 2), np.uint8), ClampCount(), ClampCount()
    BatchedMatVec(spec, 3)(x, out, clamps)
    assert np.array_equal(out, matvec(spec, x, count))
    assert clamps == count
