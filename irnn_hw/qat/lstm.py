"""The quantized network over a window of time steps: the golden arithmetic, differentiable."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding, linear

from golden.linear import FLOAT32_EXACT, MatVecSpec
from golden.operations import Add, Embedding, MatVec, Multiply, Operation
from irnn_hw.qat import functional
from irnn_hw.qat.frozen import GATES, Frozen
from irnn_hw.qat.functional import Limits
from irnn_hw.qat.snapshot import Snapshot

State = tuple[Tensor, Tensor]  # centred codes of h and c, (batch, H) each


class QuantizedLSTM:
    """One snapshot, ready to run: constants of the operations as tensors.

    masters: the parameters that gradients go to, named as in `Weights`.
    """

    def __init__(self, taken: Snapshot, frozen: Frozen, masters: Mapping[str, Tensor]):
        self.model, self.frozen = taken.model, frozen
        self.ops: dict[str, Operation] = {op.output: op for op in taken.model.operations}
        self.specs = dict(zip(self.ops, taken.model.specs, strict=True))
        self.hidden = taken.model.tensors["h"].length
        self.output_unit = taken.scales["b_o"]
        self.codes = {
            name: functional.quantize(master, self._codes(name), taken.scales[name])
            for name, master in masters.items()
        }
        self.limits = {name: self._limits(name) for name in ("px", "ph", "fc", "ij", "h.next")}
        self._gate_constants()
        self._cell_constants()

    def _codes(self, name: str) -> Tensor:
        """The snapshot's integers of a master weight, centred, as float32 (biases: float64)."""
        if name == "embedding":
            op, zero_point = self.ops["x"], self.model.tensors["x"].zero_point
            assert isinstance(op, Embedding)
            return torch.from_numpy(op.table.astype(np.float32) - zero_point)
        op = self.ops[{"w_x": "px", "b": "px", "w_h": "ph", "w_o": "logits", "b_o": "logits"}[name]]
        assert isinstance(op, MatVec)
        if name.startswith("w"):
            return torch.from_numpy(op.weights.astype(np.float32))
        return torch.from_numpy(op.bias.astype(np.float64))

    def _limits(self, *names: str) -> Limits:
        """Of one tensor; of several, one after the other along the columns."""
        tensors = [self.model.tensors[name] for name in names]
        ends = [(-t.zero_point, (1 << t.bits) - 1 - t.zero_point) for t in tensors]
        low, high = torch.tensor(ends).T
        if len(names) > 1:
            low, high = (v.repeat_interleave(self.hidden) for v in (low, high))
        return Limits.of(low, high)

    def _gate_constants(self) -> None:
        names = [f"{g}.pre" for g in GATES]
        terms = torch.tensor([self._terms(n) for n in names], dtype=torch.float64)
        self.pre_terms = [m.repeat_interleave(self.hidden) for m in terms.T]
        self.pre_limits = self._limits(*names)
        tables = 256 * torch.arange(len(GATES)).repeat_interleave(self.hidden)
        self.gate_first = tables - self.pre_limits.low
        gates = [self._table(g) for g in GATES]
        self.gate_values, self.gate_slopes = (torch.cat(t) for t in zip(*gates, strict=True))

    def _cell_constants(self) -> None:
        self.cell_terms = [torch.tensor(m, dtype=torch.float64) for m in self._terms("c.next")]
        self.cell_limits = self._limits("c.next")
        self.tanh_first = -self.cell_limits.low
        self.tanh_values, self.tanh_slopes = self._table("c.tanh")

    def _terms(self, name: str) -> list[float]:
        op = self.ops[name]
        assert isinstance(op, Add)
        return [m * 2.0**-op.shift for m in op.mantissas]

    def _table(self, name: str) -> tuple[Tensor, Tensor]:
        activation = self.frozen.activations[name]
        centred = np.array(activation.table.table) - self.model.tensors[name].zero_point
        return torch.from_numpy(centred).float(), torch.from_numpy(activation.slopes).float()

    def _matvec(self, name: str, x: Tensor, weight: str, bias: str | None) -> Tensor:
        """Accumulators, exact: float32 where the worst case, bias included, stays below 2^24."""
        spec: MatVecSpec = self.specs[name]
        w, b = self.codes[weight], None if bias is None else self.codes[bias]
        reach = np.abs(spec.centred).sum(axis=1) * 255 + np.abs(spec.bias.astype(np.int64))
        if int(reach.max()) < FLOAT32_EXACT:
            return linear(x, w, None if b is None else b.float())
        return linear(x.double(), w.double(), b)

    def _requantize(self, name: str, acc: Tensor) -> Tensor:
        op = self.ops[name]
        assert isinstance(op, MatVec)
        assert op.multiplier is not None
        m = op.multiplier.mantissa * 2.0**-op.multiplier.shift
        return functional.requantize(acc, m, self.limits[name])

    def _multiply(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        op = self.ops[name]
        assert isinstance(op, Multiply)
        m = op.multiplier.mantissa * 2.0**-op.multiplier.shift
        return functional.multiply(a, b, m, self.limits[name])

    def initial_state(self, batch: int) -> State:
        """Every state at its zero point."""
        return torch.zeros(batch, self.hidden), torch.zeros(batch, self.hidden)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Accumulators of the logits (T, batch, V) of tokens (T, batch), and the last state."""
        # x and px depend on the token alone: computed once a symbol, then looked up.
        px = self._requantize("px", self._matvec("px", self.codes["embedding"], "w_x", "b"))
        h, c = state
        outputs = []
        for step in embedding(tokens, px):
            h, c = self.step(step, h, c)
            outputs.append(h)
        return self._matvec("logits", torch.stack(outputs), "w_o", "b_o"), (h, c)

    def step(self, px: Tensor, h: Tensor, c: Tensor) -> State:
        """One time step of the cell: codes of px (batch, 4H) and the state to the next state."""
        ph = self._requantize("ph", self._matvec("ph", h, "w_h", None))
        pre = functional.add(px, ph, *self.pre_terms, self.pre_limits)
        gates = functional.table(pre, self.gate_first, self.gate_values, self.gate_slopes)
        i, f, j, o = gates.split(self.hidden, dim=1)
        fc, ij = self._multiply("fc", f, c), self._multiply("ij", i, j)
        c = functional.add(fc, ij, *self.cell_terms, self.cell_limits)
        tanh = functional.table(c, self.tanh_first, self.tanh_values, self.tanh_slopes)
        return self._multiply("h.next", o, tanh), c
