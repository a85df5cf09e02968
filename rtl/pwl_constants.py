"""A constant table as the narrowest integers that give golden's answer at every code (Eq. 24)."""

from dataclasses import dataclass
from itertools import count

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
    clamped = next(filter(None, (_lines(spec, outputs, s, True) for s in count())))
    for shift in range(clamped.shift, clamped.shift + 3):
        within = _lines(spec, outputs, shift, False)
        if within is not None:
            return within
    return clamped


def _lines(spec: PwlSpec, outputs: NDArray[np.int64], shift: int, clamp: bool) -> FloorForm | None:
    """A line a piece at this shift, or None. clamp: least and greatest output are open ended."""
    ends = (*spec.knots[1:], 1 << spec.in_bits)
    slopes, offsets, low, high = [], [], [], []
    for start, end in zip(spec.knots, ends, strict=True):
        y = outputs[start:end]
        step = np.flatnonzero(np.diff(y))
        # Within a run of equal outputs a line is extreme at an end.
        at = np.unique(np.concatenate([[0], step, step + 1, [len(y) - 1]]))
        q, least = at + start, y[at] << shift
        most = least + (1 << shift) - 1
        if clamp and len(step):
            least = np.where(y[at] == 0, -_UNBOUNDED, least)
            most = np.where(y[at] == (1 << spec.out_bits) - 1, _UNBOUNDED, most)
        line = _line(q, least, most, 1 << (spec.out_bits + shift + 1))
        if line is None:
            return None
        slopes.append(line[0])
        offsets.append(line[1])
        sums = line[0] * start + line[1], line[0] * (end - 1) + line[1]
        low.append(min(sums))
        high.append(max(sums))
    constants = (tuple(v * 2 if len(v) == 1 else v) for v in (list(spec.knots), slopes, offsets))
    return FloorForm(*constants, shift, min(low), max(high))


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
