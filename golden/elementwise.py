"""Element-wise operations on quantized operands (Eq. 4-6): multiply, add, minimum, affine."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.fixed import (
    MAX_MULTIPLIER_WIDTH,
    PRODUCT_LIMIT,
    ClampCount,
    FixedPoint,
    Int64,
    check_bits,
    check_shift,
    check_zero_point,
    integers,
    requantize,
    round_shift,
    saturate,
)

OPERAND_MAX = (1 << 16) - 1  # of a code's distance from its zero point


@dataclass(frozen=True, slots=True)
class MultiplySpec:
    """Eq. 4: constants of ``requantize((q_a - Z_a)(q_b - Z_b), S_a S_b / S_c, Z_c)``."""

    zero_points: tuple[int, int]
    multiplier: FixedPoint
    out_zero_point: int
    out_bits: int = 8

    def __post_init__(self) -> None:
        if self.multiplier.mantissa * OPERAND_MAX**2 >= PRODUCT_LIMIT:
            raise ValueError(f"multiply: mantissa {self.multiplier.mantissa} exceeds 30 bits")
        check_bits(self.out_bits, "multiply output")
        check_zero_point(self.out_zero_point, self.out_bits, "multiply output")
        for z in self.zero_points:
            check_zero_point(z, 16, "multiply operand")


def multiply(
    spec: MultiplySpec, a: ArrayLike, b: ArrayLike, clamps: ClampCount | None = None
) -> Int64:
    """Codes of a * b, shape of the broadcast operands."""
    z_a, z_b = spec.zero_points
    product = (integers(a, "a") - z_a) * (integers(b, "b") - z_b)
    return requantize(product, spec.multiplier, spec.out_zero_point, spec.out_bits, clamps)


@dataclass(frozen=True, slots=True)
class AddSpec:
    """Eq. 6 and 22: constants of ``round_shift(sum m_i (q_i - Z_i), shift) + Z_c``.

    One common shift and one rounding; a negative mantissa subtracts its term.
    """

    zero_points: tuple[int, ...]
    mantissas: tuple[int, ...]
    shift: int
    out_zero_point: int
    out_bits: int = 8

    def __post_init__(self) -> None:
        if len(self.zero_points) != len(self.mantissas) or not self.mantissas:
            raise ValueError("add: one zero point and one mantissa a term")
        if any(abs(m) >> MAX_MULTIPLIER_WIDTH for m in self.mantissas):
            raise ValueError(f"add: mantissas {self.mantissas} exceed {MAX_MULTIPLIER_WIDTH} bits")
        if sum(map(abs, self.mantissas)) * OPERAND_MAX >= PRODUCT_LIMIT:
            raise ValueError(f"add: {len(self.mantissas)} terms may exceed {PRODUCT_LIMIT}")
        check_shift(self.shift)
        check_bits(self.out_bits, "add output")
        check_zero_point(self.out_zero_point, self.out_bits, "add output")
        for z in self.zero_points:
            check_zero_point(z, 16, "add operand")


def add(spec: AddSpec, *terms: ArrayLike, clamps: ClampCount | None = None) -> Int64:
    """Codes of the sum of the terms, shape of the broadcast operands."""
    if len(terms) != len(spec.mantissas):
        raise ValueError(f"add: {len(terms)} operands for {len(spec.mantissas)} terms")
    total: Int64 = np.zeros((), np.int64)
    for q, z, m in zip(terms, spec.zero_points, spec.mantissas, strict=True):
        total = total + m * (integers(q) - z)
    return saturate(round_shift(total, spec.shift) + spec.out_zero_point, spec.out_bits, clamps)


def subtract_spec(
    zero_points: tuple[int, int],
    mantissas: tuple[int, int],
    shift: int,
    out_zero_point: int,
    out_bits: int = 8,
) -> AddSpec:
    """a - b: the addition whose second term is negated; both mantissas positive."""
    if min(mantissas) < 1:
        raise ValueError(f"subtract: mantissas {mantissas} are not positive")
    m_a, m_b = mantissas
    return AddSpec(zero_points, (m_a, -m_b), shift, out_zero_point, out_bits)


def one_minus(
    spec: AddSpec, x: ArrayLike, x_bits: int = 8, clamps: ClampCount | None = None
) -> Int64:
    """Codes of 1 - x (GRU), with the `subtract_spec` of zero points (0, Z_x).

    The constant 1 is the largest code of x's width: scale 1 / (2^x_bits - 1), zero point 0.
    """
    check_bits(x_bits, "one minus")
    return add(spec, (1 << x_bits) - 1, x, clamps=clamps)


def minimum(a: ArrayLike, b: ArrayLike) -> Int64:
    """The smaller code: of operands that share their parameters, the smaller number."""
    smaller: Int64 = np.minimum(integers(a, "a"), integers(b, "b"))
    return smaller


@dataclass(frozen=True, eq=False, slots=True)
class AffineSpec:
    """gamma * y + beta: ``round_shift(m (q_y - Z_y) q_gamma + beta_fx, shift) + Z_z``.

    gamma: int8 or int16 (length,), signed symmetric. beta: int64 (length,), in units of
    2**-shift of an output LSB. Multiplier: S_y S_gamma / S_z.
    """

    gamma: NDArray[np.int8] | NDArray[np.int16]
    beta: Int64
    zero_point: int
    multiplier: FixedPoint
    out_zero_point: int
    out_bits: int = 8

    def __post_init__(self) -> None:
        if self.gamma.dtype not in (np.int8, np.int16) or self.gamma.ndim != 1:
            raise ValueError(f"gamma: int8 or int16 vector expected, got {self.gamma.dtype}")
        if self.beta.dtype != np.int64 or self.beta.shape != self.gamma.shape:
            raise ValueError("beta: one int64 for each gamma expected")
        gamma, beta = integers(self.gamma), np.abs(self.beta)
        if gamma.size and int(gamma.min()) == np.iinfo(self.gamma.dtype).min:
            raise ValueError("gamma: the most negative code is not used, so that negation is exact")
        check_zero_point(self.zero_point, 16, "affine operand")
        check_bits(self.out_bits, "affine output")
        check_zero_point(self.out_zero_point, self.out_bits, "affine output")
        largest = self.multiplier.mantissa * OPERAND_MAX * int(np.abs(gamma).max(initial=0))
        if beta.size and not 0 <= int(beta.min()) <= int(beta.max()) < PRODUCT_LIMIT - largest:
            raise ValueError(f"beta: with its product, one may reach {PRODUCT_LIMIT}")


def affine(spec: AffineSpec, y: ArrayLike, clamps: ClampCount | None = None) -> Int64:
    """Codes of gamma * y + beta, y (..., length): one rounding."""
    codes = integers(y, "y")
    if codes.shape[-1:] != spec.gamma.shape:
        raise ValueError(f"y: {codes.shape[-1:]} codes for {spec.gamma.shape} of gamma")
    scaled = (codes - spec.zero_point) * integers(spec.gamma) * spec.multiplier.mantissa
    value = round_shift(scaled + spec.beta, spec.multiplier.shift)
    return saturate(value + spec.out_zero_point, spec.out_bits, clamps)
