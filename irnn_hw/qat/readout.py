"""What a network yields. Its last products are left undone until they are asked for: a loss of many
logits needs them a block at a time alone (`irnn_hw.engine.readout`)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from irnn_hw.engine import readout as engine
from irnn_hw.qat.linear import linear


@dataclass(frozen=True)
class Readout:
    """A product that nothing in the network reads: unit (h weights^T + bias).

    h (..., length); weights (symbols, length) and bias (symbols,) of one dtype; integers are
    centred codes, whose sums are exact in it. compiled: the engine may compute with it. narrow: all
    codes have up to 8 bits.
    """

    h: Tensor
    weights: Tensor
    bias: Tensor | None
    compiled: bool
    narrow: bool = False
    unit: float = 1.0

    def dense(self) -> Tensor:
        """(..., symbols)."""
        h = self.h.to(self.weights.dtype)
        product = linear(h, self.weights, self.bias, self.compiled)
        return product if self.unit == 1.0 else product.float() * self.unit

    def cross_entropy(self, targets: Tensor) -> Tensor:
        """Mean, in nats, of targets (...): by the engine to 1e-6, its gradients to bfloat16."""
        if self.compiled and self.h.dtype == self.weights.dtype == torch.float32:
            grad = torch.is_grad_enabled()
            return _CrossEntropy.apply(self, targets, grad, self.h, self.weights, self.bias)
        return _cross_entropy(self.dense(), targets)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(logits.flatten(0, -2), targets.flatten())


class _CrossEntropy(Function):
    """Its gradients come with it, those of a loss in units of 1."""

    @staticmethod
    def forward(
        ctx: Any,
        of: Readout,
        targets: Tensor,
        grad: bool,
        h: Tensor,
        weights: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        nats, found = engine.cross_entropy(
            _array(h.flatten(0, -2)), _array(weights), None if bias is None else _array(bias),
            _array(targets.flatten()), of.unit, of.narrow,
            [grad and needed for needed in ctx.needs_input_grad[-3:]],
        )  # fmt: skip
        ctx.found, ctx.shape = [None if x is None else torch.from_numpy(x) for x in found], h.shape
        return torch.tensor(nats, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        found, ctx.found = ctx.found, None  # which the parameters take as they are
        if grad.item() != 1.0:
            found = [None if x is None else x.mul_(grad) for x in found]
        of_h, *others = found
        return None, None, None, None if of_h is None else of_h.view(ctx.shape), *others


def _array(x: Tensor) -> NDArray[Any]:
    return x.detach().contiguous().numpy()


class Outputs(Mapping[str, Tensor]):
    """Tensors (T, batch, length) by name.

    made: those that are computed. left: products that are not, until they are asked for.
    """

    def __init__(self, made: Mapping[str, Tensor], left: Mapping[str, Readout] | None = None):
        self._made, self._left = dict(made), left or {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._made and name in self._left:
            self._made[name] = self._left[name].dense()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._made, **self._left})

    def __len__(self) -> int:
        return len({**self._made, **self._left})

    def reals(self, unit: Callable[[str], float]) -> "Outputs":
        """Of integers, the real numbers, float32. unit: of each tensor."""
        made = {name: x.float() * unit(name) for name, x in self._made.items()}
        return Outputs(made, {n: replace(r, unit=unit(n)) for n, r in self._left.items()})

    def cross_entropy(self, name: str, targets: Tensor) -> Tensor:
        """Mean, in nats, of logits by name; targets (T, batch), int64."""
        if name in self._left:
            return self._left[name].cross_entropy(targets)
        return _cross_entropy(self[name], targets)
