"""Connected digits: an encoder-decoder with attention (the paper's section 5.3), and its task.

The decoder reads the digit before, END at first, and gives the next one, END at last.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from golden.feed import Feed
from irnn_hw.data.digits import (
    DIGITS,
    END,
    FEATURES,
    LONGEST,
    SPEECH,
    TEXT,
    Recordings,
    Voices,
    heard,
    speak,
)
from irnn_hw.qat.readout import Outputs
from irnn_hw.qat.trainee import Model, Task, Window
from irnn_hw.quant import cells
from irnn_hw.quant.cells import LSTM_GATES, LstmOptions, Weights
from irnn_hw.quant.compound import Attend
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Dropout, Embedding, Input
from irnn_hw.quant.params import Float64
from irnn_hw.quant.presets import preset_named
from irnn_hw.recipes.networks import Builder
from irnn_hw.recognition import MOST, Digits, greedy


def speech_network(
    rng: np.random.Generator,
    symbols: int,
    preset: str,
    size: int,
    dropout: float = 0.0,
    attention_bits: int = 16,
) -> Network:
    """A BiLSTM encoder, additive attention, an LSTM decoder: each of `size`, with random weights.

    preset: bits of gates and cells. dropout: of what the encoder gives, and of what the decoder
    gives. attention_bits: of sums and scores.
    """
    random, options = _Random(rng, size), preset_named(preset).lstm()
    net = Network(outputs=["logits"])
    memory, key = _encoder(net, random, options, dropout)
    s = net.scan(TEXT)
    table = rng.normal(0, 1, (symbols, size))
    x = s.add(Embedding(name="symbol", length=size, table=table))
    h = cells.hidden_state(s, "decoder", size, options)
    query, v = cells.product(s, "query", h, random.weights(size, size)), random.uniform(size)
    context = s.add(
        Attend(name="context", inputs=(query, key, memory), length=2 * size, memory=SPEECH, v=v,
               score_bits=attention_bits)
    )  # fmt: skip
    sources = [(x, random.gates(size)), (context, random.unbiased(4 * size, 2 * size))]
    h = cells.lstm(s, "decoder", sources, random.unbiased(4 * size, size), options, h)
    h = s.add(Dropout(name="decoder.dropped", inputs=(h,), length=size, rate=dropout))
    cells.product(s, "logits", h, random.weights(symbols, size), 32)
    return net


class _Random:
    """Weights for states of `size`."""

    def __init__(self, rng: np.random.Generator, size: int):
        self._rng, self.size = rng, size

    def uniform(self, *shape: int) -> Float64:
        reach = 1 / math.sqrt(self.size)
        return self._rng.uniform(-reach, reach, shape)

    def unbiased(self, rows: int, columns: int) -> Weights:
        return Weights(self.uniform(rows, columns))

    def weights(self, rows: int, columns: int) -> Weights:
        return Weights(self.uniform(rows, columns), np.zeros(rows))

    def gates(self, columns: int) -> Weights:
        """Of an LSTM's input. The gates of forgetting start open: else it is late to learn."""
        bias = np.repeat([float(gate == "f") for gate in LSTM_GATES], self.size)
        return Weights(self.uniform(len(bias), columns), bias)


SPEECH_NETWORKS: Mapping[str, Builder] = {"speech": speech_network}


def _encoder(
    net: Network, random: _Random, options: LstmOptions, dropout: float
) -> tuple[str, str]:
    """What is attended to, and its keys."""
    size, halves = random.size, list[str]()
    for side in ("forward", "backward"):
        s = net.scan(SPEECH, reverse=side == "backward")
        if not halves:
            s.add(Input(name="features", length=FEATURES))
        sources, w_h = [("features", random.gates(FEATURES))], random.unbiased(4 * size, size)
        halves.append(cells.lstm(s, f"encoder.{side}", sources, w_h, options))
    s = net.scan(SPEECH)
    both = cells.concatenate(s, "memory", *halves)
    memory = s.add(Dropout(name="memory.dropped", inputs=(both,), length=2 * size, rate=dropout))
    return memory, cells.product(s, "key", memory, random.unbiased(size, 2 * size))


def speech_task(
    network: Network,
    recordings: Recordings,
    voices: Voices,
    batch: int = 32,
    curriculum: int = 0,
    smoothing: float = 0.05,
    seed: int = 1,
) -> Task:
    """Strings of the voices, drawn anew at each step; those of a step have as many digits.

    curriculum: steps of a phase over which strings grow to their full length; 0: for what has been
    trained before. smoothing: of the labels.
    """

    def window(step: int) -> Window:
        rng = np.random.default_rng([seed, step])
        longest = LONGEST if step >= curriculum else 1 + step * LONGEST // curriculum
        size = rng.integers(1, longest + 1)
        spoken = [
            speak(recordings, voices, rng.integers(0, DIGITS, size).tolist(), rng)
            for _ in range(batch)
        ]
        digits = np.array([s.digits for s in spoken])
        ends = np.full((batch, 1), END)
        feeds = {SPEECH: heard(spoken), TEXT: Feed(np.hstack([ends, digits]))}
        return Window(feeds, torch.as_tensor(np.hstack([digits, ends]).T))

    def loss(outputs: Outputs, targets: Tensor) -> Tensor:
        logits = outputs["logits"].flatten(0, 1)
        return cross_entropy(logits, targets.flatten(), label_smoothing=smoothing)

    settings = {"voices": repr(voices), "batch": batch, "curriculum": curriculum,
                "smoothing": smoothing, "data seed": seed}  # fmt: skip
    return Task(network, window, loss, recordings.sha256, settings=settings)


@torch.no_grad()
def decode(model: Model, speech: Feed, most: int = MOST) -> list[Digits]:
    """The digits of each string, by `greedy`. Each symbol is found by a run over all before it."""
    given, count = model.feed(speech), np.shape(speech.inputs["features"])[0]

    def logits(symbols: NDArray[np.int64]) -> NDArray[Any]:
        run = model.run({SPEECH: given, TEXT: model.feed(Feed(symbols))})
        return run.traces["logits"][-1].cpu().numpy()

    return greedy(logits, count, most)
