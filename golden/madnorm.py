"""MadNorm: normalization by the mean absolute deviation (Eq. 25-30)."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from golden.elementwise import AddSpec, add
from golden.fixed import (
    MAX_SHIFT,
    ClampCount,
    FixedPoint,
    Int64,
    check_bits,
    check_zero_point,
    divide_round,
    integers,
    requantize,
    saturate,
    within_bits,
)
from golden.linear import ACCUMULATOR_MAX


@dataclass(frozen=True, slots=True)
class MadNormSpec:
    """Constants of Eq. 27-30 over rows of `length` codes.

    mean: S_x / (S_mu length).
    centre: the subtraction x - mu; its zero points are those of x and mu, its output is x_hat.
    deviation: S_xh / (S_d length); d has zero point 0.
    quotient: S_xh / (S_y S_d).
    Raises ValueError where a sum may exceed 32 bits or a quotient its domain.
    """

    length: int
    mean: FixedPoint
    centre: AddSpec
    deviation: FixedPoint
    quotient: FixedPoint
    out_zero_point: int
    x_bits: int = 8
    mean_bits: int = 8
    deviation_bits: int = 8
    out_bits: int = 8

    def __post_init__(self) -> None:
        for name in ("x", "mean", "deviation", "out"):
            check_bits(getattr(self, f"{name}_bits"), f"madnorm {name}")
        if len(self.centre.mantissas) != 2 or not self.centre.mantissas[1] < 0:
            raise ValueError("centre: the subtraction of two terms expected")
        z_x, z_mu = self.centre.zero_points
        check_zero_point(z_x, self.x_bits, "madnorm x")
        check_zero_point(z_mu, self.mean_bits, "madnorm mean")
        check_zero_point(self.out_zero_point, self.out_bits, "madnorm out")
        widest = max(self.x_bits, self.centre.out_bits)
        if not 1 <= self.length <= ACCUMULATOR_MAX >> widest:
            raise ValueError(f"length: {self.length} is not in 1..{ACCUMULATOR_MAX >> widest}")
        if self.quotient.shift + self.deviation_bits > MAX_SHIFT:
            raise ValueError(
                f"quotient: shift {self.quotient.shift} leaves no room for the divisor"
            )


@dataclass(slots=True)
class MadNormClamps:
    """What each step clamped."""

    mu: ClampCount = field(default_factory=ClampCount)
    x_hat: ClampCount = field(default_factory=ClampCount)
    d: ClampCount = field(default_factory=ClampCount)
    y: ClampCount = field(default_factory=ClampCount)


class MadNormTrace(NamedTuple):
    """Codes of every step. mu, d: (..., rows); x_hat, y: shape of x."""

    mu: Int64
    x_hat: Int64
    d: Int64
    y: Int64


def mean(spec: MadNormSpec, x: ArrayLike, clamps: ClampCount | None = None) -> Int64:
    """Codes of the means of x (..., length) over its last axis (Eq. 27)."""
    z_x, z_mu = spec.centre.zero_points
    total = (within_bits(x, spec.x_bits, "x") - z_x).sum(axis=-1)
    return requantize(total, spec.mean, z_mu, spec.mean_bits, clamps)


def deviation(spec: MadNormSpec, x_hat: ArrayLike, clamps: ClampCount | None = None) -> Int64:
    """Codes of the mean magnitudes of x_hat (..., length) over its last axis (Eq. 29)."""
    total = np.abs(integers(x_hat, "x_hat") - spec.centre.out_zero_point).sum(axis=-1)
    return requantize(total, spec.deviation, 0, spec.deviation_bits, clamps)


def quotient(
    spec: MadNormSpec, x_hat: ArrayLike, d: ArrayLike, clamps: ClampCount | None = None
) -> Int64:
    """Codes of x_hat / d, shape of the broadcast operands (Eq. 30): one rounding."""
    numerator = (integers(x_hat, "x_hat") - spec.centre.out_zero_point) * spec.quotient.mantissa
    divisor = np.maximum(integers(d, "d"), 1)
    value = divide_round(numerator, spec.quotient.shift, divisor) + spec.out_zero_point
    return saturate(value, spec.out_bits, clamps)


def madnorm(spec: MadNormSpec, x: ArrayLike, clamps: MadNormClamps | None = None) -> MadNormTrace:
    """Every step of MadNorm of x (..., rows * length).

    One row normalizes over the last axis as a whole; several, say one a gate, each over its own
    `length` codes, with the same constants.
    """
    codes = integers(x, "x")
    if codes.ndim == 0 or codes.shape[-1] == 0 or codes.shape[-1] % spec.length:
        raise ValueError(f"x: shape {codes.shape} is not of rows of {spec.length}")
    clamps = clamps or MadNormClamps()
    rows = codes.reshape(*codes.shape[:-1], -1, spec.length)
    mu = mean(spec, rows, clamps.mu)
    x_hat = add(spec.centre, rows, mu[..., np.newaxis], clamps=clamps.x_hat)
    d = deviation(spec, x_hat, clamps.d)
    y = quotient(spec, x_hat, d[..., np.newaxis], clamps.y)
    return MadNormTrace(mu, x_hat.reshape(codes.shape), d, y.reshape(codes.shape))
