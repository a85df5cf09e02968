"""PWL of the smallest worst error on the integer datapath: knots, slopes, intercepts and shift.

A result at most e LSB off is, at each code, a value before the shift between two integers: the
search is for lines in a `Corridor`, in integers throughout.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from golden.activation import PwlSpec
from golden.errors import InputError
from golden.fixed import round_shift, saturate
from irnn_hw.quant.corridor import Corridor
from irnn_hw.quant.params import Float64, Int64, QuantParams
from irnn_hw.quant.pwl import INTERCEPT_BITS, SLOPE_BITS, Function, greedy, ideal_table

LINES = 7  # slopes, and intercepts of each, that are tried for a piece to lower the mean error
SAMPLES = 256  # codes of a piece, evenly apart, at which the mean error is taken
CANDIDATES = 128  # most pieces of a finer table whose knots are tried


@dataclass(frozen=True, slots=True)
class Line:
    """One piece: first code, slope and intercept before the shift, weighted sum of its errors."""

    knot: int
    slope: int
    intercept: int
    error: float


@dataclass(frozen=True, slots=True)
class Problem:
    """Results to approach (codes), and the weight of each code; 0: any result will do."""

    targets: Int64
    weights: Float64
    zero_point: int
    out_bits: int
    slope_bits: int
    intercept_bits: int

    def corridor(self, tolerance: int, shift: int, more_bits: int = 0) -> Corridor:
        """Results at most `tolerance` LSB off, all values fitting the intercept's width.

        more_bits: slopes and intercepts wider by these.
        """
        limit = 1 << (self.intercept_bits - 1 + more_bits)
        least = self.targets - tolerance - self.zero_point
        most = self.targets + tolerance - self.zero_point
        half = (1 << shift) >> 1
        # A tie rounds away from zero: up to a positive result, down to a negative one.
        low = (least << shift) - half + ((least <= 0) & (shift > 0))
        high = (most << shift) + half - ((most >= 0) & (shift > 0))
        free = self.weights == 0
        low[free | (self.targets <= tolerance)] = -limit  # the clamp may raise it
        high[free | (self.targets >= (1 << self.out_bits) - 1 - tolerance)] = limit - 1
        low, high = np.maximum(low, -limit), np.minimum(high, limit - 1)
        return Corridor.between(low, high, 1 << (self.slope_bits - 1 + more_bits))

    def relaxed(self, tolerance: int) -> Corridor:
        """Contains every table of every shift: its pieces are a lower bound of theirs.

        Constants of shift f are constants of the largest shift, 2^(largest - f) times wider. Past
        the largest, a value that fits the intercept's width rounds to 0: nothing is lost.
        """
        return self.corridor(tolerance, self.intercept_bits - 1, self.intercept_bits - 1)

    def shift(self, tolerance: int, most: int) -> int | None:
        """The largest shift at which `most` pieces reach the tolerance; None: no shift."""
        for shift in range(self.intercept_bits - 1, -1, -1):
            if self.corridor(tolerance, shift).knots(most) is not None:
                return shift
        return None

    def line(self, corridor: Corridor, shift: int, first: int, end: int) -> Line | None:
        """The line of least weighted error over codes first..end - 1, of LINES x LINES inside."""
        slopes = corridor.slopes(first, end)
        if slopes is None:
            return None
        pairs = [
            (a, b) for a in _spread(*slopes) for b in _spread(*corridor.intercepts(first, end, a))
        ]
        a, b = np.array(pairs, np.int64).T
        codes = np.arange(first, end, 1 + (end - first) // SAMPLES)
        weights = np.add.reduceat(self.weights[first:end], codes - first)
        values = a[:, None] * (codes - first) + b[:, None]
        results = saturate(round_shift(values, shift) + self.zero_point, self.out_bits)
        errors = np.abs(results - self.targets[codes]) @ weights
        best = int(errors.argmin())
        return Line(first, int(a[best]), int(b[best]), float(errors[best]))

    def starts(
        self, tolerance: int, shift: int, most: int, others: Iterable[int] = ()
    ) -> list[int]:
        """Candidates for knots: those of the fewest pieces, of finer tables, from either end, and
        the others."""
        found = {0, *others, *(self.corridor(tolerance, shift).knots(most) or ())}
        limit, codes = most, len(self.targets)
        while True:
            corridor = self.corridor(tolerance, shift)
            backward = corridor.reversed().knots(limit) or ()
            found |= {*(corridor.knots(limit) or ()), *(codes - k for k in backward if k)}
            if tolerance == 0:
                return sorted(found)
            tolerance, limit = tolerance // 2, max(most, CANDIDATES)

    def lines(
        self, tolerance: int, shift: int, most: int, others: Iterable[int] = ()
    ) -> tuple[Line, ...]:
        """Dynamic programming over the candidates: at most `most` pieces of least mean error."""
        corridor = self.corridor(tolerance, shift)
        starts = self.starts(tolerance, shift, most, others)
        bounds = [*starts, len(self.targets)]
        # best[i][n]: error and lines of n pieces up to bounds[i]
        best: list[dict[int, tuple[float, tuple[Line, ...]]]] = [{} for _ in bounds]
        best[0][0] = (0.0, ())
        for i, first in enumerate(starts):
            for j in range(i + 1, len(bounds)):
                line = self.line(corridor, shift, first, bounds[j]) if best[i] else None
                if line is None:
                    break  # no longer piece has one either
                for n, (error, lines) in best[i].items():
                    error += line.error
                    if n < most and (n + 1 not in best[j] or error < best[j][n + 1][0]):
                        best[j][n + 1] = (error, (*lines, line))
        _, fewest = min((error, n) for n, (error, _) in best[-1].items())
        return best[-1][fewest][1]


def fit_optimal(
    f: Function,
    x: QuantParams,
    y: QuantParams,
    pieces: int | None = None,
    slope_bits: int = SLOPE_BITS,
    intercept_bits: int = INTERCEPT_BITS,
    *,
    max_lsb: int | None = None,
    weights: ArrayLike | None = None,
) -> PwlSpec:
    """The integer PWL of f from codes of x to codes of y, its error measured on `ideal_table`.

    pieces: at most so many, with the smallest worst error in LSB; max_lsb: at most that error,
    with the fewest pieces; both: within both. What freedom remains lowers the mean error.
    weights (codes), such as a histogram of inputs: of the mean error; a code of weight 0 is not
    held to the worst one. Raises InputError where nothing reaches what is asked.
    """
    _check(x, y, pieces, max_lsb)
    problem = _problem(f, x, y, slope_bits, intercept_bits, weights)
    codes = x.high + 1
    bound = _least_error(problem, pieces, y.high) if max_lsb is None else max_lsb
    fewest = len(problem.relaxed(bound).knots(codes) or ())
    fewest = _first(lambda n: problem.shift(bound, n) is not None, fewest, pieces or codes)
    shift = problem.shift(bound, fewest)
    if shift is None or fewest > (pieces or codes):
        raise InputError(f"pieces: {pieces} do not reach {bound} LSB; allow more of either")
    others = greedy(f, x, min(pieces or fewest, CANDIDATES)).knots[:-1]
    lines = problem.lines(bound, shift, pieces or fewest, others)
    knots, slopes, intercepts = zip(*((n.knot, n.slope, n.intercept) for n in lines), strict=True)
    return PwlSpec(knots, slopes, intercepts, shift, y.zero_point, x.bits, y.bits)


def _check(x: QuantParams, y: QuantParams, pieces: int | None, max_lsb: int | None) -> None:
    if pieces is None and max_lsb is None:
        raise InputError("pieces: neither pieces nor max_lsb is given; give one of them")
    if pieces is not None and not 1 <= pieces <= x.high:
        raise InputError(f"pieces: {pieces} is not in 1..{x.high}; choose fewer pieces")
    if max_lsb is not None and not 0 <= max_lsb <= y.high:
        raise InputError(f"max_lsb: {max_lsb} is not in 0..{y.high}; choose a bound in it")


def _least_error(problem: Problem, pieces: int | None, largest: int) -> int:
    """The smallest worst error of `pieces` pieces, at whatever shift."""
    most = pieces or 1
    least = _first(lambda e: problem.relaxed(e).knots(most) is not None, 0, largest)
    return _first(lambda e: problem.shift(e, most) is not None, least, largest)


def _problem(
    f: Function,
    x: QuantParams,
    y: QuantParams,
    slope_bits: int,
    intercept_bits: int,
    weights: ArrayLike | None,
) -> Problem:
    """Raises InputError for constants that int64 or the output cannot bear, or bad weights."""
    widest = 62 - x.bits - slope_bits
    if slope_bits < 1 or not y.bits < intercept_bits <= min(31, widest):
        raise InputError(
            f"PWL: {slope_bits}-bit slopes and {intercept_bits}-bit intercepts; intercepts take "
            f"{y.bits + 1} to 31 bits, both of them and the input at most 62"
        )
    codes = x.high + 1
    counts = np.ones(codes) if weights is None else np.asarray(weights, np.float64)
    if counts.shape != (codes,) or not (np.isfinite(counts) & (counts >= 0)).all():
        raise InputError(f"weights: not {codes} numbers from 0 on; give one for each input code")
    targets = np.array(ideal_table(f, x, y).table, np.int64)
    return Problem(targets, counts, y.zero_point, y.bits, slope_bits, intercept_bits)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The smallest n of low..high that holds, given that all larger ones do; low is likely."""
    if holds(low):
        return low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _spread(low: int, high: int) -> list[int]:
    """At most LINES integers of low..high, evenly apart, as far from the ends as each other."""
    count = min(LINES, high - low + 1)
    return [low + (high - low) * (2 * n + 1) // (2 * count) for n in range(count)]
