"""The golden integer operations in torch, with straight-through gradients.

Codes are carried centred, q - Z, as exact integers in float32; products with multipliers are exact
in float64, since every |value * mantissa| stays below 2^52. `low` and `high` are the centred limits
of the output, -Z and 2^b - 1 - Z: numbers, or one a column. A gradient is that of the integer
formula with rounding as the identity, and 0 where the value was clamped.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

Limit = float | Tensor


def _round_half_away(v: Tensor) -> Tensor:
    """sign(v) * floor(|v| + 1/2), in place: trunc(v + sign(v) / 2)."""
    return v.add_(torch.copysign(v.new_tensor(0.5), v)).trunc_()


def _saturate(v: Tensor, low: Limit, high: Limit) -> tuple[Tensor, Tensor]:
    """v rounded and clamped, as float32, and where the clamp changed nothing."""
    rounded = _round_half_away(v)
    codes = torch.clamp(rounded, low, high)
    return codes.float(), codes == rounded


class _Requantize(Function):
    @staticmethod
    def forward(ctx: Any, acc: Tensor, multiplier: float, low: Limit, high: Limit) -> Tensor:
        codes, inside = _saturate(acc.double() * multiplier, low, high)
        ctx.multiplier = multiplier
        ctx.save_for_backward(inside)
        return codes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (inside,) = ctx.saved_tensors
        return grad * inside * ctx.multiplier, None, None, None


class _Multiply(Function):
    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, multiplier: float, low: Limit, high: Limit
    ) -> Tensor:
        codes, inside = _saturate((a * b).double().mul_(multiplier), low, high)
        ctx.multiplier = multiplier
        ctx.save_for_backward(a, b, inside)
        return codes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        a, b, inside = ctx.saved_tensors
        scaled = grad * inside * ctx.multiplier
        return scaled * b, scaled * a, None, None, None


class _Add(Function):
    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, m_a: Tensor, m_b: Tensor, low: Limit, high: Limit
    ) -> Tensor:
        codes, inside = _saturate((a * m_a).addcmul_(b.double(), m_b), low, high)
        ctx.save_for_backward(m_a, m_b, inside)
        return codes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        m_a, m_b, inside = ctx.saved_tensors
        passed = grad * inside
        return passed * m_a.float(), passed * m_b.float(), None, None, None, None


class _Table(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, first: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
        index = (x + first).int().reshape(-1)
        ctx.save_for_backward(index, slopes)
        return values.index_select(0, index).view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        index, slopes = ctx.saved_tensors
        return grad * slopes.index_select(0, index).view_as(grad), None, None, None


class _Quantize(Function):
    @staticmethod
    def forward(ctx: Any, master: Tensor, codes: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return codes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad / ctx.scale, None, None


def requantize(acc: Tensor, multiplier: float, low: Limit, high: Limit) -> Tensor:
    """Codes of accumulators acc, any shape, |acc| < 2^36 (golden.fixed.requantize)."""
    return _Requantize.apply(acc, multiplier, low, high)


def multiply(a: Tensor, b: Tensor, multiplier: float, low: Limit, high: Limit) -> Tensor:
    """Codes of a * b, 8-bit operands of one shape (golden.elementwise.multiply)."""
    return _Multiply.apply(a, b, multiplier, low, high)


def add(a: Tensor, b: Tensor, m_a: Tensor, m_b: Tensor, low: Limit, high: Limit) -> Tensor:
    """Codes of a + b with float64 multipliers of one shift (golden.elementwise.add)."""
    return _Add.apply(a, b, m_a, m_b, low, high)


def table(x: Tensor, first: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
    """values[x + first]: an activation, tabulated; first: index of centred code 0, one a column.

    The gradient is slopes[x + first], output codes an input code.
    """
    return _Table.apply(x, first, values, slopes)


def quantize(master: Tensor, codes: Tensor, scale: float) -> Tensor:
    """The centred codes of a master weight, which passes their gradient on as that of reals.

    No gradient is cut at the ends: a weight's range follows it.
    """
    return _Quantize.apply(master, codes, scale)
