"""What is fixed before quantization-aware training: parameters of tensors, activation tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from golden.activation import LutSpec, PwlSpec, tabulate
from irnn_hw.quant.params import Float64, QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, OUTPUT_RANGES, fit, ideal_table

GATES = ("i", "f", "j", "o")
# Activation outputs: (function, input tensor).
ACTIVATIONS = {
    "i": ("sigmoid", "i.pre"),
    "f": ("sigmoid", "f.pre"),
    "j": ("tanh", "j.pre"),
    "o": ("sigmoid", "o.pre"),
    "c.tanh": ("tanh", "c.next"),
}
# Tensors whose ranges are gathered; every other one follows from them, its function or its weights.
OBSERVED = ("px", "ph", *(f"{g}.pre" for g in GATES), "fc", "ij", "c.next", "h.next")


@dataclass(frozen=True)
class Activation:
    """An activation as the forward pass takes it: a table, and its slope at every code.

    spec: what is exported, a PWL or the table itself. slopes: output codes an input code, 0 where
    the output is clamped.
    """

    spec: PwlSpec | LutSpec
    table: LutSpec
    slopes: Float64


@dataclass(frozen=True)
class Frozen:
    """Parameters of every 8-bit tensor but `x` (its table sets them), and the activations."""

    params: Mapping[str, QuantParams]
    activations: Mapping[str, Activation]


def freeze(ranges: Mapping[str, tuple[float, float]], pieces: int | None) -> Frozen:
    """Parameters from the ranges of OBSERVED; activations as PWL of `pieces`, or None: as tables.

    Raises InputError for a range that is empty or not finite.
    """
    params = {name: QuantParams.from_range(*ranges[name]) for name in OBSERVED}
    for output, (function, _) in ACTIVATIONS.items():
        params[output] = QuantParams.from_range(*OUTPUT_RANGES[function])
    params |= {"h": params["h.next"], "c": params["c.next"]}
    activations = {
        output: _activation(function, params[source], params[output], pieces)
        for output, (function, source) in ACTIVATIONS.items()
    }
    return Frozen(params, activations)


def _activation(function: str, x: QuantParams, y: QuantParams, pieces: int | None) -> Activation:
    f = FUNCTIONS[function]
    if pieces is None:
        spec = ideal_table(f, x, y)
        reals = np.asarray(f(x.dequantize(np.arange(x.high + 1))), np.float64)
        return Activation(spec, spec, np.gradient(reals / y.scale))
    pwl = fit(f, x, y, pieces)
    return Activation(pwl, tabulate(pwl), pwl_slopes(pwl))


def pwl_slopes(spec: PwlSpec) -> Float64:
    """The slope of its piece at every input code, 0 where the output is clamped."""
    codes = np.arange(1 << spec.in_bits)
    piece = np.searchsorted(spec.knots, codes, side="right") - 1
    knots, slopes, intercepts = (np.array(c) for c in (spec.knots, spec.slopes, spec.intercepts))
    value = (slopes[piece] * (codes - knots[piece]) + intercepts[piece]) * 2.0**-spec.shift
    unclamped = np.sign(value) * np.floor(np.abs(value) + 0.5) + spec.out_zero_point
    inside = (unclamped >= 0) & (unclamped < 1 << spec.out_bits)
    return np.asarray(slopes[piece] * 2.0**-spec.shift * inside, np.float64)
