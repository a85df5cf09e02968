"""Products of weights, by the engine where it pays."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from irnn_hw.engine.matmul import matmul

LARGE = 1 << 20  # multiplications, below which a call costs more than it saves


def linear(x: Tensor, weights: Tensor, bias: Tensor | None, compiled: bool) -> Tensor:
    """x weights^T + bias: x (..., k), weights (n, k), bias (n,). compiled: by the engine, where all
    are float32, large and at hand."""
    large = x.numel() * len(weights) >= LARGE
    if not (compiled and large and x.dtype == weights.dtype == torch.float32):
        return functional.linear(x, weights, bias)
    y: Tensor = _Linear.apply(x.flatten(0, -2), weights)
    y = y if bias is None else y + bias
    return y.view(*x.shape[:-1], len(weights))


class _Linear(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, weights)
        return torch.from_numpy(matmul(x.detach().numpy(), weights.detach().numpy().T))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (x, weights), (of_x, of_weights) = ctx.saved_tensors, ctx.needs_input_grad
        g = grad.numpy()
        return (
            torch.from_numpy(matmul(g, weights.detach().numpy())) if of_x else None,
            torch.from_numpy(matmul(g.T, x.detach().numpy())) if of_weights else None,
        )
