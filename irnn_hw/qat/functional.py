"""The golden integer operations in torch, with straight-through gradients.

Codes are carried centred, q - Z, as exact integers in float32; products with multipliers are exact
in float64, since every |value * mantissa| stays below 2^52. A gradient is that of the integer
formula with rounding as the identity, and 0 where the value was clamped.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


@dataclass(frozen=True)
class Limits:
    """The centred limits of codes, -Z and 2^b - 1 - Z: one pair, or one a column, as float32.

    outer: one past each of them, as float64. Both limits hold 0 between them.
    """

    low: Tensor
    high: Tensor
    outer: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, low: Tensor, high: Tensor) -> "Limits":
        return cls(low.float(), high.float(), (low.double() - 1, high.double() + 1))


def _saturate(v: Tensor, limits: Limits) -> tuple[Tensor, Tensor]:
    """Codes of v (float64, overwritten), half away from zero; 1 where not clamped, else 0.

    sign(v) * floor(|v| + 1/2) = trunc(v + sign(v) / 2), and the conversion to int32 truncates. It
    comes after a clamp to one code past each limit: enough to see what was clamped, and no more
    than int32 holds.
    """
    v.add_(v.sign(), alpha=0.5)
    rounded = torch.clamp(v, *limits.outer).int().float()
    codes = torch.clamp(rounded, limits.low, limits.high)
    beyond = rounded.sub_(codes)  # -1, 0 or 1
    return codes, beyond.mul_(beyond).neg_().add_(1)


class _Requantize(Function):
    @staticmethod
    def forward(ctx: Any, acc: Tensor, multiplier: float, limits: Limits) -> Tensor:
        codes, inside = _saturate(acc.double() * multiplier, limits)
        ctx.multiplier = multiplier
        ctx.save_for_backward(inside)
        return codes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (inside,) = ctx.saved_tensors
        return grad * inside * ctx.multiplier, None, None


class _Multiply(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, multiplier: float, limits: Limits) -> Tensor:
        codes, inside = _saturate((a * b).double().mul_(multiplier), limits)
        ctx.multiplier = multiplier
        ctx.save_for_backward(a, b, inside)
        return codes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        a, b, inside = ctx.saved_tensors
        scaled = grad * inside * ctx.multiplier
        return scaled * b, scaled * a, None, None


class _Add(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, m_a: Tensor, m_b: Tensor, limits: Limits) -> Tensor:
        codes, inside = _saturate((a * m_a).addcmul_(b.double(), m_b), limits)
        ctx.save_for_backward(m_a, m_b, inside)
        return codes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        m_a, m_b, inside = ctx.saved_tensors
        passed = grad * inside
        return passed * m_a.float(), passed * m_b.float(), None, None, None


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


def requantize(acc: Tensor, multiplier: float, limits: Limits) -> Tensor:
    """Codes of accumulators acc, any shape, |acc| < 2^36 (golden.fixed.requantize)."""
    return _Requantize.apply(acc, multiplier, limits)


def multiply(a: Tensor, b: Tensor, multiplier: float, limits: Limits) -> Tensor:
    """Codes of a * b, 8-bit operands of one shape (golden.elementwise.multiply)."""
    return _Multiply.apply(a, b, multiplier, limits)


def add(a: Tensor, b: Tensor, m_a: Tensor, m_b: Tensor, limits: Limits) -> Tensor:
    """Codes of a + b with float64 multipliers of one shift (golden.elementwise.add)."""
    return _Add.apply(a, b, m_a, m_b, limits)


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
