"""The networks of a checkpoint: the exported IntModel, and logits of the training modules."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from golden.errors import InputError
from golden.model import IntModel
from irnn_hw.data.corpus import UNKNOWN, Corpus
from irnn_hw.evaluate import STREAMS, bits_per_character, held_out_streams
from irnn_hw.qat import checkpoint
from irnn_hw.qat.config import PHASES, TrainConfig
from irnn_hw.qat.frozen import Frozen
from irnn_hw.qat.model import CharLM
from irnn_hw.qat.snapshot import network, snapshot
from irnn_hw.qat.train import frozen_of, quantized, threads
from irnn_hw.quant.network import Network
from irnn_hw.quant.quantize import labels

CHUNK = 256  # time steps whose logits are held at once


@dataclass(frozen=True)
class _Restored:
    """What a checkpoint says of its networks."""

    content: dict[str, Any]
    config: TrainConfig

    def network(self, weights: str) -> CharLM:
        """The module with the weights saved under that name."""
        c = self.config
        model = CharLM(len(self.content["vocabulary"]), c.embedding, c.hidden)
        model.load_state_dict(self.content[weights])
        return model

    @property
    def frozen(self) -> Frozen:
        """Parameters and activations of the last quantized phase that was entered."""
        done = [p for p in self.content["losses"] if self.content["losses"][p]]
        return frozen_of(self.content["ranges"], done[-1], self.config)


def _restore(path: Path, needs: str) -> _Restored:
    """The checkpoint at path. Raises InputError unless the `needs` phase has trained."""
    content = checkpoint.load(path)
    if content["phase"] < PHASES.index(needs) or not content["losses"][needs]:
        at = PHASES[min(content["phase"], len(PHASES) - 1)]
        raise InputError(f"{path}: training stopped in the {at} phase; resume it with `irnn train`")
    return _Restored(content, TrainConfig(**content["config"]))


def export_model(path: Path) -> IntModel:
    """The integer network of the checkpoint at `path`.

    Raises InputError where quantized training has not begun, or a constant does not fit.
    """
    restored = _restore(path, "lut")
    vocabulary = restored.content["vocabulary"]
    metadata = {
        "task": "char-lm",
        "vocabulary": vocabulary,
        "unknown": vocabulary.index(UNKNOWN),
        "corpus_sha256": restored.content["corpus"],
        "multiplier_width": restored.config.multiplier_width,
    }
    weights = restored.network("model").weights()
    taken = snapshot(weights, restored.frozen, restored.config.multiplier_width, metadata)
    return replace(taken.model, metadata=metadata | labels(network(weights), taken.params))


def float_network(path: Path) -> Network:
    """The weights of the exported network of a checkpoint, in real numbers."""
    return network(_restore(path, "lut").network("model").weights())


@torch.no_grad()
def integer_logits(path: Path, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Logits (streams, T, V) of the training module in evaluation, tokens (streams, T)."""
    restored = _restore(path, "lut")
    with threads(restored.config.threads):
        network = quantized(restored.network("model"), restored.frozen, restored.config)
        state = network.initial_state(len(tokens))
        parts = []
        for chunk in torch.from_numpy(tokens.T.copy()).split(CHUNK):
            logits, state = network.forward(chunk, state)
            parts.append(logits.transpose(0, 1).long().numpy())
    return np.concatenate(parts, axis=1)


@torch.no_grad()
def float_logits(path: Path, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logits (streams, T, V) of the network at the end of the full-precision phase."""
    restored = _restore(path, "float")
    weights = "model" if restored.content["float_weights"] is None else "float_weights"
    with threads(restored.config.threads):
        network = restored.network(weights)
        logits, _ = network(torch.from_numpy(tokens.T.copy()), network.initial_state(len(tokens)))
    return logits.transpose(0, 1).double().numpy()


def evaluate_float(path: Path, corpus: Corpus, streams: int = STREAMS) -> float:
    """Bits per character of the full-precision network on the held-out text, in streams."""
    inputs, targets = held_out_streams(corpus, streams)
    return bits_per_character(float_logits(path, inputs), targets)
