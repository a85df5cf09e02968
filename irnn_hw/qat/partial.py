"""A network of which only a part is on codes, to measure what each part of quantization costs.

It computes with real numbers, some of which are rounded to the codes that they would have as
integers. So it is no integer network: no golden model is equal to it, and none is exported of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from golden.activation import LutSpec, PwlSpec
from irnn_hw.engine.quantizer import coded
from irnn_hw.qat.compiled import Tapes
from irnn_hw.qat.config import ALL
from irnn_hw.qat.constants import INTEGERS, tied
from irnn_hw.qat.integer import Integer, integer
from irnn_hw.qat.masters import Masters, current
from irnn_hw.qat.real import Reals
from irnn_hw.quant.compound import Attend, MadNorm
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import (
    Add,
    Affine,
    Concatenate,
    Input,
    Minimum,
    Multiply,
    Node,
    OneMinus,
    Product,
)
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.quantize import Choices, Params, Quantized, Ranges, parameters, quantize

PRODUCTS = (Product, Attend)  # of attention, scores and contexts
ELEMENTS = (Input, Affine, Add, Multiply, Minimum, OneMinus, Concatenate, MadNorm)
# The nodes whose tensors are rounded, beside the weights, of which an embedding's table is one.
ROUNDED: dict[str, tuple[type[Node], ...]] = {
    "weights": (),
    "products": PRODUCTS,
    "elements": PRODUCTS + ELEMENTS,
}


class _Rounded(Function):
    """The gradient is 1, and 0 where the value was clamped."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, params: QuantParams) -> Tensor:
        # Whole halves first: their rounding to wholes, half away from zero, is then exact.
        codes = x.to(torch.float64, copy=True).div_(params.scale / 2).trunc_()
        codes.add_(codes.sign()).div_(2).trunc_()
        low, high = params.low - params.zero_point, params.high - params.zero_point
        clamped = codes.clamp(low, high)
        ctx.inside = (clamped == codes).to(x.dtype)
        return clamped.mul_(params.scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad * ctx.inside, None


@dataclass(frozen=True)
class Codes:
    """Rounds to the real numbers of codes, those of `QuantParams.quantize` to the bit."""

    params: QuantParams

    @property
    def unit(self) -> float:
        return self.params.scale

    def __call__(self, x: Tensor) -> Tensor:
        rounded: Tensor = _Rounded.apply(x, self.params)
        return rounded


def rounding(network: Network, params: Params, stage: str) -> dict[str, Codes]:
    """What rounds each tensor that a stage has on codes; 32-bit outputs never are."""
    found = dict[str, Codes]()
    for node in network.nodes:
        for t in node.tensors:
            kind = node if type(t) is Node else t  # which is computed on the way
            if t.name in params and isinstance(kind, ROUNDED[stage]):
                found[t.name] = Codes(params[t.name])
    return found


@dataclass(frozen=True)
class _Weights:
    """The real numbers of the codes of masters, by node and field; as `Masters` has them."""

    template: Network
    dtype: torch.dtype
    fields: Mapping[str, Mapping[str, Tensor]]

    @classmethod
    def of_codes(cls, masters: Masters, network: Network, taken: Quantized) -> "_Weights":
        """network: that of the masters as they were quantized."""
        codes = tied(taken, masters, network)
        fields = {
            node.name: {
                field: _reals(codes, f"{node.name}.{INTEGERS.get(field, field)}", taken, p)
                for field, p in masters.of(node).items()
            }
            for node in network.nodes
        }
        return cls(masters.template, masters.dtype, fields)

    def of(self, node: Node) -> Mapping[str, Tensor]:
        return self.fields.get(node.name, {})


def _reals(codes: Mapping[str, Tensor], key: str, taken: Quantized, master: Tensor) -> Tensor:
    """Of the centred codes of a master, in its shape and dtype."""
    name, _, field = key.rpartition(".")
    unit = taken.scales[key if field in ("bias", "gamma", "beta") else name]
    scale = torch.as_tensor(unit, dtype=master.dtype)
    if scale.dim() and master.dim() == 2:
        scale = scale[:, None]
    return (codes[key].to(master.dtype) * scale).view_as(master)


def partial(
    masters: Masters,
    ranges: Ranges,
    stage: str,
    choices: Choices | None = None,
    keep: Iterable[str] | None = (),
    dropping: bool = False,
    activations: Mapping[str, PwlSpec | LutSpec] | None = None,
    tapes: Tapes | None = None,
) -> Reals:
    """The network of the masters with the part on codes that a stage of `ROUNDED` names, with the
    scales and zero points of its integers; gradients are straight-through.

    The parameters are those of `irnn_hw.qat.integer.integer`, and so are errors. Activations stay
    real numbers, so the pieces of choices decide nothing. tapes: the recurrence is in C++ where
    none of its tensors is rounded, that of `weights`.
    """
    coder = None if tapes is None else coded
    choices = replace(choices or Choices(), pieces={"": None}, coder=coder)
    network = current(masters)
    params = parameters(network, ranges, dropout=dropping)
    taken = quantize(network, params, choices, None, activations)
    weights = cast(Masters, _Weights.of_codes(masters, network, taken))
    return Reals(weights, tapes, keep, dropping, rounding(network, params, stage))


def quantized(
    masters: Masters,
    ranges: Ranges,
    stage: str,
    choices: Choices,
    dropping: bool = False,
    tapes: Tapes | None = None,
) -> Reals | Integer:
    """The network on its integers, or, with a stage before that, on codes in part."""
    if stage == ALL:
        return integer(masters, ranges, choices, dropping=dropping, tapes=tapes)
    return partial(masters, ranges, stage, choices, dropping=dropping, tapes=tapes)
