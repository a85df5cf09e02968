"""Activation functions on codes: look-up table and piecewise linear (Eq. 24)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from golden.fixed import (
    ClampCount,
    Int64,
    check_bits,
    check_shift,
    check_zero_point,
    integers,
    round_shift,
    saturate,
    within_bits,
)

# Widest constants: slope * code + intercept stays below the limit of a product.
SLOPE_BITS = 44
INTERCEPT_BITS = 60


@dataclass(frozen=True, slots=True)
class LutSpec:
    """A table of 2**in_bits output codes."""

    table: tuple[int, ...]
    in_bits: int = 8
    out_bits: int = 8

    def __post_init__(self) -> None:
        check_bits(self.in_bits, "look-up input")
        check_bits(self.out_bits, "look-up output")
        if len(self.table) != 1 << self.in_bits:
            raise ValueError(f"table: {len(self.table)} entries for {self.in_bits} bits")
        if not all(0 <= q < 1 << self.out_bits for q in self.table):
            raise ValueError(f"table: an entry does not fit {self.out_bits} bits")


def look_up(spec: LutSpec, x: ArrayLike) -> Int64:
    """table[x], any shape."""
    codes = within_bits(x, spec.in_bits, "x")
    return np.asarray(spec.table, np.int64)[codes]


@dataclass(frozen=True, slots=True)
class PwlSpec:
    """A PWL of N pieces: knots (N) are first codes of the pieces, the first of them 0.

    ``q_y = round_shift(slope_i (q_x - knot_i) + intercept_i, shift) + Z_y``, with i the number of
    interior knots <= q_x: the last interval is closed, so no code falls outside the pieces.
    """

    knots: tuple[int, ...]
    slopes: tuple[int, ...]
    intercepts: tuple[int, ...]
    shift: int
    out_zero_point: int
    in_bits: int = 8
    out_bits: int = 8

    def __post_init__(self) -> None:
        check_bits(self.in_bits, "PWL input")
        check_bits(self.out_bits, "PWL output")
        check_zero_point(self.out_zero_point, self.out_bits, "PWL output")
        if not self.knots or self.knots[0] != 0:
            raise ValueError("knots: the first piece starts at code 0")
        if any(b <= a for a, b in zip(self.knots, self.knots[1:], strict=False)):
            raise ValueError("knots: not strictly increasing")
        if self.knots[-1] >= 1 << self.in_bits:
            raise ValueError(f"knots: {self.knots[-1]} does not fit {self.in_bits} bits")
        if not len(self.knots) == len(self.slopes) == len(self.intercepts):
            raise ValueError("knots, slopes, intercepts: one of each a piece")
        if max(map(abs, self.slopes)) >> SLOPE_BITS:
            raise ValueError(f"slopes: one exceeds {SLOPE_BITS} bits")
        if max(map(abs, self.intercepts)) >> INTERCEPT_BITS:
            raise ValueError(f"intercepts: one exceeds {INTERCEPT_BITS} bits")
        check_shift(self.shift)

    @property
    def pieces(self) -> int:
        return len(self.knots)


def segment(spec: PwlSpec, x: ArrayLike) -> Int64:
    """Index of the piece of each code: the number of interior knots <= x."""
    codes = within_bits(x, spec.in_bits, "x")
    return np.searchsorted(np.asarray(spec.knots[1:], np.int64), codes, side="right")


def pwl(spec: PwlSpec, x: ArrayLike, clamps: ClampCount | None = None) -> Int64:
    """Codes of the PWL at the codes x, any shape (Eq. 24)."""
    codes = integers(x, "x")
    i = segment(spec, codes)
    knots, slopes, intercepts = (
        np.asarray(c, np.int64) for c in (spec.knots, spec.slopes, spec.intercepts)
    )
    value = slopes[i] * (codes - knots[i]) + intercepts[i]
    return saturate(round_shift(value, spec.shift) + spec.out_zero_point, spec.out_bits, clamps)


def tabulate(spec: PwlSpec) -> LutSpec:
    """The look-up table that equals the PWL on every code."""
    codes = np.arange(1 << spec.in_bits)
    return LutSpec(tuple(pwl(spec, codes).tolist()), spec.in_bits, spec.out_bits)
