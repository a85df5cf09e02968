"""Recipes from the command line: which runs are left, progress, results."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from golden.container import reading
from irnn_hw.console import console, out
from irnn_hw.files import reserved
from irnn_hw.recipes.recipe import load_recipe
from irnn_hw.recipes.results import load_results, save_result

if TYPE_CHECKING:
    from irnn_hw.qat.experiments import Experiment
    from irnn_hw.qat.trials import Trial

SMOOTHED = 0.98  # of the loss and the speed that are shown: some fifty steps
COMMANDS = ("irnn", "torchrun --nproc-per-node {} -m irnn_hw.cli")  # of one process, of several
BREAK = 1.0  # seconds without a step: a score was taken, or a checkpoint written

Bar = Callable[[int, int, str], None]


def run_recipe(
    name: str,
    data: Path | None,
    folder: Path,
    results: Path,
    seeds: Sequence[int] = (),
    runs: Sequence[str] = (),
    report: Bar | None = None,
) -> dict[str, Any]:
    """Train what is left of a recipe; its scores.

    name: of a recipe, or its file. folder: of its checkpoints. results: folder of its JSON files.
    seeds, runs: of these alone, with what the runs start from; empty: all.
    """
    from irnn_hw.qat.distributed import processes
    from irnn_hw.qat.experiments import experiment
    from irnn_hw.qat.trials import Trial, schedule, train_trial

    recipe, among = load_recipe(name), processes()
    of = experiment(recipe, data)
    trials = [
        Trial(recipe, run, seed, folder)
        for seed in seeds or recipe.seeds
        for run in recipe.chosen(runs)
    ]
    found = load_results(results, recipe)
    left = [t for t in trials if t.seed not in found[t.run.name]]
    steps = [schedule(recipe, t.run, t.seed, of.epoch).all_steps for t in left]
    _build(of, left)
    among.agree("the runs that are left", [t.label for t in left])
    for n, trial in enumerate(left):
        meter = Meter(trial.label, *of.units, sum(steps[:n]), sum(steps), report)
        with reserved(trial.path.parent) if among.first else nullcontext():
            result = train_trial(trial, of, meter, meter.scored)
            if among.first:
                command = f"{COMMANDS[among.count > 1].format(among.count)} train --recipe {name}"
                save_result(results, recipe, trial.seed, of.sha256, command, trial.run.name, result)
        among.wait()
        shown = ", ".join(f"{part} {score:.2f}" for part, score in result.scores.items())
        console.print(f"{trial.label}: {of.metric} {shown}, {result.seconds:,.0f} s")
    found = load_results(results, recipe)
    scores = [
        {"seed": t.seed, "run": t.run.name, **found[t.run.name][t.seed].scores} for t in trials
    ]
    return {"recipe": recipe.name, "metric": of.metric, "scores": scores}


def _build(of: "Experiment", trials: "Sequence[Trial]") -> None:
    """Their networks, before any is trained: raises InputError for what makes none."""
    for trial in {repr(t.run.network): t for t in reversed(trials)}.values():
        source = f"recipe {trial.recipe.name}, run {trial.run.name!r}"
        with reading(source, "no network", "correct it"):
            of.network(trial.seed, trial.run.network)


@contextmanager
def together() -> Iterator[bool]:
    """Inside, the processes that torchrun has started train as one, and the first alone is heard.

    Yields whether this is it."""
    from irnn_hw.qat.distributed import joined

    with joined() as among:
        console.quiet = out.quiet = not among.first
        try:
            yield among.first
        finally:
            console.quiet = out.quiet = False


def score_table(figures: Mapping[str, Any]) -> Table:
    """What `run_recipe` gives, a row a seed and run."""
    rows = figures["scores"]
    table = Table(title=f"{figures['recipe']}: {figures['metric']}", title_justify="left")
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "run" else "right")
    for row in rows:
        table.add_row(*(f"{v:.2f}" if isinstance(v, float) else str(v) for v in row.values()))
    return table


class Meter:
    """Loss and speed of a run, on a bar of all runs.

    size, units: what a step trains on. before, total: steps of the runs before it, and of all.
    """

    def __init__(
        self, label: str, size: int, units: str, before: int, total: int, report: Bar | None
    ):
        self._label, self._size, self._units, self._report = label, size, units, report
        self._words = units == "words"  # of which the loss is a perplexity
        self._before, self._total, self._phase, self._steps = before, total, "", 0
        self._nats, self._seconds, self._last = 0.0, 0.0, time.perf_counter()

    def __call__(self, phase: str, step: int, steps: int, bits: float) -> None:
        """Progress of `irnn_hw.qat.phases`: one step more."""
        now = time.perf_counter()
        taken, self._last = now - self._last, now
        nats = bits * math.log(2)
        if phase != self._phase:
            self._before += self._steps
            self._phase, self._steps, self._nats, self._seconds = phase, steps, nats, taken
        self._nats += (1 - SMOOTHED) * (nats - self._nats)
        if taken < BREAK:
            self._seconds += (1 - SMOOTHED) * (taken - self._seconds)
        if self._report is not None:
            speed = self._size / max(self._seconds, 1e-9)
            text = f"{self._label}, {phase}: {self._loss}, {speed:,.0f} {self._units}/s"
            self._report(self._before + step, self._total, text)

    def scored(self, score: float) -> None:
        """A score of the validation part."""
        console.print(f"{self._label}, {self._phase}: {self._loss}, validation {score:.2f}")

    @property
    def _loss(self) -> str:
        perplexity = math.exp(min(self._nats, 20))
        return f"perplexity {perplexity:.1f}" if self._words else f"loss {self._nats:.3f}"
