"""The PWL activations of a model against the functions they stand for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.activation import PwlSpec, pwl
from golden.errors import InputError
from golden.model import IntModel
from golden.operations import Pwl
from irnn_hw.quant.pwl import FUNCTIONS

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ActivationCurve:
    """A PWL at each of its input codes, in real values; error in LSB of the output code."""

    tensor: str
    function: str
    pieces: int
    knots: tuple[int, ...]
    x: Float64
    true: Float64
    approximation: Float64
    error: Float64

    @property
    def worst(self) -> float:
        """Largest error in LSB."""
        return float(np.abs(self.error).max())

    @property
    def mean(self) -> float:
        """Mean magnitude of the error in LSB."""
        return float(np.abs(self.error).mean())


def activation_curves(model: IntModel) -> list[ActivationCurve]:
    """One for each PWL of the model, in its order.

    Of the model's metadata (`irnn_hw.quant.quantize.labels`). Raises InputError where they lack.
    """
    pairs = zip(model.operations, model.specs, strict=True)
    return [_curve(model, op, spec) for op, spec in pairs if isinstance(op, Pwl)]


def _curve(model: IntModel, op: Pwl, spec: PwlSpec) -> ActivationCurve:
    try:
        function, scales = model.metadata["functions"][op.output], model.metadata["scales"]
        f = FUNCTIONS[function]
        x_scale, y_scale = (
            mantissa * 2.0**-shift for mantissa, shift in (scales[op.inputs[0]], scales[op.output])
        )
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"model: metadata does not say what function {op.output} is ({error!r}); "
            "write it again with `irnn export`"
        ) from error
    codes = np.arange(1 << spec.in_bits)
    result, zero_point = pwl(spec, codes), spec.out_zero_point
    x = (codes - model.tensors[op.inputs[0]].zero_point) * x_scale
    true = np.asarray(f(x), np.float64)
    ideal = np.clip(true / y_scale + zero_point, 0, (1 << spec.out_bits) - 1)
    return ActivationCurve(
        op.output,
        function,
        spec.pieces,
        spec.knots,
        x,
        true,
        approximation=(result - zero_point) * y_scale,
        error=result - ideal,
    )
