"""Fixed-point primitives: the one definition of rounding, rescaling and saturation.

Rounding is half away from zero everywhere (the paper's Eq. 11 works on magnitudes).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Int64 = NDArray[np.int64]

MAX_SHIFT = 62
MAX_MULTIPLIER_WIDTH = 31  # times a 32-bit accumulator: below the limit of a product
PRODUCT_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """The positive real number ``mantissa * 2**-shift`` (Eq. 7-9).

    The mantissa is normalised to the design's multiplier width at export; here any positive
    mantissa of at most 31 bits is in domain. Raises ValueError outside of it.
    """

    mantissa: int
    shift: int

    def __post_init__(self) -> None:
        if not 0 < self.mantissa < 1 << MAX_MULTIPLIER_WIDTH:
            raise ValueError(f"mantissa {self.mantissa} is not in 1..2^{MAX_MULTIPLIER_WIDTH}-1")
        check_shift(self.shift)


@dataclass(frozen=True, eq=False, slots=True)
class FixedPoints:
    """One FixedPoint for each entry of the last axis: int64 mantissa and shift, (rows,).

    Raises ValueError as FixedPoint does.
    """

    mantissa: Int64
    shift: Int64

    def __post_init__(self) -> None:
        if self.mantissa.dtype != np.int64 or self.mantissa.ndim != 1:
            raise ValueError("mantissas: int64 vector expected")
        if self.shift.dtype != np.int64 or self.shift.shape != self.mantissa.shape:
            raise ValueError("shifts: one int64 for each mantissa expected")
        for mantissa, shift in zip(self.mantissa.tolist(), self.shift.tolist(), strict=True):
            FixedPoint(mantissa, shift)

    def __len__(self) -> int:
        return len(self.mantissa)


Multiplier = FixedPoint | FixedPoints


@dataclass(slots=True)
class ClampCount:
    """How many values a saturation changed, and how many it saw."""

    clamped: int = 0
    seen: int = 0

    def add(self, before: Int64, after: Int64) -> None:
        self.tally(before != after)

    def tally(self, changed: NDArray[np.bool_]) -> None:
        """Count the values that are set, and how many there are."""
        self.clamped += int(np.count_nonzero(changed))
        self.seen += changed.size


def integers(x: ArrayLike, name: str = "operand") -> Int64:
    """x as int64. Raises TypeError for anything but an integer array: a float never enters."""
    array = np.asarray(x)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected integers, got {array.dtype}")
    if array.dtype == np.uint64:
        raise TypeError(f"{name}: uint64 does not fit the int64 arithmetic")
    return array.astype(np.int64, copy=False)


def within(x: Int64, limit: int, name: str) -> Int64:
    """x. Raises ValueError unless every |x| < limit."""
    if x.size and (int(x.max()) >= limit or int(x.min()) <= -limit):
        raise ValueError(f"{name}: a magnitude reaches {limit}")
    return x


def check_shift(shift: ArrayLike) -> None:
    """Raise ValueError unless every shift is one that hardware has."""
    for value in integers(shift, "shift").ravel().tolist():
        if not 0 <= value <= MAX_SHIFT:
            raise ValueError(f"shift {value} is not in 0..{MAX_SHIFT}")


def within_bits(codes: ArrayLike, bits: int, name: str) -> Int64:
    """codes as int64. Raises ValueError unless each is in 0..2^bits - 1."""
    array = integers(codes, name)
    if array.size and (int(array.min()) < 0 or int(array.max()) >> bits):
        raise ValueError(f"{name}: codes outside 0..{(1 << bits) - 1}")
    return array


def round_shift(p: ArrayLike, shift: ArrayLike) -> Int64:
    """round(p / 2**shift), half away from zero (Eq. 11), shape of the broadcast operands.

    Domain: |p| < 2**62, 0 <= shift <= 62.
    """
    p = within(integers(p), PRODUCT_LIMIT, "round_shift")
    check_shift(shift)
    half = (np.int64(1) << integers(shift)) >> 1  # 0 where nothing is shifted out
    rounded: Int64 = (np.abs(p) + half) >> shift
    return np.where(p < 0, -rounded, rounded)


def rescale(a: ArrayLike, multiplier: Multiplier) -> Int64:
    """round(a * multiplier), half away from zero (Eq. 10). Domain: |a * mantissa| < 2**62."""
    a = within(integers(a), -(-PRODUCT_LIMIT // int(np.max(multiplier.mantissa))), "rescale")
    return round_shift(a * multiplier.mantissa, multiplier.shift)


def saturate(value: ArrayLike, bits: int, clamps: ClampCount | None = None) -> Int64:
    """value clamped to 0..2**bits-1; what was clamped is counted in clamps."""
    value = integers(value)
    clamped: Int64 = np.clip(value, 0, (1 << bits) - 1)
    if clamps is not None:
        clamps.add(value, clamped)
    return clamped


def requantize(
    a: ArrayLike,
    multiplier: Multiplier,
    zero_point: int,
    bits: int,
    clamps: ClampCount | None = None,
) -> Int64:
    """saturate(rescale(a, multiplier) + zero_point): an accumulator to a `bits`-wide code."""
    return saturate(rescale(a, multiplier) + zero_point, bits, clamps)


def divide_round(n: ArrayLike, shift: int, d: ArrayLike) -> Int64:
    """round(n / (2**shift * d)), half away from zero, one rounding.

    Domain: |n| < 2**62, d >= 1, d * 2**shift < 2**62. Shift first, then divide the short number:
    exact, because floors nest.
    """
    check_shift(shift)
    n = within(integers(n, "numerator"), PRODUCT_LIMIT, "numerator")
    d = within(integers(d, "divisor"), PRODUCT_LIMIT >> shift, "divisor")
    if np.any(d < 1):
        raise ValueError("divisor must be at least 1")
    quotient: Int64 = ((np.abs(n) + ((d << shift) >> 1)) >> shift) // d
    return np.where(n < 0, -quotient, quotient)


def check_bits(bits: int, name: str) -> None:
    """Raise ValueError unless bits is 8 or 16, the operand widths of the arithmetic."""
    if bits not in (8, 16):
        raise ValueError(f"{name}: {bits} bits; operands have 8 or 16")


def check_zero_point(zero_point: int, bits: int, name: str) -> None:
    """Raise ValueError unless zero_point is a code of its tensor."""
    if not 0 <= zero_point < 1 << bits:
        raise ValueError(f"{name}: zero point {zero_point} is not in 0..{(1 << bits) - 1}")
