"""Corner values and seeded generators for tests, co-simulation and sweeps."""

from collections.abc import Sequence

import numpy as np

from golden.activation import PwlSpec
from golden.fixed import Int64


def corners(low: int, high: int) -> list[int]:
    """The values where arithmetic breaks: ends, zero, powers of two and their neighbours."""
    values = {low, low + 1, low + 2, high - 2, high - 1, high, -2, -1, 0, 1, 2}
    for k in range(1, max(abs(low), abs(high)).bit_length() + 1):
        for offset in (-2, -1, 0, 1, 2):
            values |= {(1 << k) + offset, -(1 << k) + offset}
    return sorted(v for v in values if low <= v <= high)


def mixed(rng: np.random.Generator, low: int, high: int, count: int) -> Int64:
    """`count` values of low..high: uniform, and every fourth one a corner."""
    values = rng.integers(low, high, count, endpoint=True)
    values[::4] = rng.choice(np.asarray(corners(low, high), np.int64), len(values[::4]))
    return values


def ties(rng: np.random.Generator, mantissa: Int64, shift: Int64, bits: int) -> Int64:
    """Accumulators whose product with an even mantissa lies on or beside a rounding tie."""
    half = (np.int64(1) << np.maximum(shift - 1, 0)) * (2 * rng.integers(-300, 300, len(shift)) + 1)
    value = half // mantissa + rng.integers(-1, 1, len(shift), endpoint=True)
    limit = (1 << (bits - 1)) - 1
    clipped: Int64 = np.clip(value, -limit - 1, limit)
    return clipped


def pwl_spec(
    seed: int,
    pieces: int,
    in_bits: int = 8,
    out_bits: int = 8,
    slope_bits: int = 18,
    intercept_bits: int = 26,
) -> PwlSpec:
    """A PWL table that uses its widths to the full: corner knots, slopes of both signs, clamps."""
    rng = np.random.default_rng(seed)
    interior = rng.choice((1 << in_bits) - 2, pieces - 1, replace=False) + 1
    if pieces > 2:
        interior[:2] = 1, (1 << in_bits) - 1
        interior[2:] = rng.choice(np.arange(2, (1 << in_bits) - 1), pieces - 3, replace=False)
    slope, intercept = (1 << (slope_bits - 1)) - 1, (1 << (intercept_bits - 1)) - 1
    slopes = [*mixed(rng, -slope, slope, pieces).tolist()]
    intercepts = [*mixed(rng, -intercept, intercept, pieces).tolist()]
    return PwlSpec(
        knots=(0, *sorted(interior.tolist())),
        slopes=tuple(slopes),
        intercepts=tuple(intercepts),
        shift=max(intercept_bits - out_bits - 1, 0),
        out_zero_point=int(rng.integers(0, 1 << out_bits)),
        in_bits=in_bits,
        out_bits=out_bits,
    )


def choose(rng: np.random.Generator, values: Sequence[int], count: int) -> Int64:
    """`count` draws from `values`."""
    return rng.choice(np.asarray(values, np.int64), count)
