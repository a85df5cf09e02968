"""MadNorm: rows, clamp counts and refusals; its numbers are checked in test_reference_*.py."""

from dataclasses import replace

import numpy as np
import pytest

from golden.elementwise import subtract_spec
from golden.fixed import FixedPoint
from golden.madnorm import MadNormClamps, MadNormSpec, madnorm, quotient


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
