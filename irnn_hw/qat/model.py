"""The character language model in full precision: embedding, one LSTM, output layer."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from irnn_hw.qat.frozen import GATES
from irnn_hw.qat.ranges import Range
from irnn_hw.qat.snapshot import Weights

FloatState = tuple[Tensor, Tensor]  # h and c, (1, batch, H) each, as torch.nn.LSTM has them


class CharLM(nn.Module):
    """Master weights, and the full-precision forward pass on stock modules."""

    def __init__(self, symbols: int, embedding: int, hidden: int):
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding)
        self.lstm = nn.LSTM(embedding, hidden)
        self.output = nn.Linear(hidden, symbols)

    def initial_state(self, batch: int) -> FloatState:
        zeros = torch.zeros(1, batch, self.lstm.hidden_size)
        return zeros, zeros

    def forward(self, tokens: Tensor, state: FloatState) -> tuple[Tensor, FloatState]:
        """Logits (T, batch, V) of tokens (T, batch), and the last state."""
        h, state = self.lstm(self.embedding(tokens), state)
        return self.output(h), state

    def masters(self) -> dict[str, Tensor]:
        """The arrays of `Weights` as tensors that gradients flow through."""
        return {
            "embedding": self.embedding.weight,
            "w_x": self.lstm.weight_ih_l0,
            "w_h": self.lstm.weight_hh_l0,
            "b": self.lstm.bias_ih_l0 + self.lstm.bias_hh_l0,
            "w_o": self.output.weight,
            "b_o": self.output.bias,
        }

    def weights(self) -> Weights:
        """The master weights, as float64 arrays."""
        masters = self.masters().items()
        return Weights(**{name: m.detach().double().numpy() for name, m in masters})

    @torch.no_grad()
    def observe(self, tokens: Tensor, state: FloatState) -> tuple[dict[str, Range], FloatState]:
        """Smallest and largest value of every tensor to be quantized, over a window.

        tokens (T, batch). The same arithmetic as `forward`, one named tensor at a time.
        """
        w = self.masters()
        h, c = (s[0] for s in state)
        steps = []
        for x in self.embedding(tokens):
            named = _named_step(linear(x, w["w_x"], w["b"]), linear(h, w["w_h"]), c)
            h, c = named["h.next"], named["c.next"]
            steps.append(named)
        ranges = {name: _range(named[name] for named in steps) for name in steps[0]}
        return ranges, (h[None], c[None])


def _named_step(px: Tensor, ph: Tensor, c: Tensor) -> dict[str, Tensor]:
    """Tensors of one time step by their names in the IntModel."""
    pre = px + ph
    i, f, j, o = pre.chunk(4, dim=1)
    fc, ij = f.sigmoid() * c, i.sigmoid() * j.tanh()
    c_next = fc + ij
    named = {f"{gate}.pre": part for gate, part in zip(GATES, (i, f, j, o), strict=True)}
    h_next = o.sigmoid() * c_next.tanh()
    return named | {"px": px, "ph": ph, "fc": fc, "ij": ij, "c.next": c_next, "h.next": h_next}


def _range(values: Iterable[Tensor]) -> Range:
    ends = [v.aminmax() for v in values]
    return min(e.min.item() for e in ends), max(e.max.item() for e in ends)
