"""The networks of the recipes, in real numbers, with random weights."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.errors import InputError
from irnn_hw.quant import cells
from irnn_hw.quant.cells import LstmOptions, Norm, Weights
from irnn_hw.quant.network import Network, ScanNodes
from irnn_hw.quant.nodes import Dropout, Embedding, Product
from irnn_hw.recipes.recipe import check_fields

SEQUENCE = "text"
NORMS = ("mad", "layer")


def norm_lstm(
    rng: np.random.Generator,
    symbols: int,
    size: int,
    dropout: float,
    norm: str = "mad",
    recurrent: str = "int8",
) -> Network:
    """An LSTM whose products and cell are normalized (section 5.1); 32-bit logits are tied to the
    embedding.

    size: of embedding and state. dropout: of what the LSTM reads, and of what it gives. norm: mad,
    or layer (Ba et al. 2016), which has no integers. recurrent: format of the recurrent weights.
    """
    if norm not in NORMS:
        raise InputError(f"norm: {norm!r}; choose {', '.join(NORMS)}")
    net, reach = Network(outputs=["logits"]), 1 / math.sqrt(size)
    s = net.scan(SEQUENCE)
    x = _dropped(s, "x", _embedding(s, rng, symbols, size), dropout)
    w_x, w_h = (_uniform(rng, reach, 4 * size, size) for _ in range(2))
    of_gates, of_cell = (_norm(norm, n) for n in (4 * size, size))
    options = LstmOptions(norms=(of_gates, of_gates, of_cell), bias=np.zeros(4 * size))
    h = cells.lstm(s, "lstm", [(x, Weights(w_x))], Weights(w_h, weight_format=recurrent), options)
    _tied_logits(s, "logits", _dropped(s, "h", h, dropout), symbols)
    return net


def mogrifier(
    rng: np.random.Generator,
    symbols: int,
    embedding: int,
    size: int,
    layers: int,
    rounds: int,
    rank: int,
    dropout: float,
) -> Network:
    """Mogrifier LSTMs (Melis et al. 2020) with capped input gates (section 5.2); 32-bit logits are
    tied to the embedding.

    rounds: of modulation in a layer, of that low rank. dropout: of what each layer reads, and of
    what the logits read.
    """
    net, options = Network(outputs=["logits"]), LstmOptions(capped=True)
    s = net.scan(SEQUENCE)
    x, width = _embedding(s, rng, symbols, embedding), embedding
    for n in range(layers):
        name, sizes = f"l{n}", (width, size)
        h = cells.hidden_state(s, name, size, options)
        factors = [
            (
                Weights(
                    _uniform(rng, 1 / math.sqrt(rank), sizes[k % 2], rank), np.zeros(sizes[k % 2])
                ),
                Weights(_uniform(rng, 1 / math.sqrt(sizes[1 - k % 2]), rank, sizes[1 - k % 2])),
            )
            for k in range(rounds)
        ]
        x = _dropped(s, f"{name}.in", x, dropout)
        x, modulated = cells.mogrify(s, f"{name}.m", x, h, factors)
        w_x, w_h = (_uniform(rng, 1 / math.sqrt(size), 4 * size, k) for k in (width, size))
        # Forget gates begin open: cells keep what they read long enough to learn from it.
        bias = np.repeat([0.0, 1.0, 0.0, 0.0], size)
        x = cells.lstm(s, name, [(x, Weights(w_x, bias))], Weights(w_h), options, modulated)
        width = size
    x = _dropped(s, "out", x, dropout)
    if width != embedding:
        w = _uniform(rng, 1 / math.sqrt(width), embedding, width)
        x = cells.product(s, "projected", x, Weights(w, np.zeros(embedding)))
    _tied_logits(s, "logits", x, symbols)
    return net


def _norm(kind: str, length: int) -> Norm:
    if kind == "layer":
        return Norm(np.ones(length), np.zeros(length), standard=True)
    return Norm.of_layer_norm(np.ones(length), np.zeros(length))


def _embedding(s: ScanNodes, rng: np.random.Generator, symbols: int, length: int) -> str:
    return s.add(Embedding(name="x", length=length, table=_uniform(rng, 0.1, symbols, length)))


def _tied_logits(s: ScanNodes, name: str, x: str, symbols: int) -> str:
    """Products with every row of the embedding x."""
    table = next(node.table for node in s.nodes if isinstance(node, Embedding))
    return s.add(
        Product(
            name=name,
            inputs=(x,),
            length=symbols,
            bits=32,
            weights=table,
            bias=np.zeros(symbols),
            weight_format="uint8",
            tied="x",
        )
    )


def _dropped(s: ScanNodes, name: str, x: str, rate: float) -> str:
    if not rate:
        return x
    return s.add(Dropout(name=f"{name}.dropped", inputs=(x,), length=s.lengths[x], rate=rate))


def _uniform(rng: np.random.Generator, reach: float, *shape: int) -> NDArray[np.float64]:
    return rng.uniform(-reach, reach, shape)


Builder = Callable[..., Network]  # of a generator, the count of symbols, and a recipe's [network]

WORD_NETWORKS: Mapping[str, Builder] = {"norm-lstm": norm_lstm, "mogrifier": mogrifier}


def build(
    builders: Mapping[str, Builder], seed: int, symbols: int, kind: str, **parameters: Any
) -> Network:
    """The network of a recipe, by one of the builders. Raises InputError for a kind or a parameter
    that there is not."""
    if kind not in builders:
        raise InputError(f"network.kind: {kind!r}; choose {', '.join(builders)}")
    check_fields("network", builders[kind], parameters, given=("rng", "symbols"))
    return builders[kind](np.random.default_rng(seed), symbols, **parameters)
