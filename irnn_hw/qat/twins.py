"""The golden integer operations in torch, one twin each (`irnn_hw.qat.rounding` says how): here the
element-wise ones, tables and products; MadNorm and attention are in `irnn_hw.qat.twins_divided`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from golden.elementwise import AddSpec, AffineSpec, MultiplySpec
from golden.fixed import FixedPoint, Multiplier
from golden.linear import MatVecSpec
from irnn_hw.qat.linear import linear
from irnn_hw.qat.rounding import Factor, Limits, rounded, scaled, value_of


def requantize(acc: Tensor, m: Multiplier, zero_point: int, bits: int) -> Tensor:
    """Codes of 32-bit accumulators acc, in float32 or float64 (golden.fixed.requantize)."""
    if isinstance(m, FixedPoint):
        value = scaled(acc, m.mantissa, value_of(m), m.mantissa < 1 << 21)
        return rounded(value, m.shift, Limits.of(zero_point, bits), (acc, value_of(m)))
    mantissa, shift = torch.as_tensor(m.mantissa), torch.as_tensor(m.shift)
    real = torch.as_tensor(np.ldexp(m.mantissa.astype(np.float64), -m.shift))
    value = scaled(acc, mantissa, real, int(m.mantissa.max()) < 1 << 21)
    return rounded(value, shift, Limits.of(zero_point, bits), (acc, real.float()))


def multiply(spec: MultiplySpec, a: Tensor, b: Tensor, bits: int = 32) -> Tensor:
    """golden.elementwise.multiply. bits: of both operands together."""
    m, real = spec.multiplier, value_of(spec.multiplier)
    if m.mantissa < 1 << 20:  # and codes below 2^16: the product stays below 2^52
        product = (a * b).double() if bits <= 24 else a.double().mul_(b.double())
        value = product.mul_(real)
    else:
        value = a.long() * b.long() * m.mantissa
    return rounded(
        value, m.shift, Limits.of(spec.out_zero_point, spec.out_bits), (a, b), (b, a), unit=real
    )


@dataclass(frozen=True)
class AddColumns:
    """Several AddSpec side by side: mantissas 2^-shift of each column (columns,), float64, and as
    they are in derivatives, float32."""

    factors: tuple[Tensor, ...]
    slopes: tuple[Tensor, ...]
    limits: Limits

    @classmethod
    def of(cls, specs: Sequence[AddSpec], columns: int) -> "AddColumns":
        """Of narrow specs with as many terms and output bits, `columns` columns each."""
        assert all(map(narrow_sum, specs))
        rows = zip(*([m * 2.0**-s.shift for m in s.mantissas] for s in specs), strict=True)
        factors = tuple(
            torch.tensor(row, dtype=torch.float64).repeat_interleave(columns) for row in rows
        )
        zero_points = [s.out_zero_point for s in specs]
        limits = Limits.columns(zero_points, specs[0].out_bits, columns)
        return cls(factors, tuple(f.float() for f in factors), limits)


def narrow_sum(spec: AddSpec) -> bool:
    """Whether its sum, of codes below 2^16, stays below 2^52."""
    return sum(map(abs, spec.mantissas)) < 1 << 36


def add(spec: AddSpec | AddColumns, *terms: Tensor) -> Tensor:
    """golden.elementwise.add: one, or several whose terms are side by side."""
    slopes: Sequence[Factor]
    if isinstance(spec, AddColumns):
        shift, slopes, limits = 0, spec.slopes, spec.limits
        total = terms[0] * spec.factors[0]
        for x, factor in zip(terms[1:], spec.factors[1:], strict=True):
            total = torch.addcmul(total, x.double(), factor)
    else:
        shift, slopes = spec.shift, [m * 2.0**-spec.shift for m in spec.mantissas]
        limits = Limits.of(spec.out_zero_point, spec.out_bits)
        narrow = narrow_sum(spec)
        factors = slopes if narrow else spec.mantissas
        wide = torch.float64 if narrow else torch.int64
        total = terms[0].to(wide) * factors[0]
        for x, factor in zip(terms[1:], factors[1:], strict=True):
            total = torch.add(total, x.to(wide), alpha=factor)
    return rounded(total, shift, limits, *zip(terms, slopes, strict=True))


def one_minus(spec: AddSpec, x: Tensor, x_bits: int) -> Tensor:
    """golden.elementwise.one_minus."""
    return add(spec, x.new_full((), (1 << x_bits) - 1), x)


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """golden.elementwise.minimum; on a tie each gets half of the gradient."""
    return torch.minimum(a, b)


def affine(spec: AffineSpec, y: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """golden.elementwise.affine. gamma: its codes, float32. beta: float64, of which the spec has
    the integers; both get gradients."""
    m, unit = spec.multiplier, 2.0**-spec.multiplier.shift
    value = y.long() * (gamma.long() * m.mantissa) + torch.as_tensor(spec.beta)
    real = value_of(m)
    terms = (y, real, gamma), (gamma, real, y), (beta, unit)
    return rounded(value, m.shift, Limits.of(spec.out_zero_point, spec.out_bits), *terms)


@dataclass(frozen=True)
class Table:
    """An activation at every input code: centred output codes, and slopes, output codes an input
    code, 0 where the output is clamped; float32 both. zero_point: of the input; of several tables
    one after another, the index of centred code 0 of each column, int32."""

    values: Tensor
    slopes: Tensor
    zero_point: int | Tensor

    @classmethod
    def of(cls, tables: Sequence["Table"], columns: int) -> "Table":
        """Tables of as many codes, `columns` columns each."""
        starts = range(0, sum(len(t.values) for t in tables), len(tables[0].values))
        first = [start + t.zero_point for start, t in zip(starts, tables, strict=True)]
        return cls(
            torch.cat([t.values for t in tables]),
            torch.cat([t.slopes for t in tables]),
            torch.tensor(first, dtype=torch.int32).repeat_interleave(columns),
        )


class _Table(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Table) -> Tensor:
        index = x.int().add_(table.zero_point).reshape(-1)
        ctx.save_for_backward(index, table.slopes)
        return table.values.index_select(0, index).view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        index, slopes = ctx.saved_tensors
        return grad * slopes.index_select(0, index).view_as(grad), None


def table(x: Tensor, of: Table) -> Tensor:
    """golden.activation.pwl and look_up: both are tables of their codes."""
    return _Table.apply(x, of)


def exact(spec: MatVecSpec, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and bias in float32 where that is exact, or in float64.

    weights: the centred codes of the spec, float32; bias: float64.
    """
    narrow = spec.narrow and _unrounded()
    return (weights, bias.float()) if narrow else (weights.double(), bias)


def _unrounded() -> bool:
    """Whether torch, as it is set, multiplies float32 as they are: not as TF32 on a GPU, or as
    bfloat16 on a CPU."""
    backends = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    return all(b.fp32_precision in ("none", "ieee") for b in backends)


def accumulate(x: Tensor, weights: Tensor, bias: Tensor, compiled: bool = False) -> Tensor:
    """golden.linear.accumulate, of weights and bias that are `exact`. compiled: by the engine."""
    return linear(x.to(weights.dtype), weights, bias, compiled)


def matvec(
    spec: MatVecSpec, x: Tensor, weights: Tensor, bias: Tensor, compiled: bool = False
) -> Tensor:
    """golden.linear.matvec: codes, or accumulators. As of `accumulate`."""
    acc = accumulate(x, weights, bias, compiled)
    if spec.multiplier is None:
        return acc
    return requantize(acc, spec.multiplier, spec.out_zero_point, spec.out_bits)
