"""Training of the character language model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from golden.errors import InputError
from golden.model import SEQUENCE
from irnn_hw.data.corpus import Corpus
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.config import TrainConfig
from irnn_hw.qat.distributed import processes
from irnn_hw.qat.integer import integer
from irnn_hw.qat.model import CharLM, CharMasters
from irnn_hw.qat.penalty import cell_penalty
from irnn_hw.qat.phases import Progress, TrainResult, run_phases
from irnn_hw.qat.ranges import Range
from irnn_hw.qat.streams import Streams


def train(
    config: TrainConfig, corpus: Corpus, path: Path, progress: Progress | None = None
) -> TrainResult:
    """Train to the end, from the checkpoint at `path` where there is one (`phases.run_phases`).

    Raises InputError for a corpus that is too short, or a checkpoint that is broken or of another
    configuration or corpus.
    """
    if processes().count > 1:
        raise InputError("processes: a character model trains in one; give a recipe")
    return run_phases(config, lambda: CharTrainee(config, corpus), path, progress)


class CharTrainee:
    """A CharLM on streams of a corpus. state: of nn.LSTM in full precision, then centred codes."""

    def __init__(self, config: TrainConfig, corpus: Corpus):
        self.config = config
        self.streams = Streams.of(
            corpus.encode(corpus.train), config.batch, config.window, f"corpus {corpus.name}"
        )
        self.model = CharLM(len(corpus.vocabulary), config.embedding, config.hidden)
        self.identity = {"corpus": corpus.sha256}
        self.about = {"vocabulary": corpus.vocabulary}
        self.state: Any = None
        self.phase, self.ranges = "float", dict[str, Range]()
        self.state_dict, self.load_state_dict = self.model.state_dict, self.model.load_state_dict

    def parameters(self) -> list[Tensor]:
        return list(self.model.parameters())

    def begin(self, phase: str, ranges: Mapping[str, Range]) -> None:
        self.phase, self.ranges = phase, dict(ranges)

    def _window(self, step: int) -> tuple[Tensor, Tensor]:
        window = self.streams.window(step)
        if window.fresh:
            self.state = None
        return window.inputs, window.targets

    def observe(self, step: int) -> dict[str, Range]:
        inputs, _ = self._window(step)
        state = self.state or self.model.initial_state(self.config.batch)
        seen, self.state = self.model.observe(inputs, state)
        return seen

    def loss(self, step: int) -> tuple[Tensor, Tensor | float]:
        inputs, targets = self._window(step)
        logits, added = self._full(inputs) if self.phase == "float" else self._quantized(inputs)
        return cross_entropy(logits.flatten(0, 1), targets.flatten()), added

    def _full(self, inputs: Tensor) -> tuple[Tensor, Tensor | float]:
        """Logits on stock modules, and what keeps the cell state small."""
        state = self.state or self.model.initial_state(inputs.shape[1])
        logits, (h, c) = self.model(inputs, state)
        self.state = h.detach(), c.detach()
        return logits, cell_penalty(self.config, c)

    def _quantized(self, inputs: Tensor) -> tuple[Tensor, float]:
        now = integer(CharMasters(self.model), self.ranges, self.config.choices(self.phase))
        run = now.run({SEQUENCE: Batch(inputs)}, self.state)
        self.state = {name: x.detach() for name, x in run.states.items()}
        return run.traces["logits"].float() * now.unit("logits"), 0.0
