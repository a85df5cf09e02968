"""A constant table as the narrowest integers that give golden's answer at every code (Eq. 24)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile

import numpy as np
from amaranth.hdl import Shape
from numpy.typing import NDArray

from golden.activation import PwlSpec, pwl

# Beyond any line, yet far from the end of 64 bits.
_UNBOUNDED = 1 << 60


def offsets(spec: PwlSpec) -> tuple[int, ...]:
    """intercept_i - slope_i * knot_i: with it a piece is one multiply-add of the code itself."""
    return tuple(
        b - a * k for a, b, k in zip(spec.slopes, spec.intercepts, spec.knots, strict=True)
    )


@dataclass(frozen=True, slots=True)
class FloorForm:
    """``y = clamp((slope_i q + offset_i) >> shift)``: rounding and zero point are in the offset.

    knots: first codes of the pieces, of which there are at least two: a single one is there twice.
    low, high: the least and the greatest sum over all codes.
    """

    knots: tuple[int, ...]
    slopes: tuple[int, ...]
    offsets: tuple[int, ...]
    shift: int
    low: int
    high: int

    @property
    def slope(self) -> Shape:
        """The narrowest shape of every slope."""
        return _shape(min(self.slopes), max(self.slopes))

    @property
    def total(self) -> Shape:
        """The narrowest shape of every sum."""
        return _shape(self.low, self.high)


def floor_form(spec: PwlSpec) -> FloorForm:
    """The form of the smallest shift that equals ``pwl(spec, q)`` at every code.

    Lines that stay within the codes are preferred where they cost at most two bits more: nothing
    is to be clamped then. A shift exists: turning a line by less than half a code's worth about
    its zero sends the ties on either side away from zero.
    """
    outputs = pwl(spec, np.arange(1 << spec.in_bits))
    clamped = next(filter(None, (_floor_form(spec, outputs, s, True) for s in count())))
    for shift in range(clamped.shift, clamped.shift + 3):
        within = _floor_form(spec, outputs, shift, False)
        if within is not None:
            return within
    return clamped


def _floor_form(
    spec: PwlSpec, outputs: NDArray[np.int64], shift: int, clamp: bool
) -> FloorForm | None:
    """The form at this shift, or None. clamp: least and greatest output are open ended."""
    least = outputs << shift
    bounds = Bounds(least, least + (1 << shift) - 1, 1 << (spec.out_bits + shift + 1))
    if clamp:
        bounds = bounds.opened(_stepping(spec, outputs), spec.out_bits, _UNBOUNDED)
    lines = list(takewhile(lambda line: line is not None, piece_lines(spec, bounds)))
    if len(lines) < spec.pieces:
        return None
    slopes, offsets = zip(*lines, strict=True)
    ends = zip(spec.knots, (*spec.knots[1:], 1 << spec.in_bits), lines, strict=True)
    sums = [a * q + b for start, end, (a, b) in ends for q in (start, end - 1)]
    constants = (tuple(v * 2 if len(v) == 1 else v) for v in (spec.knots, slopes, offsets))
    return FloorForm(*constants, shift, min(sums), max(sums))


def _stepping(spec: PwlSpec, outputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The outputs, -1 in pieces of one output alone: a slope of 0 is enough for these."""
    low, high = (np.asarray(f.reduceat(outputs, spec.knots)) for f in (np.minimum, np.maximum))
    flat = np.repeat(low == high, np.diff([*spec.knots, len(outputs)]))
    return np.where(flat, -1, outputs)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the sums of a table may be: least and most of every code; slope: its greatest size."""

    least: NDArray[np.int64]
    most: NDArray[np.int64]
    slope: int

    def opened(self, outputs: NDArray[np.int64], out_bits: int, limit: int) -> "Bounds":
        """Where the output is one that a clamp gives, sums may reach -limit or limit - 1."""
        least = np.where(outputs == 0, -limit, self.least)
        most = np.where(outputs == (1 << out_bits) - 1, limit - 1, self.most)
        return Bounds(least, most, self.slope)


def piece_lines(spec: PwlSpec, bounds: Bounds) -> Iterator[tuple[int, int] | None]:
    """Integers (slope, offset) of each piece whose sums are within bounds; None: there are none."""
    for start, end in zip(spec.knots, (*spec.knots[1:], 1 << spec.in_bits), strict=True):
        least, most = bounds.least[start:end], bounds.most[start:end]
        step = np.flatnonzero(np.diff(least) | np.diff(most))
        # Within a run of equal bounds a line is extreme at an end.
        at = np.unique(np.concatenate([[0], step, step + 1, [end - start - 1]]))
        yield _line(at + start, least[at], most[at], bounds.slope)


def _shape(low: int, high: int) -> Shape:
    """The narrowest shape of at least one bit."""
    return Shape.cast(range(min(low, 0), max(high, 1) + 1))


def _line(
    q: NDArray[np.int64], least: NDArray[np.int64], most: NDArray[np.int64], limit: int
) -> tuple[int, int] | None:
    """Integers (slope, offset) with ``least <= slope q + offset <= most``; |slope| <= limit.

    The room for an offset is a concave function of the slope: bisection, from a slope of 0.
    """
    low, high = -limit, limit
    while low <= high:
        slope = (low + high) // 2
        floors, ceilings = least - slope * q, most - slope * q
        tight, loose = int(floors.argmax()), int(ceilings.argmin())
        offset, top = int(floors[tight]), int(ceilings[loose])
        if offset <= top:
            return slope, _roundest(offset, top)
        if q[tight] == q[loose]:
            return None
        if q[tight] > q[loose]:
            low = slope + 1
        else:
            high = slope - 1
    return None


def _roundest(low: int, high: int) -> int:
    """The integer of low..high with the most zeros at its end; the least of these."""
    return next(v for k in range(80, -1, -1) if (v := -(-low >> k) << k) <= high)
