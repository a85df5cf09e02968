"""The character language model in full precision: embedding, one LSTM, output layer."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from golden.model import SEQUENCE
from irnn_hw.qat.ranges import Range
from irnn_hw.quant import cells
from irnn_hw.quant.cells import LSTM_GATES
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Embedding, Node

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

    @torch.no_grad()
    def observe(self, tokens: Tensor, state: FloatState) -> tuple[dict[str, Range], FloatState]:
        """Smallest and largest value of every tensor to be quantized, over a window.

        tokens (T, batch). The same arithmetic as `forward`, one named tensor at a time.
        """
        bias = self.lstm.bias_ih_l0 + self.lstm.bias_hh_l0
        h, c = (s[0] for s in state)
        steps = []
        for x in self.embedding(tokens):
            px = linear(x, self.lstm.weight_ih_l0, bias)
            named = _named_step(px, linear(h, self.lstm.weight_hh_l0), c)
            h, c = named["h.next"], named["c.next"]
            steps.append(named)
        ranges = {name: _range(named[name] for named in steps) for name in steps[0]}
        return ranges, (h[None], c[None])


class CharMasters:
    """The weights of a CharLM as those of its network, gates in the order i, f, j, o."""

    def __init__(self, model: CharLM):
        self._fields = {
            "x": {"table": model.embedding.weight},
            "px": {
                "weights": model.lstm.weight_ih_l0,
                "bias": model.lstm.bias_ih_l0 + model.lstm.bias_hh_l0,
            },
            "ph": {"weights": model.lstm.weight_hh_l0},
            "logits": {"weights": model.output.weight, "bias": model.output.bias},
        }
        self.template = self.network()

    def of(self, node: Node) -> dict[str, Tensor]:
        """The parameters of a node by field."""
        return self._fields.get(node.name, {})

    def network(self) -> Network:
        """The network with the weights as they are now, as float64."""
        w = {
            name: {field: x.detach().double().cpu().numpy() for field, x in fields.items()}
            for name, fields in self._fields.items()
        }
        table, out = w["x"]["table"], w["logits"]
        net = Network(outputs=["logits"])
        s = net.scan(SEQUENCE)
        x = s.add(Embedding(name="x", length=table.shape[1], table=table))
        w_x = cells.Weights(w["px"]["weights"], w["px"]["bias"])
        h = cells.lstm(s, "", [(x, w_x)], cells.Weights(w["ph"]["weights"]))
        cells.product(s, "logits", h, cells.Weights(out["weights"], out["bias"]), 32)
        return net


def _named_step(px: Tensor, ph: Tensor, c: Tensor) -> dict[str, Tensor]:
    """Tensors of one time step by their names in the IntModel."""
    pre = px + ph
    i, f, j, o = pre.chunk(4, dim=1)
    fc, ij = f.sigmoid() * c, i.sigmoid() * j.tanh()
    c_next = fc + ij
    named = {f"{gate}.pre": part for gate, part in zip(LSTM_GATES, (i, f, j, o), strict=True)}
    h_next = o.sigmoid() * c_next.tanh()
    return named | {"px": px, "ph": ph, "fc": fc, "ij": ij, "c.next": c_next, "h.next": h_next}


def _range(values: Iterable[Tensor]) -> Range:
    ends = [v.aminmax() for v in values]
    return min(e.min.item() for e in ends), max(e.max.item() for e in ends)
