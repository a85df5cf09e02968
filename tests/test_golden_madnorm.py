"""Eq. 25-30 against exact rational arithmetic that shares no code with golden."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from test_golden_elementwise import A, B, exact
from test_golden_fixed import rounded

from golden.elementwise import add, subtract_spec
from golden.fixed import FixedPoint
from golden.madnorm import MadNormClamps, MadNormSpec, deviation, madnorm, mean, quotient
from golden.stimulus import mixed


def spec_of(
    length=2, mu=(40000, 17, 100), x_hat=(50000, 45000, 16, 128), d=(60000, 16), y=(33333, 10, 128),
    z_x=120, bits=(8, 8, 8, 8, 8),
):  # fmt: skip
    """bits: of x, mu, x_hat, d, y. Each tuple as in Eq. 27-30: mantissas, shift, zero point."""
    return MadNormSpec(
        length,
        FixedPoint(*mu[:2]),
        subtract_spec((z_x, mu[2]), x_hat[:2], x_hat[2], x_hat[3], bits[2]),
        FixedPoint(*d),
        FixedPoint(*y[:2]),
        y[2],
        bits[0],
        bits[1],
        bits[3],
        bits[4],
    )


EIGHT_BITS = {
    "typical": {},
    "ties": {"mu": (1, 1, 0), "x_hat": (1, 1, 1, 255), "d": (1, 1), "y": (1, 1, 77), "z_x": 255},
    "no shift": {"mu": (1, 0, 255), "x_hat": (1, 1, 0, 3), "d": (1, 0), "y": (1, 0, 255), "z_x": 0},
    "saturating": {
        "mu": (65535, 15, 9),
        "x_hat": (65535, 40000, 14, 200),
        "d": (65535, 15),
        "y": (65535, 6, 0),
    },
    "16 bits out": {"y": (60000, 3, 31000), "bits": (8, 8, 8, 8, 16)},
}


def clamp(value, bits):
    return min(max(value, 0), (1 << bits) - 1)


def evaluate(x, mu, x_hat, d, y, z_x, bits):
    """Eq. 27-30 on one row, as printed: one rounding and one clamp each."""
    q_mu = clamp(rounded(Fraction(mu[0], 2 ** mu[1]) * sum(v - z_x for v in x)) + mu[2], bits[1])
    unit = Fraction(1, 2 ** x_hat[2])
    q_xh = [
        clamp(
            rounded(x_hat[0] * unit * (v - z_x) - x_hat[1] * unit * (q_mu - mu[2])) + x_hat[3],
            bits[2],
        )
        for v in x
    ]
    total = sum(abs(v - x_hat[3]) for v in q_xh)
    q_d = clamp(rounded(Fraction(d[0], 2 ** d[1]) * total), bits[3])
    scale = Fraction(y[0], 2 ** y[1]) / max(q_d, 1)
    q_y = [clamp(rounded(scale * (v - x_hat[3])) + y[2], bits[4]) for v in q_xh]
    return q_mu, q_xh, q_d, q_y


def quotient_of(numerator, divisor, zero_point, bits):
    """clamp(round(n / d) + Z) on Python integers: floor(|n / d| + 1/2) = (2 |n| + d) // 2 d."""
    n, d = np.asarray(numerator, object), np.asarray(divisor, object)
    magnitude = (2 * abs(n) + d) // (2 * d)
    value = np.where(n < 0, -magnitude, magnitude) + zero_point
    return np.clip(value, 0, (1 << bits) - 1)


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_mean_and_deviation_on_every_pair_of_codes(name):
    spec = spec_of(**EIGHT_BITS[name])
    pairs = np.stack([A, B], axis=-1)
    z_x, z_mu = spec.centre.zero_points
    expected = exact((A + B - 2 * z_x) * spec.mean.mantissa, spec.mean.shift, z_mu)
    assert np.array_equal(mean(spec, pairs), expected)
    z_xh = spec.centre.out_zero_point
    total = (abs(A - z_xh) + abs(B - z_xh)) * spec.deviation.mantissa
    assert np.array_equal(deviation(spec, pairs), exact(total, spec.deviation.shift, 0))


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_centre_on_every_x_and_mean(name):
    centre = spec_of(**EIGHT_BITS[name]).centre
    (z_x, z_mu), (m_x, m_mu) = centre.zero_points, centre.mantissas
    expected = exact(m_x * (A - z_x) + m_mu * (B - z_mu), centre.shift, centre.out_zero_point)
    assert np.array_equal(add(centre, A, B), expected)


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_quotient_on_every_x_hat_and_deviation(name):
    spec = spec_of(**EIGHT_BITS[name])
    factor = Fraction(spec.quotient.mantissa, 2**spec.quotient.shift)
    expected = [
        clamp(
            rounded(factor * (x_hat - spec.centre.out_zero_point) / max(d, 1))
            + spec.out_zero_point,
            spec.out_bits,
        )
        for x_hat, d in zip(A.tolist(), B.tolist(), strict=True)
    ]
    assert quotient(spec, A, B).tolist() == expected


def test_quotient_of_16_bits_on_random_and_corner_vectors():
    rng = np.random.default_rng(4)
    for mantissa, shift, z_xh, z_y in ((1, 0, 0, 0), (0xFFFFFF, 8, 32768, 32768), (3, 1, 65535, 9)):
        spec = spec_of(x_hat=(1, 1, 0, z_xh), y=(mantissa, shift, z_y), bits=(16, 16, 16, 16, 16))
        x_hat, d = mixed(rng, 0, 65535, 50_000), rng.permutation(mixed(rng, 0, 65535, 50_000))
        n, divisor = (x_hat - z_xh).astype(object) * mantissa, np.maximum(d, 1).astype(object)
        expected = quotient_of(n, divisor << shift, z_y, 16)
        assert np.array_equal(quotient(spec, x_hat, d), expected)


@pytest.mark.parametrize("bits", [(8,) * 5, (16,) * 5, (8, 16, 8, 8, 16), (16, 8, 16, 16, 8)])
@pytest.mark.parametrize("length", [1, 2, 7, 200])
def test_rows_as_printed(length, bits):
    rng = np.random.default_rng(length)
    tops = [(1 << b) - 1 for b in bits]
    for _ in range(25):
        scale = rng.integers(1 << 15, 1 << 16, 5).tolist()
        z_x, z_mu, z_xh, _, z_y = rng.integers(0, tops, endpoint=True).tolist()
        shift = 15 + length.bit_length()
        constants = {
            "mu": (scale[0], max(0, shift - bits[1] + bits[0]), z_mu),
            "x_hat": (scale[1], scale[2], 16, z_xh),
            "d": (scale[3], max(0, shift - bits[3] + bits[2])),
            "y": (scale[4], 16 - bits[4], z_y),
            "z_x": z_x,
        }
        rows = mixed(rng, 0, tops[0], 4 * length).reshape(4, length)
        rows[1], rows[2, ::2] = tops[0], 0
        trace = madnorm(spec_of(length, bits=bits, **constants), rows)
        for i, row in enumerate(rows.tolist()):
            mu, x_hat, d, y = evaluate(row, bits=bits, **constants)
            assert (trace.mu[i].tolist(), trace.d[i].tolist()) == ([mu], [d])
            assert trace.x_hat[i].tolist() == x_hat
            assert trace.y[i].tolist() == y


def test_rows_of_gates_are_normalized_apart():
    """(..., 4 H) with statistics over H: each gate as if it were alone; over 4 H: one row."""
    x = np.random.default_rng(6).integers(0, 256, (3, 5, 4 * 16))
    spec = spec_of(16, mu=(40000, 20, 100), d=(60000, 19))
    trace = madnorm(spec, x)
    assert trace.mu.shape == trace.d.shape == (3, 5, 4)
    for gate in range(4):
        alone = madnorm(spec, x[..., 16 * gate : 16 * (gate + 1)])
        assert np.array_equal(trace.y[..., 16 * gate : 16 * (gate + 1)], alone.y)
        assert np.array_equal(trace.d[..., gate], alone.d[..., 0])
    joint = madnorm(replace(spec, length=64, mean=FixedPoint(40000, 22)), x)
    assert joint.mu.shape == (3, 5, 1)
    assert not np.array_equal(joint.y, trace.y)


def test_clamps_of_each_step_are_counted():
    clamps = MadNormClamps()
    spec = spec_of(2, (1, 0, 0), (2, 1, 0, 0), (1, 0), (1000, 0, 0), z_x=0)
    trace = madnorm(spec, [[200, 100], [10, 20], [0, 0]], clamps)
    assert trace.mu.tolist() == [[255], [30], [0]]  # 300 clamped; no 1 / H in this multiplier
    assert trace.x_hat.tolist() == [[145, 0], [0, 10], [0, 0]]  # -55 and -10 clamped
    assert trace.d.tolist() == [[145], [10], [0]]
    assert trace.y.tolist() == [[255, 0], [0, 255], [0, 0]]
    counts = [(c.clamped, c.seen) for c in (clamps.mu, clamps.x_hat, clamps.d, clamps.y)]
    assert counts == [(1, 3), (2, 6), (0, 3), (2, 6)]


def test_a_constant_row_has_deviation_0_and_gives_the_zero_point():
    spec = spec_of(3, (21845, 16, 5), (1 << 15, 1 << 15, 15, 130), (21845, 16), z_x=5)
    trace = madnorm(spec, [77, 77, 77])
    assert (trace.mu.tolist(), trace.d.tolist(), trace.y.tolist()) == ([77], [0], [128] * 3)


def test_the_longest_row_of_extremes_stays_in_32_bits():
    length = ((1 << 31) - 1) >> 16
    spec = spec_of(length, mu=(1, 0, 0), z_x=0, bits=(16, 16, 16, 16, 16))
    assert madnorm(spec, np.full(length, 65535)).mu.tolist() == [65535]
    with pytest.raises(ValueError, match=r"^length: 32768 is not in 1\.\.32767$"):
        replace(spec, length=length + 1)
    with pytest.raises(ValueError, match=r"^length: 32768 is not in 1\.\.32767$"):
        spec_of(length + 1, bits=(8, 8, 16, 8, 8))  # the sum of x_hat is the wider one


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: spec_of(length=0), r"length: 0 is not in 1\.\.8388607"),
        (lambda: spec_of(y=(1, 55, 0)), "quotient: shift 55 leaves no room for the divisor"),
        (lambda: spec_of(y=(1, 0, 256)), "madnorm out: zero point 256"),
        (lambda: spec_of(z_x=256), "madnorm x: zero point 256"),
        (lambda: spec_of(mu=(1, 0, 256)), "madnorm mean: zero point 256"),
        (lambda: spec_of(bits=(9, 8, 8, 8, 8)), "madnorm x: 9 bits"),
        (lambda: spec_of(bits=(8, 8, 8, 32, 8)), "madnorm deviation: 32 bits"),
        (lambda: spec_of(x_hat=(1, 0, 0, 0)), r"subtract: mantissas \(1, 0\) are not positive"),
        (
            lambda: replace(spec_of(), centre=replace(spec_of().centre, mantissas=(1, 1))),
            "centre: the subtraction of two terms expected",
        ),
        (lambda: madnorm(spec_of(), [1, 2, 3]), r"x: shape \(3,\) is not of rows of 2"),
        (lambda: madnorm(spec_of(), 5), r"x: shape \(\) is not of rows of 2"),
        (lambda: madnorm(spec_of(), [0, 256]), r"x: codes outside 0\.\.255"),
        (lambda: madnorm(spec_of(), [-1, 0]), r"x: codes outside 0\.\.255"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        build()


def test_floats_are_refused():
    with pytest.raises(TypeError, match="x: expected integers"):
        madnorm(spec_of(), [0.5, 1.0])
    with pytest.raises(TypeError, match="d: expected integers"):
        quotient(spec_of(), 1, 1.0)
