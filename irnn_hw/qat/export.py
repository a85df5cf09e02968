"""The networks of a checkpoint: the exported IntModel, and logits of the training modules."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from golden.model import SEQUENCE, IntModel
from irnn_hw.data.corpus import Corpus
from irnn_hw.evaluate import bits_per_character
from irnn_hw.held_out import STREAMS, held_out_streams
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.phases import threads
from irnn_hw.qat.restored import restore
from irnn_hw.quant.network import Network, without_dropout
from irnn_hw.quant.quantize import labels

CHUNK = 256  # time steps whose logits are held at once


def export_model(path: Path) -> IntModel:
    """The integer network of the checkpoint at `path`.

    Raises InputError where quantized training has not begun, or a constant does not fit.
    """
    restored = restore(path, "lut")
    taken = restored.integer().taken
    names = labels(float_network(path), taken.params)
    return replace(taken.model, metadata=restored.metadata | names)


def float_network(path: Path) -> Network:
    """The weights of the exported network of a checkpoint, in real numbers."""
    return without_dropout(restore(path, "lut").masters().network())


@torch.no_grad()
def integer_logits(path: Path, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Logits (streams, T, V) of the character language model's training module in evaluation,
    tokens (streams, T)."""
    restored = restore(path, "lut")
    with threads(restored.config.threads):
        now, states, parts = restored.integer(), None, []
        for chunk in torch.as_tensor(tokens.T.copy()).split(CHUNK):
            run = now.run({SEQUENCE: Batch(chunk)}, states)
            parts.append(now.twin.codes("logits", run.traces["logits"]))
            states = run.states
    return np.concatenate(parts, axis=1)


@torch.no_grad()
def float_logits(path: Path, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logits (streams, T, V) of the character language model at the end of full precision."""
    restored = restore(path, "float")
    weights = "model" if restored.content["float_weights"] is None else "float_weights"
    with threads(restored.config.threads):
        network = restored.char_model(weights)
        logits, _ = network(torch.as_tensor(tokens.T.copy()), network.initial_state(len(tokens)))
    return logits.transpose(0, 1).double().cpu().numpy()


def evaluate_float(path: Path, corpus: Corpus, streams: int = STREAMS) -> float:
    """Bits per character of the full-precision network on the held-out text, in streams."""
    inputs, targets = held_out_streams(corpus, streams)
    return bits_per_character(float_logits(path, inputs), targets)
