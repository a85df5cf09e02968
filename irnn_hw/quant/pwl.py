"""Quantization-aware PWL: Algorithm 1 and its constants in fixed point (Eq. 23-24)."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from golden.activation import LutSpec, PwlSpec
from golden.errors import InputError
from golden.fixed import MAX_SHIFT
from irnn_hw.quant.multipliers import round_fraction
from irnn_hw.quant.params import Float64, QuantParams

Function = Callable[[Float64], Float64]

SLOPE_BITS = 18
INTERCEPT_BITS = 26


def _sigmoid(x: Float64) -> Float64:
    with np.errstate(over="ignore"):  # exp(-x) = inf gives the exact limit, 0
        return np.asarray(1 / (1 + np.exp(-x)))


def _gelu(x: Float64) -> Float64:
    return np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in x.ravel()]).reshape(x.shape)


FUNCTIONS: dict[str, Function] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "exp": np.exp,
    "gelu": _gelu,
    "relu": lambda x: np.maximum(x, 0.0),
    "cos": np.cos,
}
# Of functions that are bounded: their outputs need no range gathered.
OUTPUT_RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Pieces:
    """A PWL on real numbers: piece i starts at code knots[i] and ends at knots[i + 1].

    knots (N + 1), first 0, last the largest code; slopes (N) real; intercepts (N) f at the knots.
    """

    knots: tuple[int, ...]
    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]


def greedy(f: Function, x: QuantParams, pieces: int) -> Pieces:
    """Algorithm 1 in O(n log n): from every code as a knot down to `pieces` pieces.

    Each removal takes the inner knot whose two slopes differ least, the first one on a tie.
    """
    codes = x.high
    if not 1 <= pieces <= codes:
        raise InputError(f"pieces: {pieces} is not in 1..{codes}; choose fewer pieces")
    reals = x.dequantize(np.arange(codes + 1))
    values = np.asarray(f(reals), np.float64)
    if not np.isfinite(values).all():
        raise InputError("function: not finite on the input's range; narrow the range")
    knots = _surviving_knots(reals.tolist(), values.tolist(), codes - pieces)
    slopes = np.diff(values[knots]) / np.diff(reals[knots])
    return Pieces(tuple(knots), tuple(slopes.tolist()), tuple(values[knots[:-1]].tolist()))


def _surviving_knots(x: list[float], y: list[float], removals: int) -> list[int]:
    """Indices left after `removals` greedy steps over a doubly linked list and a heap."""
    last = len(x) - 1
    left, right = list(range(-1, last)), list(range(1, last + 2))

    def difference(k: int) -> float:
        a, b = left[k], right[k]
        return abs((y[k] - y[a]) / (x[k] - x[a]) - (y[b] - y[k]) / (x[b] - x[k]))

    current = [math.inf, *(difference(k) for k in range(1, last)), math.inf]
    heap = [(current[k], k) for k in range(1, last)]
    heapq.heapify(heap)
    alive = [True] * (last + 1)
    while removals:
        value, k = heapq.heappop(heap)
        if not alive[k] or value != current[k]:
            continue  # an entry that a neighbour's removal replaced
        alive[k], removals = False, removals - 1
        a, b = left[k], right[k]
        right[a], left[b] = b, a
        for n in (a, b):
            if 0 < n < last:
                current[n] = difference(n)
                heapq.heappush(heap, (current[n], n))
    return [k for k in range(last + 1) if alive[k]]


def fit(
    f: Function,
    x: QuantParams,
    y: QuantParams,
    pieces: int,
    slope_bits: int = SLOPE_BITS,
    intercept_bits: int = INTERCEPT_BITS,
) -> PwlSpec:
    """The integer PWL of f from codes of x to codes of y, knots by Algorithm 1."""
    return to_fixed(greedy(f, x, pieces), x, y, slope_bits, intercept_bits)


def to_fixed(
    pieces: Pieces,
    x: QuantParams,
    y: QuantParams,
    slope_bits: int = SLOPE_BITS,
    intercept_bits: int = INTERCEPT_BITS,
    shift: int | None = None,
) -> PwlSpec:
    """Constants of Eq. 24 at one shift: the largest for which every one fits its signed width.

    shift: that one instead. Raises InputError where a constant does not fit.
    """
    slopes = [Fraction(x.scale) * Fraction(a) / Fraction(y.scale) for a in pieces.slopes]
    intercepts = [Fraction(b) / Fraction(y.scale) for b in pieces.intercepts]
    for f in range(MAX_SHIFT, -1, -1) if shift is None else [shift]:
        a, b = (
            tuple(round_fraction(c * (1 << f)) for c in group) for group in (slopes, intercepts)
        )
        if _fit(a, slope_bits) and _fit(b, intercept_bits):
            return PwlSpec(pieces.knots[:-1], a, b, f, y.zero_point, x.bits, y.bits)
    raise InputError(
        f"PWL: constants need more than {slope_bits}-bit slopes, {intercept_bits}-bit intercepts; "
        "widen the output's range"
    )


def _fit(constants: tuple[int, ...], bits: int) -> bool:
    return all(-(1 << (bits - 1)) <= c < 1 << (bits - 1) for c in constants)


def ideal_table(f: Function, x: QuantParams, y: QuantParams) -> LutSpec:
    """The look-up table of f: ``quantize(f(dequantize(q)))`` of every code (Table 5)."""
    codes: NDArray[np.int64] = y.quantize(f(x.dequantize(np.arange(x.high + 1))))
    return LutSpec(tuple(codes.tolist()), x.bits, y.bits)
