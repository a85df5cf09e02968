"""Master weights and frozen parameters to an IntModel: what trains is what is exported."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.activation import PwlSpec
from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.operations import (
    Add,
    Embedding,
    LookUp,
    MatVec,
    Multiply,
    Operation,
    Pwl,
    Slice,
    State,
    Tensor,
)
from irnn_hw.qat.frozen import ACTIVATIONS, GATES, Frozen
from irnn_hw.quant.multipliers import common_shift, fixed_point
from irnn_hw.quant.params import QuantParams, round_half_away

INT32_MAX = (1 << 31) - 1
OUTPUT_SCALE_WIDTH = 24  # log-likelihoods are floats: 24 bits lose nothing a figure shows


@dataclass(frozen=True)
class Weights:
    """Master weights of the network as float64 arrays.

    embedding (V, E); w_x (4H, E), w_h (4H, H), b (4H,), gates in the order i, f, j, o;
    w_o (V, H), b_o (V,).
    """

    embedding: NDArray[np.float64]
    w_x: NDArray[np.float64]
    w_h: NDArray[np.float64]
    b: NDArray[np.float64]
    w_o: NDArray[np.float64]
    b_o: NDArray[np.float64]

    @property
    def hidden(self) -> int:
        return int(self.w_h.shape[1])


@dataclass(frozen=True)
class Snapshot:
    """The integers of one moment of training, with the scales that tie them to the reals.

    scales: of each weight array of `Weights`, real value of one unit.
    """

    model: IntModel
    scales: dict[str, float]


def snapshot(
    weights: Weights,
    frozen: Frozen,
    multiplier_width: int = 16,
    metadata: Mapping[str, Any] | None = None,
) -> Snapshot:
    """Every integer of the network. Raises InputError naming the operation that does not fit."""
    return _Builder(weights, frozen, multiplier_width).build(metadata or {})


class _Builder:
    """Collects tensors and operations in the order of one time step."""

    def __init__(self, weights: Weights, frozen: Frozen, width: int):
        self.weights, self.frozen, self.width = weights, frozen, width
        self.params = dict(frozen.params)
        self.scales: dict[str, float] = {}
        self.tensors: dict[str, Tensor] = {}
        self.operations: list[Operation] = []

    def build(self, metadata: Mapping[str, Any]) -> Snapshot:
        w, hidden = self.weights, self.weights.hidden
        for state in ("h", "c"):
            self._tensor(state, hidden)
        self._embedding()
        self._matvec("px", "x", "w_x", w.b, "b")
        self._matvec("ph", "h", "w_h", np.zeros(4 * hidden), None)
        self._cell()
        unit = self._matvec("logits", "h.next", "w_o", w.b_o, "b_o")
        states = (State("h", "h.next"), State("c", "c.next"))
        scale = fixed_point(unit, "logits", OUTPUT_SCALE_WIDTH)
        operations = tuple(self.operations)
        model = IntModel.single(self.tensors, states, operations, "logits", scale, metadata)
        return Snapshot(model, self.scales)

    def _cell(self) -> None:
        """px, ph and c to c.next and h.next (Eq. 13-14)."""
        for source in ("px", "ph"):
            for k, gate in enumerate(GATES):
                self._slice(f"{source}.{gate}", source, k)
        for gate in GATES:
            self._add(f"{gate}.pre", f"px.{gate}", f"ph.{gate}")
        for gate in GATES:
            self._activation(gate)
        self._multiply("fc", "f", "c")
        self._multiply("ij", "i", "j")
        self._add("c.next", "fc", "ij")
        self._activation("c.tanh")
        self._multiply("h.next", "o", "c.tanh")

    def _tensor(self, name: str, length: int) -> None:
        p = self.params[name]
        self.tensors[name] = Tensor(name, length, p.bits, p.zero_point)

    def _embedding(self) -> None:
        table = self.weights.embedding
        self.params["x"] = p = QuantParams.from_range(float(table.min()), float(table.max()))
        self.scales["embedding"] = p.scale
        self._tensor("x", table.shape[1])
        self.operations.append(Embedding("x", p.quantize(table).astype(np.uint8)))

    def _matvec(
        self, name: str, source: str, weight: str, bias: NDArray[np.float64], bias_name: str | None
    ) -> Fraction:
        """name = W source + bias; 32-bit where name has no parameters. Returns the unit's value."""
        w: NDArray[np.float64] = getattr(self.weights, weight)
        p = QuantParams.symmetric(float(np.abs(w).max()))
        unit = Fraction(self.params[source].scale) * Fraction(p.scale)
        self.scales[weight] = p.scale
        if bias_name is not None:
            self.scales[bias_name] = float(unit)
        multiplier: FixedPoint | None = None
        if name in self.params:
            multiplier = fixed_point(unit / Fraction(self.params[name].scale), name, self.width)
            self._tensor(name, len(w))
        else:
            self.tensors[name] = Tensor(name, len(w), 32)
        codes, offsets = p.quantize(w).astype(np.int8), round_half_away(bias / float(unit))
        if int(np.abs(offsets).max()) > INT32_MAX:
            raise InputError(f"{name}: a bias does not fit 32 bits; widen the ranges")
        self.operations.append(MatVec(name, (source,), codes, offsets.astype(np.int32), multiplier))
        return unit

    def _slice(self, name: str, source: str, part: int) -> None:
        self.params[name] = self.params[source]
        self._tensor(name, self.weights.hidden)
        self.operations.append(Slice(name, (source,), part * self.weights.hidden))

    def _add(self, name: str, *inputs: str) -> None:
        out = Fraction(self.params[name].scale)
        ratios = [Fraction(self.params[i].scale) / out for i in inputs]
        self._tensor(name, self.weights.hidden)
        self.operations.append(Add(name, inputs, *common_shift(ratios, name, self.width)))

    def _multiply(self, name: str, a: str, b: str) -> None:
        s_a, s_b, s_c = (Fraction(self.params[n].scale) for n in (a, b, name))
        self._tensor(name, self.weights.hidden)
        self.operations.append(
            Multiply(name, (a, b), fixed_point(s_a * s_b / s_c, name, self.width))
        )

    def _activation(self, name: str) -> None:
        source, spec = ACTIVATIONS[name][1], self.frozen.activations[name].spec
        self._tensor(name, self.weights.hidden)
        if isinstance(spec, PwlSpec):
            constants = (spec.knots, spec.slopes, spec.intercepts, spec.shift)
            self.operations.append(Pwl(name, (source,), *constants))
        else:
            self.operations.append(LookUp(name, (source,), np.array(spec.table, np.uint8)))
