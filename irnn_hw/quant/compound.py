"""Nodes that compute several tensors on the way: MadNorm and attention."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from golden import operations as golden
from golden.errors import InputError
from irnn_hw.quant.nodes import UNIT, Activation, Add, Node, Product, Values
from irnn_hw.quant.params import Float64

if TYPE_CHECKING:
    from irnn_hw.quant.quantizer import Quantizer


@dataclass(frozen=True, eq=False, kw_only=True)
class MadNorm(Node):
    """(x - mean) / mean absolute deviation, over each of `rows` parts of x (Eq. 25-26)."""

    rows: int = 1
    mean: Node = field(init=False)
    centred: Node = field(init=False)
    deviation: Node = field(init=False)

    def __post_init__(self) -> None:
        for name, suffix, length in (
            ("mean", "mu", self.rows),
            ("centred", "x_hat", self.length),
            ("deviation", "d", self.rows),
        ):
            node = Node(name=f"{self.name}.{suffix}", length=length, bits=self.bits)
            object.__setattr__(self, name, node)

    @property
    def tensors(self) -> tuple[Node, ...]:
        return self.mean, self.centred, self.deviation, self

    def evaluate(self, values: Values) -> dict[str, Float64]:
        x = values[self.inputs[0]]
        parts = x.reshape(len(x), self.rows, -1)
        mean = parts.mean(axis=2)
        centred = parts - mean[..., np.newaxis]
        d = np.abs(centred).mean(axis=2)
        y = centred / np.maximum(d, np.finfo(float).tiny)[..., np.newaxis]
        results = (mean, centred.reshape(x.shape), d, y.reshape(x.shape))
        return {t.name: r for t, r in zip(self.tensors, results, strict=True)}

    def operation(self, q: Quantizer) -> golden.MadNorm:
        (x,), count = self.inputs, self.length // self.rows
        mu, x_hat, d = (t.name for t in self.tensors[:3])
        ratios = [q.scale(x) / q.scale(x_hat), q.scale(mu) / q.scale(x_hat)]
        mantissas, shift = q.mantissas(ratios, x_hat, x, mu)
        return golden.MadNorm(
            self.name,
            self.inputs,
            mu,
            x_hat,
            d,
            q.fixed_point(q.scale(x) / (q.scale(mu) * count), mu, x),
            mantissas,
            shift,
            q.fixed_point(q.scale(x_hat) / (q.scale(d) * count), d, x_hat),
            q.fixed_point(q.scale(x_hat) / (q.scale(self.name) * q.scale(d)), self.name, x_hat),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class LayerNorm(Node):
    """(x - mean) / sqrt(variance + epsilon), over each of `rows` parts of x (Ba et al. 2016).

    In real numbers alone: what MadNorm is measured against."""

    rows: int = 1
    epsilon: ClassVar[float] = 1e-5  # that of torch.nn.LayerNorm

    def evaluate(self, values: Values) -> dict[str, Float64]:
        x = values[self.inputs[0]]
        parts = x.reshape(len(x), self.rows, -1)
        centred = parts - parts.mean(axis=2, keepdims=True)
        d = np.sqrt(np.square(centred).mean(axis=2, keepdims=True) + self.epsilon)
        return {self.name: (centred / d).reshape(x.shape)}

    def operation(self, q: Quantizer) -> golden.Operation:
        raise InputError(f"{self.name}: LayerNorm has a square root; use MadNorm for integers")


@dataclass(frozen=True, eq=False, kw_only=True)
class Attend(Node):
    """The context of query, key and memory; key and memory are of the sequence `memory`.

    v: (width,). score_bits: of sum and scores, 16 as in section 4.3, or 8; the exponential has 8.
    """

    memory: str
    v: Float64
    score_bits: int = 16
    total: Add = field(init=False)
    tanh: Activation = field(init=False)
    score: Product = field(init=False)
    exp: Activation = field(init=False)

    def __post_init__(self) -> None:
        query, key, _ = self.inputs
        width, bits = len(self.v), self.score_bits
        if bits not in (8, 16):
            raise InputError(f"{self.name}: scores of {bits} bits; choose 8 or 16")
        total = Add(name=f"{self.name}.total", inputs=(query, key), length=width, bits=bits)
        tanh = Activation(
            name=f"{self.name}.tanh", inputs=(total.name,), length=width, function="tanh"
        )
        score = Product(
            name=f"{self.name}.score", inputs=(tanh.name,), length=1, bits=bits,
            weights=self.v[np.newaxis],
        )  # fmt: skip
        exp = Activation(
            name=f"{self.name}.exp", inputs=(score.name,), length=1, function="exp", range=UNIT
        )
        for name, node in (("total", total), ("tanh", tanh), ("score", score), ("exp", exp)):
            object.__setattr__(self, name, node)

    @property
    def tensors(self) -> tuple[Node, ...]:
        return self.total, self.tanh, self.score, self.exp, self

    def evaluate(self, values: Values) -> dict[str, Float64]:
        query, key, memory = (values[n] for n in self.inputs)
        total = query[:, np.newaxis] + key
        tanh = np.tanh(total)
        score = tanh @ self.v
        padded = np.arange(score.shape[1]) >= values.lengths[self.memory][:, np.newaxis]
        masked = np.where(padded, -np.inf, score)
        exp = np.exp(masked - masked.max(axis=1, keepdims=True))
        context = np.einsum("bt,btk->bk", exp, memory) / exp.sum(axis=1, keepdims=True)
        kept = ~padded
        inner = (total[kept], tanh[kept], score[kept][:, np.newaxis], exp[kept][:, np.newaxis])
        return {t.name: r for t, r in zip(self.tensors, (*inner, context), strict=True)}

    def operation(self, q: Quantizer) -> golden.Attend:
        _, _, memory = self.inputs
        score = q[self.score.name]
        shifted = replace(score, zero_point=score.high)
        exp = q.pwl(self.exp.name, "exp", self.exp.inputs, shifted)
        tanh = q.pwl(self.tanh.name, "tanh", self.tanh.inputs, q[self.total.name])
        return golden.Attend(
            self.name,
            self.inputs,
            self.total.operation(q),
            tanh,
            self.score.operation(q),
            exp,
            q.fixed_point(q.scale(memory) / q.scale(self.name), self.name, memory),
        )
