"""Real multipliers to fixed point, in exact rational arithmetic (Eq. 7-9)."""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from golden.errors import InputError
from golden.fixed import MAX_SHIFT, FixedPoint

Real = float | Fraction

MULTIPLIER_WIDTH = 16


def round_fraction(x: Fraction) -> int:
    """The integer nearest to x, half away from zero, exactly."""
    magnitude = (2 * abs(x.numerator) + x.denominator) // (2 * x.denominator)
    return magnitude if x >= 0 else -magnitude


@lru_cache(maxsize=1024)  # as of QuantParams.from_range
def fixed_point(
    m: Real, operation: str, width: int = MULTIPLIER_WIDTH, floor: bool = False
) -> FixedPoint:
    """m as `mantissa * 2**-shift` with the smallest shift whose mantissa reaches 2^(width - 1).

    floor: the paper's Eq. 7, which doubles the constant's error; rounding otherwise.
    Raises InputError, naming operation and m, where m is not positive, not finite, at least
    2^width, or so small that it needs a shift above 62.
    """
    exact = _positive(m, operation)
    convert = math.floor if floor else round_fraction
    # 2^(width-1) <= m 2^shift holds at `shift` below or one past it; rounding may reach it earlier.
    shift = max(0, width - 2 - _exponent(exact))
    while shift <= MAX_SHIFT and convert(exact * (1 << shift)) < 1 << (width - 1):
        shift += 1
    if shift > MAX_SHIFT:
        raise InputError(f"{operation}: multiplier {float(m)} needs a shift above {MAX_SHIFT}")
    mantissa = convert(exact * (1 << shift))
    if mantissa >= 1 << width:
        raise InputError(f"{operation}: multiplier {float(m)} does not fit {width} bits")
    return FixedPoint(mantissa, shift)


def common_shift(
    ms: Sequence[Real], operation: str, width: int = MULTIPLIER_WIDTH
) -> tuple[tuple[int, ...], int]:
    """Mantissas of the terms of a sum, and their one shift: that of the largest (Eq. 6).

    A negative multiplier subtracts its term. Raises InputError, naming operation and multiplier,
    out of the domain of `fixed_point`, or where a term's mantissa would be 0.
    """
    if not ms:
        raise InputError(f"{operation}: a sum needs at least one term")
    magnitudes = [_positive(-m if m < 0 else m, operation) for m in ms]
    shift = fixed_point(max(magnitudes), operation, width).shift
    mantissas = [round_fraction(m * (1 << shift)) for m in magnitudes]
    for m, mantissa in zip(ms, mantissas, strict=True):
        if mantissa == 0:
            raise InputError(f"{operation}: multiplier {float(m)} vanishes beside the largest")
    signed = [-k if m < 0 else k for m, k in zip(ms, mantissas, strict=True)]
    return tuple(signed), shift


def _positive(m: Real, operation: str) -> Fraction:
    if isinstance(m, float) and not math.isfinite(m):
        raise InputError(f"{operation}: multiplier {m} is not finite")
    if m <= 0:
        raise InputError(f"{operation}: multiplier {float(m)} is not positive")
    return Fraction(m)


def _exponent(x: Fraction) -> int:
    """e with 2^(e-1) < x < 2^(e+1)."""
    return x.numerator.bit_length() - x.denominator.bit_length()
