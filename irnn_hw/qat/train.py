"""Training in four phases: full precision, ranges, quantized with tables, quantized with PWL."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from golden.errors import InputError
from irnn_hw.data.corpus import Corpus
from irnn_hw.qat import checkpoint
from irnn_hw.qat.config import PHASES, TrainConfig
from irnn_hw.qat.frozen import Frozen, freeze
from irnn_hw.qat.lstm import QuantizedLSTM
from irnn_hw.qat.model import CharLM
from irnn_hw.qat.ranges import Range, moving_average
from irnn_hw.qat.snapshot import snapshot

# phase, steps done in it, its steps, the last loss in bits per character
Progress = Callable[[str, int, int, float], None]


@dataclass(frozen=True)
class TrainResult:
    """losses: bits per character of every step, by phase. seconds: wall time, by phase."""

    losses: dict[str, list[float]]
    seconds: dict[str, float]


def train(
    config: TrainConfig, corpus: Corpus, path: Path, progress: Progress | None = None
) -> TrainResult:
    """Train to the end, from the checkpoint at `path` where there is one, and leave it there.

    An interrupted run that is called again gives the numbers of one that was not. The weights of
    the last step are the result: nothing is chosen on held-out text. Raises InputError for a
    corpus that is too short, or a checkpoint that is broken or of another configuration or corpus.
    """
    with threads(config.threads):
        run = _Run(config, corpus)
        if path.exists():
            run.restore(checkpoint.load(path), path)
        while not run.finished:
            started = time.perf_counter()
            loss = run.advance()
            run.seconds[run.phase] += time.perf_counter() - started
            if progress is not None:
                progress(run.phase, run.step, config.steps(run.phase), loss)
            ended = run.end_phase()
            if ended or run.step % config.checkpoint_every == 0:
                checkpoint.save(path, run.content())
    return TrainResult(run.losses, run.seconds)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch on `count` threads, inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Run:
    """Everything that changes while training, and nothing else is saved in a checkpoint."""

    def __init__(self, config: TrainConfig, corpus: Corpus):
        self.config, self.corpus = config, corpus
        self.inputs, self.targets = _streams(corpus, config)
        torch.manual_seed(config.seed)
        self.model = CharLM(len(corpus.vocabulary), config.embedding, config.hidden)
        self.phase_index, self.step = 0, 0
        self.ranges: dict[str, Range] = {}
        self.float_weights: dict[str, Tensor] | None = None
        self.losses: dict[str, list[float]] = {name: [] for name in PHASES if name != "ranges"}
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.state: tuple[Tensor, Tensor] | None = None
        self._begin_phase()

    @property
    def phase(self) -> str:
        return PHASES[min(self.phase_index, len(PHASES) - 1)]

    @property
    def finished(self) -> bool:
        return self.phase_index == len(PHASES)

    def _begin_phase(self) -> None:
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=0.0, weight_decay=self.config.weight_decay
        )
        self.frozen: Frozen | None = None
        if self.phase in ("lut", "pwl"):
            self.frozen = frozen_of(self.ranges, self.phase, self.config)

    def end_phase(self) -> bool:
        """Enter the next phase when the steps of this one are done."""
        if self.step < self.config.steps(self.phase):
            return False
        if self.phase == "float":
            self.float_weights = {k: v.clone() for k, v in self.model.state_dict().items()}
        self.phase_index, self.step, self.state = self.phase_index + 1, 0, None
        self._begin_phase()
        return True

    def advance(self) -> float:
        """One window of the corpus. Returns its loss in bits per character (0 when gathering)."""
        first = self.step * self.config.window % (len(self.inputs) - self.config.window + 1)
        first -= first % self.config.window
        if first == 0:
            self.state = None
        rows = slice(first, first + self.config.window)
        inputs, targets = self.inputs[rows], self.targets[rows]
        loss = 0.0
        if self.phase == "ranges":
            state = self.state or self.model.initial_state(self.config.batch)
            window, self.state = self.model.observe(inputs, state)
            self.ranges = moving_average(self.ranges, window, self.config.range_momentum)
        else:
            loss = self._descend(inputs, targets)
            self.losses[self.phase].append(round(loss, 4))
        self.step += 1
        return loss

    def _descend(self, inputs: Tensor, targets: Tensor) -> float:
        """One step of Adam on one window. Returns the loss in bits per character."""
        logits, state = self._forward(inputs)
        self.state = (state[0].detach(), state[1].detach())
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.optimizer.zero_grad()
        (loss + self._penalty(state[1])).backward()
        clip_grad_norm_(self.model.parameters(), self.config.clip)
        done = self.step / self.config.steps(self.phase)
        rate = self.config.rate(self.phase) * (1 + math.cos(math.pi * done)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        value = loss.item() / math.log(2)
        if not math.isfinite(value):
            raise InputError(f"{self.phase} phase: the loss is not finite; lower the rate")
        return value

    def _penalty(self, c: Tensor) -> Tensor | float:
        """Keeps the cell state small in full precision; later its frozen range does."""
        if self.frozen is not None:
            return 0.0
        beyond = (c.abs() - self.config.cell_limit).relu()
        return self.config.cell_penalty * beyond.square().sum(dim=-1).mean()

    def _forward(self, inputs: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if self.frozen is None:
            state = self.state or self.model.initial_state(inputs.shape[1])
            logits, state = self.model(inputs, state)
            return logits, state
        network = quantized(self.model, self.frozen, self.config)
        state = self.state or network.initial_state(inputs.shape[1])
        accumulators, state = network.forward(inputs, state)
        return accumulators.float() * network.output_unit, state

    def content(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "config": asdict(self.config),
            "corpus": self.corpus.sha256,
            "vocabulary": self.corpus.vocabulary,
            "model": self.model.state_dict(),
            "float_weights": self.float_weights,
            "optimizer": self.optimizer.state_dict(),
            "phase": self.phase_index,
            "step": self.step,
            "state": self.state,
            "ranges": self.ranges,
            "losses": self.losses,
            "seconds": self.seconds,
            "rng": torch.get_rng_state(),
        }

    def restore(self, content: dict[str, Any], path: Path) -> None:
        difference = self.config.difference(content["config"])
        if difference:
            raise InputError(f"{path}: of another configuration ({difference}); name another file")
        if content["corpus"] != self.corpus.sha256:
            raise InputError(f"{path}: of another corpus; name another file")
        self.phase_index, self.step = content["phase"], content["step"]
        self.state, self.ranges = content["state"], content["ranges"]
        self.losses, self.seconds = content["losses"], content["seconds"]
        self.float_weights = content["float_weights"]
        self.model.load_state_dict(content["model"])
        self._begin_phase()
        self.optimizer.load_state_dict(content["optimizer"])
        torch.set_rng_state(content["rng"])


def _streams(corpus: Corpus, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Inputs and targets (steps, batch): `batch` parallel streams of the training text."""
    codes = corpus.encode(corpus.train)
    length = (len(codes) - 1) // config.batch
    if length < config.window:
        raise InputError(
            f"corpus {corpus.name}: {len(codes)} characters do not fill {config.batch} streams of "
            f"{config.window}; give a longer text"
        )
    inputs, targets = (
        np.ascontiguousarray(c[: config.batch * length].reshape(config.batch, length).T)
        for c in (codes, codes[1:])
    )
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def frozen_of(ranges: dict[str, Range], phase: str, config: TrainConfig) -> Frozen:
    """Frozen parameters, with the activations of the phase."""
    return freeze(ranges, config.pieces if phase == "pwl" else None)


def quantized(model: CharLM, frozen: Frozen, config: TrainConfig) -> QuantizedLSTM:
    """The integer network at this moment of training, tied to the master weights."""
    taken = snapshot(model.weights(), frozen, config.multiplier_width)
    return QuantizedLSTM(taken, frozen, model.masters())
