"""Fitting a PWL by a method's name, and what it is off by."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from golden.activation import PwlSpec, tabulate
from golden.errors import InputError
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import (
    FUNCTIONS,
    INTERCEPT_BITS,
    OUTPUT_RANGES,
    SLOPE_BITS,
    Function,
    fit,
    ideal_table,
)
from irnn_hw.quant.pwl_optimal import fit_optimal

METHODS: dict[str, Callable[..., PwlSpec]] = {"greedy": fit, "optimal": fit_optimal}


def output_range(function: str, x: QuantParams) -> tuple[float, float]:
    """The range of a function's outputs: that of OUTPUT_RANGES, else the one over x's codes."""
    if function in OUTPUT_RANGES:
        return OUTPUT_RANGES[function]
    with np.errstate(over="ignore"):  # an infinite range is refused where it becomes a scale
        values = np.asarray(FUNCTIONS[function](x.dequantize(np.arange(x.high + 1))))
    return float(values.min()), float(values.max())


@dataclass(frozen=True, slots=True)
class PwlError:
    """Distance in LSB of the output code from `ideal_table`, over every input code."""

    worst: int
    mean: float


def pwl_error(spec: PwlSpec, f: Function, x: QuantParams, y: QuantParams) -> PwlError:
    """Evaluates every code on the golden datapath."""
    distance = np.abs(np.subtract(tabulate(spec).table, ideal_table(f, x, y).table))
    return PwlError(int(distance.max()), float(distance.mean()))


def fit_by(
    method: str,
    f: Function,
    x: QuantParams,
    y: QuantParams,
    pieces: int,
    slope_bits: int = SLOPE_BITS,
    intercept_bits: int = INTERCEPT_BITS,
) -> PwlSpec:
    """The integer PWL of f of at most `pieces` pieces, by a name of METHODS."""
    return _method(method)(f, x, y, pieces, slope_bits, intercept_bits)


def fewest_pieces(
    method: str, f: Function, x: QuantParams, y: QuantParams, max_lsb: int
) -> PwlSpec:
    """The integer PWL of the fewest pieces that is nowhere more than max_lsb off.

    Algorithm 1 is tried at 1, 2, 4, ... pieces and then by bisection; where more pieces make it
    worse for a while, fewer than those found may do. Raises InputError where no number does.
    """
    if _method(method) is fit_optimal:
        return fit_optimal(f, x, y, max_lsb=max_lsb)
    if not 0 <= max_lsb <= y.high:
        raise InputError(f"max_lsb: {max_lsb} is not in 0..{y.high}; choose a bound in it")

    def reached(pieces: int) -> PwlSpec | None:
        spec = fit(f, x, y, pieces)
        return spec if pwl_error(spec, f, x, y).worst <= max_lsb else None

    low, high = 0, 1
    while (best := reached(high)) is None:
        if high == x.high:
            raise InputError(f"max_lsb: no number of pieces reaches {max_lsb}; allow more")
        low, high = high, min(2 * high, x.high)
    while high - low > 1:
        middle = (low + high) // 2
        found = reached(middle)
        low, high, best = (middle, high, best) if found is None else (low, middle, found)
    return best


def _method(name: str) -> Callable[..., PwlSpec]:
    if name not in METHODS:
        raise InputError(f"method: {name!r} is unknown; choose one of {', '.join(METHODS)}")
    return METHODS[name]
