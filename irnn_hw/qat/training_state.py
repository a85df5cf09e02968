"""What is trained, and everything that changes while it is."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from golden.container import reading
from golden.errors import InputError
from irnn_hw.qat import checkpoint
from irnn_hw.qat.config import PHASES, Schedule
from irnn_hw.qat.distributed import processes
from irnn_hw.qat.ranges import Range, moving_average

Score = Callable[[Any], float]  # of a trainee as it is
REMEDY = "name another file or --folder, or delete this one"  # of a checkpoint of another run


class Trainee(Protocol):
    """What is trained: weights, and data by the step.

    identity: what a checkpoint must have in common with it, by the name for an error; it and
    `about` are saved there. `settings` in it are named in an error where they differ. state: that
    of the recurrence, of the rows of this process; None: it starts anew.
    """

    identity: Mapping[str, str]
    about: Mapping[str, Any]
    state: Any

    def parameters(self) -> list[Tensor]:
        """What the optimizer moves."""

    def state_dict(self) -> dict[str, Tensor]:
        """The weights."""

    def load_state_dict(self, arrays: Mapping[str, Any]) -> Any:
        """Takes weights."""

    def begin(self, phase: str, ranges: Mapping[str, Range]) -> None:
        """Enters a phase. ranges: of its tensors, empty until they are gathered."""

    def observe(self, step: int) -> dict[str, Range]:
        """Ranges of the tensors over the data of a step, in full precision; moves the state."""

    def loss(self, step: int) -> tuple[Tensor, Tensor | float]:
        """In nats, and what is added to it, of the data of a step; moves the state."""


def _optimizer(config: Schedule, parameters: list[Tensor]) -> torch.optim.Optimizer:
    """A new optimizer, whose rate is set at each step."""
    kind = torch.optim.SGD if config.optimizer == "sgd" else torch.optim.AdamW
    return kind(parameters, lr=0.0, weight_decay=config.weight_decay, fused=True)


def _digest(arrays: Mapping[str, Tensor]) -> str:
    digest = sha256()
    for name, array in arrays.items():
        digest.update(name.encode() + array.cpu().numpy().tobytes())
    return digest.hexdigest()


class TrainingState:
    """Everything that changes while training, and nothing else is saved in a checkpoint."""

    def __init__(self, config: Schedule, trainee: Trainee, score: Score | None = None):
        self.config, self.trainee, self._score = config, trainee, score
        self.processes = processes()
        self.identity = {**trainee.identity, "start": ""}
        self.phase_index, self.step = 0, 0
        self.ranges: dict[str, Range] = {}
        self.float_weights: dict[str, Tensor] | None = None
        self.average: dict[str, Tensor] | None = None  # of the weights in this phase
        self.losses: dict[str, list[float]] = {name: [] for name in PHASES if name != "ranges"}
        self.scores: dict[str, list[tuple[int, float]]] = {name: [] for name in self.losses}
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._begin_phase()

    @property
    def phase(self) -> str:
        return PHASES[min(self.phase_index, len(PHASES) - 1)]

    @property
    def finished(self) -> bool:
        return self.phase_index == len(PHASES)

    @property
    def position(self) -> tuple[int, int, str]:
        """Phase, step, and what identifies the weights there."""
        return self.phase_index, self.step, _digest(self.trainee.state_dict())

    def _begin_phase(self) -> None:
        self.optimizer = _optimizer(self.config, self.trainee.parameters())
        if self.phase == "float":
            return
        if self.phase != "ranges" and self.config.steps(self.phase) and not self.ranges:
            raise InputError(
                f"{self.phase} phase: no ranges; give range_steps, or a start with some"
            )
        self.trainee.begin(self.phase, self.ranges)

    def end_phase(self) -> bool:
        """Enter the next phase when the steps of this one are done."""
        if self.step < self.config.steps(self.phase):
            return False
        if self.average is not None:
            self.trainee.load_state_dict(self.average)
            self.average = None
        if self.phase == "float" and (self.step or self.float_weights is None):
            self.float_weights = {k: v.clone() for k, v in self.trainee.state_dict().items()}
        self.phase_index, self.step, self.trainee.state = self.phase_index + 1, 0, None
        self._begin_phase()
        return True

    def advance(self) -> float:
        """One step. Returns its loss in bits (0 when gathering)."""
        loss = 0.0
        if self.phase == "ranges":
            seen = self.processes.widest(self.trainee.observe(self.step))
            for name, ends in seen.items():
                if not all(map(math.isfinite, ends)):
                    raise InputError(f"{name} is not finite; lower the rate")
            self.ranges = moving_average(self.ranges, seen, self.config.range_momentum)
        else:
            loss = self._descend()
            self.losses[self.phase].append(round(loss, 4))
        self.step += 1
        every = self.config.score_every
        if self._score is not None and every and self.step % every == 0 and self.phase != "ranges":
            self.scores[self.phase].append((self.step, self._score(self.trainee)))
        return loss

    def _descend(self) -> float:
        """One step of the optimizer. Returns the loss in bits."""
        loss, added = self.trainee.loss(self.step)
        value = self.processes.mean(loss.item()) / math.log(2)
        if not math.isfinite(value):
            raise InputError("the loss is not finite; lower the rate")
        self.optimizer.zero_grad()
        (loss + added).backward()
        moved = [p for p in self.trainee.parameters() if p.grad is not None]
        self.processes.average(p.grad for p in moved if p.grad is not None)
        norm = clip_grad_norm_(moved, self.config.clip)
        if not math.isfinite(norm.item()):
            raise InputError("the gradient is not finite; lower the rate")
        done = self.step / self.config.steps(self.phase)
        rate = self.config.rate(self.phase) * (1 + math.cos(math.pi * done)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        if self.config.averaging:
            self._average()
        return value

    @torch.no_grad()
    def _average(self) -> None:
        """The mean of the first weights of a phase, then the moving average."""
        weights = self.trainee.state_dict()
        before = weights if self.average is None else self.average
        moved = max(1 - self.config.averaging, 1 / (self.step + 1))
        self.average = {name: torch.lerp(before[name], w, moved) for name, w in weights.items()}

    def save(self, path: Path) -> None:
        """Write the checkpoint of all processes; in each of them, it is there then.

        Raises InputError, and leaves what was there, for weights that are not finite."""
        for name, weights in self.trainee.state_dict().items():
            if not weights.isfinite().all():
                raise InputError(f"weights: {name} is not finite; lower the rate")
        self.processes.agree(f"{self.phase} phase, step {self.step}: their weights", self.position)
        content = self.content()
        if self.processes.first:
            checkpoint.save(path, content)
        self.processes.wait()

    def content(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "config": asdict(self.config),
            **self.identity,
            **self.trainee.about,
            "model": self.trainee.state_dict(),
            "float_weights": self.float_weights,
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "phase": self.phase_index,
            "step": self.step,
            "state": self.processes.whole(self.trainee.state),
            "processes": self.processes.count,
            "ranges": self.ranges,
            "losses": self.losses,
            "scores": self.scores,
            "seconds": self.seconds,
            "rng": torch.get_rng_state(),
        }

    def start(self, content: dict[str, Any], path: Path) -> None:
        """Begin with the weights and ranges of another run."""
        if content["phase"] < len(PHASES):
            raise InputError(f"{path}: its training is not finished; finish it first")
        with reading(str(path), "no start of this network", "name another"):
            self.trainee.load_state_dict(content["model"])
        self.ranges, self.float_weights = content["ranges"], content["float_weights"]
        self.identity["start"] = _digest(content["model"])
        self._begin_phase()

    def restore(self, content: dict[str, Any], path: Path) -> None:
        """Go on from a checkpoint. Raises InputError, naming the field, for one of another run."""
        if any(name not in content for name in self.trainee.identity):
            raise InputError(f"{path}: of a network of another kind; {REMEDY}")
        difference = self._difference(content)
        if difference:
            raise InputError(f"{path}: of another configuration ({difference}); {REMEDY}")
        for name, value in self.identity.items():
            if content.get(name, "") != value:
                raise InputError(f"{path}: of another {name}; {REMEDY}")
        here = torch.get_default_device()
        self.phase_index, self.step = content["phase"], content["step"]
        self.trainee.state = checkpoint.placed(self.processes.own(content["state"]), here)
        self.ranges = content["ranges"]
        self.losses, self.seconds = content["losses"], content["seconds"]
        self.scores = content["scores"]
        self.float_weights = content["float_weights"]
        self.average = checkpoint.placed(content["average"], here)
        self.trainee.load_state_dict(content["model"])
        self._begin_phase()
        self.optimizer.load_state_dict(content["optimizer"])
        torch.set_rng_state(content["rng"])

    def _difference(self, content: dict[str, Any]) -> str:
        """Fields in which a checkpoint is of another run, as text; empty: none."""
        mine = self.trainee.about.get("settings", {})
        here = {**mine, "processes": self.processes.count}
        there = {**content.get("settings", mine), "processes": content.get("processes", 1)}
        fields = (
            f"{name} {there.get(name, 'none')} there, {here.get(name, 'none')} here"
            for name in {**here, **there}
            if there.get(name) != here.get(name)
        )
        return ", ".join(filter(None, [self.config.difference(content["config"]), *fields]))
