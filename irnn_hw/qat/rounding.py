"""Rounding and clamping of exact integers in torch, with straight-through gradients.

Codes are carried centred, q - Z, as exact integers in float32. Products with multipliers are in
float64 where they are sure to stay below 2^52, and in int64 where not. A gradient is that of the
integer formula with rounding as the identity, and 0 where the value was clamped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from golden.fixed import FixedPoint

Factor = float | Tensor
Term = tuple[Tensor, *tuple[Factor, ...]]  # an operand, and the factors of its derivative


@dataclass(frozen=True)
class Limits:
    """Of centred codes, and one past each of them: numbers, or one a column, as float32 and, those
    past them, float64."""

    low: float | Tensor
    high: float | Tensor
    below: float | Tensor
    above: float | Tensor

    @classmethod
    def of(cls, zero_point: int, bits: int) -> "Limits":
        low, high = -zero_point, (1 << bits) - 1 - zero_point
        return cls(low, high, low - 1, high + 1)

    @classmethod
    def columns(cls, zero_points: Sequence[int], bits: int, columns: int) -> "Limits":
        """`columns` columns of each zero point, one after another."""
        low = torch.tensor(zero_points, dtype=torch.float64).neg().repeat_interleave(columns)
        high = low + ((1 << bits) - 1)
        return cls(low.float(), high.float(), low - 1, high + 1)


class _Rounded(Function):
    @staticmethod
    def forward(
        ctx: Any,
        codes: Tensor,
        inside: Tensor,
        unit: float,
        factors: Sequence[Sequence[Factor]],
        *xs: Tensor,
    ) -> Tensor:
        ctx.inside, ctx.unit, ctx.factors = inside, unit, factors
        ctx.operands = [(x.shape, x.dtype) for x in xs]
        return codes

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        passed, grads = grad * ctx.inside, []
        if ctx.unit != 1:
            passed = passed * ctx.unit
        needed = ctx.needs_input_grad[4:]
        for need, factors, (shape, dtype) in zip(needed, ctx.factors, ctx.operands, strict=True):
            if not need:
                grads.append(None)
                continue
            part = passed
            for factor in factors:
                part = part * factor
            if part.shape != shape:
                part = part.sum_to_size(shape)
            grads.append(part if part.dtype == dtype else part.to(dtype))
        return None, None, None, None, *grads


def scaled(x: Tensor, mantissa: Factor, real: Factor, narrow: bool) -> Tensor:
    """x mantissa, int64; narrow: x real, float64, exact as |x mantissa| < 2^52.

    mantissa: integers; real: they times 2^-shift, float64.
    """
    return x.double() * real if narrow else x.long() * mantissa


def rounded(
    value: Tensor,
    shift: int | Tensor,
    limits: Limits,
    *terms: Term,
    unit: float = 1.0,
) -> Tensor:
    """Centred codes of what `scaled` gives, or of sums of it (overwritten), rounded and clamped.

    The gradient, times unit, goes to the operands of the terms. In float64,
    sign(v) floor(|v| + 1/2) = trunc(v + sign(v) / 2), and the conversion to int32 truncates: after
    a clamp to one code past each end, to see what was clamped.
    """
    if value.dtype == torch.int64:
        value = round_shift(value, shift)
    else:
        value = value.add_(value.sign(), alpha=0.5)
    value = value.clamp(limits.below, limits.above).int().float()
    codes = value.clamp(limits.low, limits.high)
    operands = [term[0] for term in terms]
    factors = [[f.detach() if isinstance(f, Tensor) else f for f in term[1:]] for term in terms]
    return _Rounded.apply(codes, (codes == value).float(), unit, factors, *operands)


def round_shift(p: Tensor, shift: int | Tensor) -> Tensor:
    """round(p / 2^shift), half away from zero, of int64 p, |p| < 2^62 (golden.fixed.round_shift).

    ``(p + half - (p < 0)) >> shift``, and p itself where nothing is shifted out.
    """
    if isinstance(shift, int):
        return p if shift == 0 else ((p >> 63) + p + (1 << (shift - 1))) >> shift
    half = (torch.ones_like(shift) << shift) >> 1
    negative = p >> 63 if half.all() else (p >> 63) * (half > 0)
    return (negative + p + half) >> shift


def divide_round(n: Tensor, shift: int, d: Tensor) -> Tensor:
    """round(n / (2^shift d)), half away from zero, of int64, d >= 1 (golden.fixed.divide_round)."""
    quotient = ((n.abs() + ((d << shift) >> 1)) >> shift) // d
    return torch.where(n < 0, -quotient, quotient)


def value_of(m: FixedPoint) -> float:
    """The real number of a multiplier."""
    return m.mantissa * 2.0**-m.shift
