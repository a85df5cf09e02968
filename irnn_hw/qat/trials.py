"""Runs of recipes: schedules, training from each other's checkpoints, scores."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from golden.container import reading
from golden.errors import InputError
from irnn_hw.qat.compiled import available
from irnn_hw.qat.config import ALL, PHASES, STEPS, Schedule
from irnn_hw.qat.experiments import Experiment
from irnn_hw.qat.phases import Progress, TrainResult, threads
from irnn_hw.qat.real import Reals
from irnn_hw.qat.restored import Restored, restore
from irnn_hw.qat.trainee import Model, train_network
from irnn_hw.recipes.recipe import Recipe, Run, check_type
from irnn_hw.recipes.results import Result

EPOCHS = "_epochs"  # a field of a schedule, in passes in place of steps


def schedule(recipe: Recipe, run: Run, seed: int, epoch: int) -> Schedule:
    """Of a run. epoch: steps of a pass over the corpus.

    Raises InputError for a field that is unknown, of another type, or outside of its domain."""
    given: dict[str, Any] = dict.fromkeys(STEPS.values(), 0)
    types = {f.name: f.type for f in fields(Schedule) if f.name != "seed"}
    with reading(f"recipe {recipe.name}, run {run.name!r}", "no schedule", "correct it"):
        for name, value in run.schedule.items():
            if name.endswith(EPOCHS):
                check_type(name, value, float)
                name, value = name.removesuffix(EPOCHS) + "_steps", round(value * epoch)
            given[name] = value
        for name, value in given.items():
            if name not in types:
                raise InputError(f"no field {name} of a schedule; there are {', '.join(types)}")
            check_type(name, value, types[name])
        return Schedule(**given, seed=seed, score_every=epoch)


@dataclass(frozen=True)
class Trial:
    """One run of a recipe with one seed. path: of its checkpoint."""

    recipe: Recipe
    run: Run
    seed: int
    folder: Path

    @property
    def label(self) -> str:
        return f"seed {self.seed}, {self.run.name}"

    @property
    def path(self) -> Path:
        return self.folder / str(self.seed) / f"{self.run.name}.pt"

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its numbers beside the schedule, by field of the recipe."""
        parts = {"data": self.recipe.data, "network": self.run.network}
        return {f"{part}.{name}": v for part, of in parts.items() for name, v in of.items()}

    @property
    def start(self) -> "Trial | None":
        """That of the run it starts from."""
        name = self.run.start
        return None if name is None else replace(self, run=self.recipe.runs[name])


def train_trial(
    trial: Trial,
    of: Experiment,
    progress: Progress | None = None,
    scored: Callable[[float], None] | None = None,
) -> Result:
    """Train a run to the end, from its checkpoint where there is one, and score it.

    scored: called with each score of the validation part on the way.
    """
    recipe, run, start = trial.recipe, trial.run, trial.start
    config = schedule(recipe, run, trial.seed, of.epoch)

    def score(model: Model) -> float:
        found = of.score(model, of.parts[0])
        if scored is not None:
            scored(found)
        return found

    task = of.task(of.network(trial.seed, run.network), trial.seed, start is None)
    task = replace(task, score=score, settings=trial.settings)
    origin = None if start is None else start.path
    trained = train_network(config, task, trial.path, progress, origin)
    scores, real = measured(restore(trial.path, "float"), of)
    for part, found in scores.items():
        if not math.isfinite(found):
            raise InputError(f"{trial.label}: the {of.metric} of {part} is {found}; lower the rate")
    steps = {phase: config.steps(phase) for phase in PHASES}
    return Result(
        recipe.digest(run.name, trial.seed),
        of.metric,
        scores,
        real,
        _curve(trained),
        {phase: n for phase, n in steps.items() if n},
        round(sum(trained.seconds.values()), 1),
    )


def measured(restored: Restored, of: Experiment) -> tuple[dict[str, float], dict[str, float]]:
    """Scores of each part, of the network of a checkpoint; and those of the same weights in real
    numbers, where it is on codes."""

    def scores(model: Model) -> dict[str, float]:
        return {part: round(of.score(model, part), 4) for part in of.parts}

    with threads(restored.config.threads), torch.no_grad():
        found = scores(evaluated(restored))
        if not restored.quantized_phases:
            return found, {}
        return found, scores(Reals(restored.masters(), available()))


def evaluated(restored: Restored) -> Model:
    """The network of a checkpoint as it has trained last: in real numbers, on its integers, or with
    a part on codes."""
    if not restored.quantized_phases:
        return Reals(restored.masters(), available())
    if restored.config.quantized == ALL:
        return restored.integer(tapes=available())
    return restored.partial(available())


def _curve(trained: TrainResult) -> dict[str, list[list[float]]]:
    """By phase: steps done, mean loss in nats since the last point, and score."""
    found: dict[str, list[list[float]]] = {}
    for phase, points in trained.scores.items():
        before = 0
        for step, score in points:
            nats = math.log(2) * float(np.mean(trained.losses[phase][before:step]))
            found.setdefault(phase, []).append([step, round(nats, 4), round(score, 3)])
            before = step
    return found
