"""Lines of integer slope and intercept between two integer bounds at every code, exactly."""

from dataclasses import dataclass

import numpy as np

from irnn_hw.quant.params import Int64


@dataclass(frozen=True, slots=True)
class Corridor:
    """The values that a PWL may take, before its shift, at every code.

    low, high (codes): the first and the last of them; slopes lie in -slope_limit..slope_limit - 1.
    A line inside over some codes is inside over each part of them, so that pieces of greatest
    reach, one after another, are the fewest.
    """

    low: Int64
    high: Int64
    slope_limit: int
    turns: Int64  # where a run of constant bounds starts or ends: only there can a line leave

    @classmethod
    def between(cls, low: Int64, high: Int64, slope_limit: int) -> "Corridor":
        """Domain: |low|, |high| and slope_limit * codes below 2^61, so that int64 holds sums."""
        changes = np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0))
        return cls(low, high, slope_limit, np.unique(np.concatenate((changes, changes + 1))))

    def reversed(self) -> "Corridor":
        """The same, last code first."""
        return Corridor.between(self.low[::-1], self.high[::-1], self.slope_limit)

    def slopes(self, first: int, end: int) -> tuple[int, int] | None:
        """Smallest and largest slope of a line inside over codes first..end - 1; None: no line."""
        d, low, high = self._bounds(first, end)
        smallest = _smallest_slope(d, low, high, -self.slope_limit, self.slope_limit)
        if smallest is None:
            return None
        mirrored = _smallest_slope(d, -high, -low, 1 - self.slope_limit, 1 - smallest)
        return smallest, smallest if mirrored is None else -mirrored

    def intercepts(self, first: int, end: int, slope: int) -> tuple[int, int]:
        """Smallest and largest value at code first of a line of that slope inside."""
        d, low, high = self._bounds(first, end)
        return int((low - slope * d).max()), int((high - slope * d).min())

    def knots(self, most: int) -> list[int] | None:
        """First codes of the fewest pieces; None where they are more than `most`."""
        if (self.low > self.high).any():
            return None
        knots, reach = [0], self._reach(0)
        while reach < len(self.low):
            if len(knots) == most:
                return None
            knots.append(reach)
            reach = self._reach(reach)
        return knots

    def _reach(self, first: int) -> int:
        """The largest end of a piece that starts at first: steps that double, then halve."""
        good, bad, step = first + 1, len(self.low) + 1, 1
        while bad - good > 1:
            end = min(good + step, (good + bad) // 2 if bad <= len(self.low) else len(self.low))
            if self._has_line(first, end):
                good, step = end, 2 * step
            else:
                bad = end
        return good

    def _has_line(self, first: int, end: int) -> bool:
        bounds = self._bounds(first, end)
        return _smallest_slope(*bounds, -self.slope_limit, self.slope_limit) is not None

    def _bounds(self, first: int, end: int) -> tuple[Int64, Int64, Int64]:
        """Distance from first, low and high at the codes of first..end - 1 that matter."""
        i, j = np.searchsorted(self.turns, (first + 1, end - 1))
        codes = np.concatenate(([first], self.turns[i:j], [end - 1]))
        return codes - first, self.low[codes], self.high[codes]


def _smallest_slope(d: Int64, low: Int64, high: Int64, start: int, stop: int) -> int | None:
    """The smallest a in start..stop - 1 for which some b has ``low <= a d + b <= high``.

    Newton's steps on a concave, piecewise linear gap: a step skips only slopes that its two codes
    exclude, so the result is exact.
    """
    a = start
    while a < stop:
        floor, ceiling = low - a * d, high - a * d
        i, j = int(floor.argmax()), int(ceiling.argmin())
        missing = int(floor[i] - ceiling[j])
        if missing <= 0:
            return a
        run = int(d[i] - d[j])
        if run <= 0:
            return None
        a -= -missing // run
    return None
