"""The operations of a network in real numbers, each with the integer operation that it becomes.

A node evaluates in float64, a batch (batch, length) at a time, and gives its integer twin once
the parameters of its tensors are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from golden import operations as golden
from golden.errors import InputError
from irnn_hw.quant.params import Float64, QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, OUTPUT_RANGES

if TYPE_CHECKING:
    from irnn_hw.quant.quantizer import Quantizer

Range = tuple[float, float]
UNIT = (0.0, 1.0)


class Values(dict[str, Float64]):
    """Real values by tensor: (batch, length) of the step; of another sequence (batch, T, length),
    of which the first lengths[sequence] (batch,) count."""

    def __init__(self, lengths: Mapping[str, np.ndarray]):
        super().__init__()
        self.lengths = lengths


@dataclass(frozen=True, eq=False, kw_only=True)
class Node:
    """One operation. bits: of its output, 8, 16 or 32. range: of its values where that is given
    beforehand; None: `known`, or else it is observed."""

    name: str
    inputs: tuple[str, ...] = ()
    length: int
    bits: int = 8
    range: Range | None = None

    @property
    def tensors(self) -> tuple[Node, ...]:
        """Itself, and before it what it computes on the way."""
        return (self,)

    @property
    def known(self) -> Range | None:
        """The range of its values where that needs no data."""
        return self.range

    @property
    def shared(self) -> tuple[str, ...]:
        """Inputs whose parameters are those of the output."""
        return ()

    def evaluate(self, values: Values) -> dict[str, Float64]:
        """Each of its tensors."""
        raise NotImplementedError

    def operation(self, q: Quantizer) -> golden.Operation:
        """The integer operation. Raises InputError where a constant does not fit."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Node):
    """Real vectors from outside."""

    def evaluate(self, values: Values) -> dict[str, Float64]:
        return {}

    def operation(self, q: Quantizer) -> golden.Input:
        return golden.Input(self.name)


@dataclass(frozen=True, eq=False, kw_only=True)
class Embedding(Node):
    """table[token], table (symbols, length). Tokens are the values of the tensor `tokens`."""

    table: Float64

    @cached_property
    def ends(self) -> Range:
        """The smallest and the largest value of the table."""
        return float(self.table.min()), float(self.table.max())

    @property
    def known(self) -> Range | None:
        return self.range or self.ends

    def evaluate(self, values: Values) -> dict[str, Float64]:
        return {self.name: self.table[values["tokens"][:, 0].astype(np.int64)]}

    def operation(self, q: Quantizer) -> golden.Embedding:
        q.scales[self.name] = q[self.name].scale
        return golden.Embedding(self.name, q.codes(f"{self.name}.table", self.table, q[self.name]))


@dataclass(frozen=True, eq=False, kw_only=True)
class Product(Node):
    """weights x + bias, (length, columns) and (length,).

    weight_format: int8, uint8 (asymmetric), or one of `golden.weights.FORMATS`. per_row: a scale
    for each row. tied: an embedding whose table, uint8, the weights are.
    """

    weights: Float64
    bias: Float64 | None = None
    weight_format: str = "int8"
    per_row: bool = False
    tied: str | None = None

    def evaluate(self, values: Values) -> dict[str, Float64]:
        product: Float64 = values[self.inputs[0]] @ self.weights.T
        return {self.name: product if self.bias is None else product + self.bias}

    def operation(self, q: Quantizer) -> golden.MatVec:
        return q.product(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice(Node):
    """The values from `start` on."""

    start: int

    @property
    def shared(self) -> tuple[str, ...]:
        return self.inputs

    def evaluate(self, values: Values) -> dict[str, Float64]:
        return {self.name: values[self.inputs[0]][:, self.start : self.start + self.length]}

    def operation(self, q: Quantizer) -> golden.Slice:
        return golden.Slice(self.name, self.inputs, self.start)


@dataclass(frozen=True, eq=False, kw_only=True)
class Dropout(Node):
    """In training each value is 0 with probability `rate`, else x / (1 - rate); else it is x.

    As an integer operation it moves codes: 0 is the zero point, and 1 / (1 - rate) is in the scale
    of the output (`irnn_hw.quant.quantize.parameters`). What is exported has none
    (`irnn_hw.quant.network.without_dropout`).
    """

    rate: float

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise InputError(f"{self.name}: a dropout rate of {self.rate}; give one in 0..1")

    def evaluate(self, values: Values) -> dict[str, Float64]:
        return {self.name: values[self.inputs[0]]}

    def operation(self, q: Quantizer) -> golden.Slice:
        return golden.Slice(self.name, self.inputs, 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Concatenate(Node):
    """The inputs one after another."""

    @property
    def shared(self) -> tuple[str, ...]:
        return self.inputs

    def evaluate(self, values: Values) -> dict[str, Float64]:
        return {self.name: np.concatenate([values[n] for n in self.inputs], axis=1)}

    def operation(self, q: Quantizer) -> golden.Concatenate:
        return golden.Concatenate(self.name, self.inputs)


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Node):
    """The sum of the inputs, each times its sign."""

    signs: tuple[int, ...] = ()

    @property
    def weighted(self) -> tuple[int, ...]:
        return self.signs or (1,) * len(self.inputs)

    def evaluate(self, values: Values) -> dict[str, Float64]:
        terms = zip(self.weighted, self.inputs, strict=True)
        return {self.name: np.asarray(sum(sign * values[n] for sign, n in terms))}

    def operation(self, q: Quantizer) -> golden.Add:
        terms = zip(self.weighted, self.inputs, strict=True)
        ratios = [sign * q.scale(n) / q.scale(self.name) for sign, n in terms]
        return golden.Add(self.name, self.inputs, *q.mantissas(ratios, self.name, *self.inputs))


@dataclass(frozen=True, eq=False, kw_only=True)
class OneMinus(Node):
    """1 - x, of an x in [0, 1]."""

    range: Range | None = UNIT

    def evaluate(self, values: Values) -> dict[str, Float64]:
        return {self.name: 1 - values[self.inputs[0]]}

    def operation(self, q: Quantizer) -> golden.OneMinus:
        (x,) = self.inputs
        one = Fraction(1, (1 << q[x].bits) - 1)
        ratios = [one / q.scale(self.name), q.scale(x) / q.scale(self.name)]
        return golden.OneMinus(self.name, self.inputs, *q.mantissas(ratios, self.name, x))


@dataclass(frozen=True, eq=False, kw_only=True)
class Multiply(Node):
    """The product of two inputs, times a constant factor."""

    factor: int = 1

    def evaluate(self, values: Values) -> dict[str, Float64]:
        a, b = (values[n] for n in self.inputs)
        return {self.name: self.factor * a * b}

    def operation(self, q: Quantizer) -> golden.Multiply:
        a, b = self.inputs
        m = self.factor * q.scale(a) * q.scale(b) / q.scale(self.name)
        return golden.Multiply(self.name, self.inputs, q.fixed_point(m, self.name, a, b))


@dataclass(frozen=True, eq=False, kw_only=True)
class Minimum(Node):
    """The smaller of two inputs."""

    @property
    def shared(self) -> tuple[str, ...]:
        return self.inputs

    def evaluate(self, values: Values) -> dict[str, Float64]:
        a, b = (values[n] for n in self.inputs)
        return {self.name: np.minimum(a, b)}

    def operation(self, q: Quantizer) -> golden.Minimum:
        return golden.Minimum(self.name, self.inputs)


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine(Node):
    """gamma x + beta, (length,) each."""

    gamma: Float64
    beta: Float64

    def evaluate(self, values: Values) -> dict[str, Float64]:
        return {self.name: self.gamma * values[self.inputs[0]] + self.beta}

    def operation(self, q: Quantizer) -> golden.Affine:
        (x,) = self.inputs
        gamma = QuantParams.symmetric(float(np.abs(self.gamma).max()), 8)
        q.scales[f"{self.name}.gamma"] = gamma.scale
        m = q.fixed_point(q.scale(x) * Fraction(gamma.scale) / q.scale(self.name), self.name, x)
        unit = float(q.scale(self.name) / (1 << m.shift))
        q.scales[f"{self.name}.beta"] = unit
        beta = q.wide(np.asarray(self.beta, np.float64) / unit, self.name)
        codes = q.codes(f"{self.name}.gamma", self.gamma, gamma)
        return golden.Affine(self.name, self.inputs, codes, beta, m)


@dataclass(frozen=True, eq=False, kw_only=True)
class Activation(Node):
    """A function of `irnn_hw.quant.pwl.FUNCTIONS`, as PWL of `pieces`, or as a table."""

    function: str

    @property
    def known(self) -> Range | None:
        return self.range or OUTPUT_RANGES.get(self.function)

    def evaluate(self, values: Values) -> dict[str, Float64]:
        return {self.name: np.asarray(FUNCTIONS[self.function](values[self.inputs[0]]))}

    def operation(self, q: Quantizer) -> golden.Pwl | golden.LookUp:
        return q.activation(self.name, self.function, self.inputs, q[self.inputs[0]])
