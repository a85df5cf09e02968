"""Constants of an IntModel as tensors: integers that hold no gradient, or are tied to masters."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function

from golden.activation import PwlSpec, pwl
from golden.model import IntModel
from golden.model_check import Tensors
from golden.operations import Affine, Attend, Embedding, LookUp, MatVec, Operation
from irnn_hw.qat.masters import Weighted
from irnn_hw.qat.ranges import Range
from irnn_hw.qat.twins import Table
from irnn_hw.quant import nodes
from irnn_hw.quant.network import Network
from irnn_hw.quant.params import Float32, Float64, QuantParams
from irnn_hw.quant.pwl import FUNCTIONS
from irnn_hw.quant.quantize import Quantized

# Of a master's field, where its integers are under another name than the node's.
INTEGERS = {"v": "score.weights"}


class _Quantize(Function):
    @staticmethod
    def forward(ctx: Any, master: Tensor, codes: Tensor, scale: Any, inside: Any) -> Tensor:
        ctx.scale, ctx.inside, ctx.dtype = scale, inside, master.dtype
        return codes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        passed = grad if ctx.inside is None else grad * ctx.inside
        return (passed / ctx.scale).to(ctx.dtype), None, None, None


def quantize(
    master: Tensor, codes: Tensor, scale: float | Tensor, inside: Tensor | None = None
) -> Tensor:
    """The centred codes of a master weight, which passes their gradient on as that of reals.

    scale: of all, or broadcast against it. inside: where the gradient passes; None: everywhere, as
    a weight's range follows it.
    """
    return _Quantize.apply(master, codes, scale, inside)


def constants_of(
    model: IntModel, centred: Mapping[str, Float32] | None = None
) -> dict[str, Tensor]:
    """Every array by `operation.field`: weights and tables centred, float32; biases, float64.

    centred: those that are made already.
    """
    made, found = centred or {}, dict[str, Tensor]()
    for op in model.operations:
        for part in (op, op.score) if isinstance(op, Attend) else (op,):
            for field, array, zero_point in _arrays(part, model):
                name = f"{part.output}.{field}"
                if zero_point is None:
                    taken = array.astype(np.float64)
                elif name in made:
                    taken = made[name]
                else:
                    taken = array.astype(np.float32) - zero_point
                found[name] = torch.as_tensor(taken)
    return found


def _arrays(op: Operation, model: IntModel) -> Sequence[tuple[str, NDArray[Any], int | None]]:
    """Field, array, and zero point; None: of a bias."""
    match op:
        case Embedding():
            return [("table", op.table, model.tensors[op.output].zero_point)]
        case MatVec():
            return [("weights", op.weights, op.weight_zero_point), ("bias", op.bias, None)]
        case Affine():
            return [("gamma", op.gamma, 0), ("beta", op.beta, None)]
    return []


def tied(taken: Quantized, masters: Weighted, network: Network) -> dict[str, Tensor]:
    """The constants of a quantized network, whose gradients go to the masters it was made of.

    network: that of the masters as they were.
    """
    found = constants_of(taken.model, taken.centred)
    for node in network.nodes:
        for field, parameter in masters.of(node).items():
            key = f"{node.name}.{INTEGERS.get(field, field)}"
            name, _, last = key.rpartition(".")
            unit = taken.scales[key if last in ("bias", "gamma", "beta") else name]
            scale = torch.as_tensor(unit, dtype=torch.float64)
            master = parameter[None] if field == "v" else parameter
            if scale.dim() and master.dim() == 2:
                scale = scale[:, None]
            inside = None
            if isinstance(node, nodes.Embedding):
                inside = _within(parameter, node.ends, taken.params[name])
            found[key] = quantize(master, found[key], scale.to(found[key].dtype), inside)
    return found


def _within(table: Tensor, ends: Range, params: QuantParams) -> Tensor | None:
    """Where a table is not clamped by a range that is not its own; None: everywhere. With its own,
    the rounding of the zero point alone puts a code one beyond the ends."""
    low, high = (params.scale * (q - params.zero_point) for q in (-1.5, params.high + 1.5))
    if low < ends[0] and ends[1] < high:
        return None
    reals = table.detach()
    return (reals > low) & (reals < high)


def pwl_table(spec: PwlSpec, zero_point: int) -> Table:
    """A PWL at every code of its input, whose zero point this is."""
    return Table(*map(torch.as_tensor, _pwl(spec)), zero_point)


@lru_cache(maxsize=256)
def _pwl(spec: PwlSpec) -> tuple[Float32, Float32]:
    codes = np.arange(1 << spec.in_bits)
    piece = np.searchsorted(spec.knots, codes, side="right") - 1
    knots, slopes, intercepts = (np.array(c) for c in (spec.knots, spec.slopes, spec.intercepts))
    value = np.ldexp(slopes[piece] * (codes - knots[piece]) + intercepts[piece], -spec.shift)
    unclamped = np.sign(value) * np.floor(np.abs(value) + 0.5) + spec.out_zero_point
    inside = (unclamped >= 0) & (unclamped < 1 << spec.out_bits)
    centred = pwl(spec, codes) - spec.out_zero_point
    real = np.ldexp(slopes[piece], -spec.shift) * inside
    return centred.astype(np.float32), real.astype(np.float32)


def lookup_table(op: LookUp, tensors: Tensors, slopes: Float32 | None) -> Table:
    """A look-up table. slopes: of its function; None: differences of its codes."""
    source, out = tensors[op.inputs[0]], tensors[op.output]
    centred = op.table.astype(np.float32) - out.zero_point
    if slopes is None:
        slopes = np.gradient(centred)
    return Table(torch.as_tensor(centred), torch.as_tensor(slopes), source.zero_point)


@lru_cache(maxsize=256)
def function_slopes(function: str, x: QuantParams, y: QuantParams) -> Float32:
    """The slope of a function at every code of x, in codes of y."""
    reals: Float64 = np.asarray(FUNCTIONS[function](x.dequantize(np.arange(x.high + 1))))
    return np.gradient(reals / y.scale).astype(np.float32)
