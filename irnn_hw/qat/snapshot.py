"""Master weights and frozen parameters to an IntModel: what trains is what is exported."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.model import SEQUENCE, IntModel
from irnn_hw.qat.frozen import Frozen
from irnn_hw.quant import cells
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Embedding
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.quantize import Choices, parameters, quantize

# What holds the scale of each array of `Weights`.
MASTERS = {
    "embedding": "x",
    "w_x": "px",
    "b": "px.bias",
    "w_h": "ph",
    "w_o": "logits",
    "b_o": "logits.bias",
}


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

    scales: of each weight array of `Weights`, real value of one unit. params: of the tensors.
    """

    model: IntModel
    scales: dict[str, float]
    params: Mapping[str, QuantParams]


def network(weights: Weights) -> Network:
    """The network in real numbers, its tensors named as in the IntModel."""
    net = Network(outputs=["logits"])
    s = net.scan(SEQUENCE)
    table = weights.embedding
    x = s.add(Embedding(name="x", length=table.shape[1], table=table))
    w_x, w_h = cells.Weights(weights.w_x, weights.b), cells.Weights(weights.w_h)
    h = cells.lstm(s, "", [(x, w_x)], w_h)
    cells.product(s, "logits", h, cells.Weights(weights.w_o, weights.b_o), 32)
    return net


def snapshot(
    weights: Weights,
    frozen: Frozen,
    multiplier_width: int = 16,
    metadata: Mapping[str, Any] | None = None,
) -> Snapshot:
    """Every integer of the network. Raises InputError naming the operation that does not fit."""
    net = network(weights)
    params = parameters(net, {}, frozen.params)
    activations = {name: a.spec for name, a in frozen.activations.items()}
    choices = Choices(multiplier_width=multiplier_width)
    taken = quantize(net, params, choices, metadata, activations)
    scales = {name: taken.scales[of] for name, of in MASTERS.items()}
    return Snapshot(taken.model, scales, params)
