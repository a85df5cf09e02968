"""Element-wise multiply and add on quantized operands (Eq. 4-6)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

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
