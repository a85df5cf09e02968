"""Any network as what `irnn_hw.qat.phases` trains: in real numbers, then on its integers."""

import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from golden.errors import InputError
from golden.feed import Feed
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.compiled import available
from irnn_hw.qat.config import PHASES, Schedule
from irnn_hw.qat.distributed import Processes, processes
from irnn_hw.qat.integer import Integer
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.partial import quantized
from irnn_hw.qat.penalty import cell_penalty
from irnn_hw.qat.phases import Progress, TrainResult, run_phases
from irnn_hw.qat.ranges import Range
from irnn_hw.qat.readout import Outputs
from irnn_hw.qat.real import Reals, observe, real
from irnn_hw.qat.streams import Streams
from irnn_hw.qat.structure import describe
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Dropout
from irnn_hw.quant.quantize import Choices

Model = Reals | Integer


@dataclass(frozen=True)
class Window:
    """Data of one step of training. feeds: by sequence, with real inputs. targets: for the loss.
    fresh: states start at zero; else they go on from the last window."""

    feeds: Mapping[str, Feed]
    targets: Any
    fresh: bool = True

    def part(self, among: Processes) -> "Window":
        """The rows of this process.

        Raises InputError where they do not divide, or targets are no tensor (T, batch, ...)."""
        if among.count == 1:
            return self
        for feed in self.feeds.values():
            among.check(Batch.of(feed).shape[1])
        if not isinstance(self.targets, Tensor):
            raise InputError("targets: no tensor (T, batch, ...) to divide; train in one process")
        feeds = {name: _rows(feed, among.rows) for name, feed in self.feeds.items()}
        return Window(feeds, self.targets[:, among.rows], self.fresh)


def _rows(feed: Feed, rows: slice) -> Feed:
    def cut(x: ArrayLike | None) -> ArrayLike | None:
        return None if x is None else np.asarray(x)[rows]

    inputs = {name: np.asarray(x)[rows] for name, x in feed.inputs.items()}
    return Feed(cut(feed.tokens), inputs, cut(feed.lengths))


@dataclass(frozen=True)
class Task:
    """What a network is trained for.

    window: the data of a step, the same whenever it is asked. loss: of the network's outputs, as
    real numbers, and the targets, in nats; a mean over the batch, of which several processes take
    the mean of theirs. data: identifies the data, for checkpoints; settings: what else decides the
    numbers, by the name for an error. metadata: of the exported model. frozen: arrays that stay
    as they are, by `node.field`. score: of the network as it is, every `score_every` steps.
    """

    network: Network
    window: Callable[[int], Window]
    loss: Callable[[Outputs, Any], Tensor]
    data: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    frozen: Collection[str] = ()
    score: Callable[[Model], float] | None = None


def train_network(
    config: Schedule,
    task: Task,
    path: Path,
    progress: Progress | None = None,
    start: Path | None = None,
) -> TrainResult:
    """Train the network of a task to the end, as `phases.run_phases` says."""

    def score(trainee: NetworkTrainee) -> float:
        return math.nan if task.score is None else task.score(trainee.model())

    return run_phases(config, lambda: NetworkTrainee(config, task), path, progress, start, score)


def language_task(
    network: Network, symbols: np.ndarray, batch: int, window: int, source: str
) -> Task:
    """The next of the symbols (N,) from those before it, in streams read in windows.

    The network reads one sequence of symbols, and its only output is their logits. source: names
    the text. Raises InputError for a text that does not fill a window.
    """
    streams = Streams.of(np.asarray(symbols, np.int64), batch, window, source)
    (sequence,) = {scan.sequence for scan in network.scans}
    (logits,) = network.outputs

    def of_step(step: int) -> Window:
        w = streams.window(step)
        return Window({sequence: Feed(w.inputs.T.cpu().numpy())}, w.targets, w.fresh)

    def loss(outputs: Outputs, targets: Tensor) -> Tensor:
        return outputs.cross_entropy(logits, targets)

    digest = hashlib.sha256(np.ascontiguousarray(symbols, np.int64).tobytes()).hexdigest()
    settings = {"batch": batch, "window": window}
    return Task(network, of_step, loss, digest, settings=settings)


class NetworkTrainee:
    """A network and its task. state: of the recurrence, real numbers or centred codes."""

    def __init__(self, config: Schedule, task: Task):
        self.config, self.task, self.processes = config, task, processes()
        self.masters = Masters(task.network)
        for name in task.frozen:
            if name not in self.masters:
                raise InputError(f"frozen: no array {name}; there are {', '.join(self.masters)}")
            self.masters[name].requires_grad_(False)
        described = describe(task.network)
        structure = hashlib.sha256(repr(described).encode()).hexdigest()
        self.identity = {"network": structure, "data": task.data}
        self.about = {
            "structure": described,
            "metadata": dict(task.metadata),
            "settings": dict(task.settings),
        }
        self.state: dict[str, Tensor] | None = None
        self.phase = PHASES[0]
        self.ranges: Mapping[str, Range] = {}
        self._tapes = available() if config.compiled else None
        self._real = real(self.masters, dropping=True, tapes=self._tapes)
        self.state_dict = self.masters.state_dict
        self.load_state_dict = self.masters.load_state_dict

    def parameters(self) -> list[Tensor]:
        return [p for p in self.masters.values() if p.requires_grad]

    def begin(self, phase: str, ranges: Mapping[str, Range]) -> None:
        self.phase, self.ranges = phase, ranges

    def model(self) -> Model:
        """The network as it is now, in evaluation."""
        if self.phase in ("float", "ranges"):
            return Reals(self.masters, self._tapes)
        return self._quantized(self.config.choices(self.phase), dropping=False)

    def _quantized(self, choices: Choices, dropping: bool) -> Model:
        """The network on codes, as far as the schedule says."""
        stage = self.config.quantized
        return quantized(self.masters, self.ranges, stage, choices, dropping, self._tapes)

    def _window(self, step: int) -> Window:
        window = self.task.window(step).part(self.processes)
        if window.fresh:
            self.state = None
        return window

    def observe(self, step: int) -> dict[str, Range]:
        feeds = {name: Batch.of(feed) for name, feed in self._window(step).feeds.items()}
        seen, self.state = observe(self.masters, feeds, self.state)
        return seen

    def loss(self, step: int) -> tuple[Tensor, Tensor | float]:
        window = self._window(step)
        rng = np.random.default_rng([self.config.seed, PHASES.index(self.phase), step])
        if self.phase == "float":
            feeds = {name: Batch.of(feed) for name, feed in window.feeds.items()}
            run = self._real.run(self._dropping(feeds, rng), self.state)
            outputs = run.traces
        else:
            choices = self.config.choices(self.phase)
            if self.config.stochastic:
                choices = replace(choices, rng=rng)
            now = self._quantized(choices, dropping=True)
            feeds = {name: now.feed(feed) for name, feed in window.feeds.items()}
            run = now.run(self._dropping(feeds, rng), self.state)
            outputs = run.traces.reals(now.unit)
        self.state = {name: x.detach() for name, x in run.states.items()}
        cells = [x for name, x in run.states.items() if name.rsplit(".")[-1] == "c"]
        added = cell_penalty(self.config, cells) if self.phase == "float" else 0.0
        return self.task.loss(outputs, window.targets), added

    def _dropping(self, feeds: Mapping[str, Batch], rng: np.random.Generator) -> dict[str, Batch]:
        """The feeds with what each dropout keeps, drawn at random for the whole batch."""
        taken = dict(feeds)
        for scan in self.task.network.scans:
            steps, batch = feeds[scan.sequence].shape
            kept = {}
            for node in scan.nodes:
                if isinstance(node, Dropout):
                    drawn = rng.random((steps, batch * self.processes.count, node.length))
                    keep = drawn[:, self.processes.rows] >= node.rate
                    kept[node.name] = torch.as_tensor(keep).float()
            if kept:
                before = taken[scan.sequence]
                taken[scan.sequence] = replace(before, kept={**before.kept, **kept})
        return taken
