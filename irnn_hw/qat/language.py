"""Word language models: the networks of the paper's section 5.1, with random weights, and their
perplexity."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from golden.feed import Feed
from irnn_hw.data.words import Tokens
from irnn_hw.qat.scans import Run
from irnn_hw.qat.streams import Streams
from irnn_hw.quant import cells
from irnn_hw.quant.cells import LstmOptions, Norm, Weights
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Dropout, Embedding

SEQUENCE = "text"
WINDOW = 35  # time steps at once, which changes no figure
TOO_MUCH = 700.0  # nats: exp of more is beyond float64


def norm_lstm(symbols: int, size: int, dropout: float, seed: int) -> Network:
    """Embedding, an LSTM with MadNorm in place of LayerNorm (Ba et al. 2016), 32-bit logits.

    size: of embedding and state. dropout: of what the LSTM reads, and of what it gives.
    """
    rng, reach = np.random.default_rng(seed), 1 / math.sqrt(size)
    net = Network(outputs=["logits"])
    s = net.scan(SEQUENCE)
    table = _uniform(rng, 0.1, symbols, size)
    x = s.add(Embedding(name="x", length=size, table=table))
    x = s.add(Dropout(name="x.dropped", inputs=(x,), length=size, rate=dropout))
    w_x, w_h = (Weights(_uniform(rng, reach, 4 * size, size)) for _ in range(2))
    norms = tuple(Norm.of_layer_norm(np.ones(n), np.zeros(n)) for n in (4 * size, 4 * size, size))
    options = LstmOptions(norms=norms, bias=np.zeros(4 * size))
    h = cells.lstm(s, "lstm", [(x, w_x)], w_h, options)
    h = s.add(Dropout(name="h.dropped", inputs=(h,), length=size, rate=dropout))
    w_o = Weights(_uniform(rng, 0.1, symbols, size), np.zeros(symbols))
    cells.product(s, "logits", h, w_o, 32)
    return net


def _uniform(rng: np.random.Generator, reach: float, *shape: int) -> NDArray[np.float64]:
    return rng.uniform(-reach, reach, shape)


@torch.no_grad()
def perplexity(
    run: Callable[[Feed, Mapping[str, Tensor] | None], Run],
    unit: float,
    tokens: Tokens,
    batch: int = 10,
) -> float:
    """exp of the mean loss in nats over every token but the first, in `batch` streams; infinite
    where that is no number.

    run: the network over a feed, from states. unit: the real value of one unit of its logits.
    Raises InputError for fewer tokens than fill a window of each stream.
    """
    text = Streams.of(tokens.astype(np.int64), batch, WINDOW, "tokens")
    states, nats = None, 0.0
    windows = zip(text.inputs.split(WINDOW), text.targets.split(WINDOW), strict=True)
    for inputs, targets in windows:
        taken = run(Feed(inputs.T.numpy()), states)
        outputs, states = taken.traces.reals(lambda name: unit), taken.states
        nats += outputs.cross_entropy("logits", targets).item() * targets.numel()
    mean = nats / text.targets.numel()
    return math.exp(mean) if mean < TOO_MUCH else math.inf
