"""The twins of golden's operations that divide: MadNorm and attention."""

from dataclasses import dataclass

import torch
from torch import Tensor

from golden.attention import AttentionSpec, ContextSpec
from golden.fixed import FixedPoint
from golden.madnorm import MadNormSpec
from irnn_hw.qat.rounding import Limits, divide_round, rounded, value_of
from irnn_hw.qat.twins import Table, add, matvec, requantize, table


def _divided(n: Tensor, m: FixedPoint, d: Tensor, zero_point: int, bits: int) -> Tensor:
    """Codes of m n / d, rounded once. n, d: integers as floats; d below 1 counts as 1."""
    divisor = d.clamp(min=1)
    value = divide_round(n.long() * m.mantissa, m.shift, divisor.long())
    real, inverse = value_of(m), 1 / divisor.detach()
    steeper = (divisor, -real, n, inverse, inverse)
    return rounded(value, 0, Limits.of(zero_point, bits), (n, real, inverse), steeper)


def madnorm(spec: MadNormSpec, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """golden.madnorm.madnorm of x (..., rows * length): mu, x_hat, d, y."""
    rows, c = x.unflatten(-1, (-1, spec.length)), spec.centre
    mu = requantize(rows.double().sum(-1), spec.mean, c.zero_points[1], spec.mean_bits)
    x_hat = add(c, rows, mu[..., None])
    d = requantize(x_hat.abs().double().sum(-1), spec.deviation, 0, spec.deviation_bits)
    y = _divided(x_hat, spec.quotient, d[..., None], spec.out_zero_point, spec.out_bits)
    return mu, x_hat.flatten(-2), d, y.flatten(-2)


def context(spec: ContextSpec, e: Tensor, h: Tensor) -> Tensor:
    """golden.attention.context of e (batch, S), 0 where there is no step, and h (batch, S, K)."""
    weights = e.double()
    numerator = torch.einsum("bs,bsk->bk", weights, h.double())
    total = weights.sum(1, keepdim=True)
    return _divided(numerator, spec.multiplier, total, spec.out_zero_point, spec.out_bits)


@dataclass(frozen=True)
class AttentionConstants:
    """Tables of tanh and exp; codes of v (1, A) and its bias (1,), `exact`."""

    tanh: Table
    exp: Table
    v: Tensor
    bias: Tensor


def attend(
    spec: AttentionSpec,
    constants: AttentionConstants,
    query: Tensor,
    key: Tensor,
    h: Tensor,
    live: Tensor | None,
) -> tuple[Tensor, ...]:
    """golden.attention.attend of query (batch, A), key (batch, S, A), h (batch, S, K).

    live: the encoder steps that count (batch, S). Returns total, tanh, score, exp (batch, S, A or
    1), whose padding holds no meaning, and the context (batch, K).
    """
    total = add(spec.total, query[:, None], key)
    tanh = table(total, constants.tanh)
    score = matvec(spec.score, tanh, constants.v, constants.bias)
    e = score[..., 0]
    if live is not None:
        lowest = e.detach().amin()  # no more than the largest that counts
        e = torch.where(live, e, lowest)
    exp = table(e - e.amax(1, keepdim=True), constants.exp)
    weights = exp if live is None else exp * live
    return total, tanh, score, exp[..., None], context(spec.context, weights, h)
