"""A sweep from its grid to its results: on every core, resumed from what is on disk."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from golden.model import IntModel
from irnn_hw.data.corpus import Corpus
from irnn_hw.sweep.graph import Graph, Task
from irnn_hw.sweep.grid import Design, Fit, Grid, Point
from irnn_hw.sweep.network import activations, bits_per_character, check_corpus
from irnn_hw.sweep.point import emit, fit_table, measure
from irnn_hw.sweep.records import results
from irnn_hw.sweep.store import Store, code_digest, digest, versions

AT_ONCE = 64  # tasks that a cluster has, so that none of its workers waits
Progress = Callable[[int, int, str], None]

FIT_CODE = ("golden", "irnn_hw/quant", "irnn_hw/sweep/point.py")
UNIT_CODE = ("rtl", "irnn_hw/sweep/units.py")
AREA_CODE = ("irnn_hw/area",)
NETWORK_CODE = ("irnn_hw/evaluate.py", "irnn_hw/steps.py", "irnn_hw/sweep/network.py")


@dataclass(frozen=True)
class Network:
    """A model whose activations take part, and the corpus that judges them."""

    model: IntModel
    corpus: Corpus

    def __post_init__(self) -> None:
        activations(self.model)
        check_corpus(self.model, self.corpus)

    @property
    def label(self) -> dict[str, Any]:
        names = {"corpus": self.corpus.name, "corpus_sha256": self.corpus.sha256}
        return {"model_sha256": self.model.sha256, **names}


class Plan:
    """The tasks of a grid. syntheses: folder of those done, None: none is kept."""

    def __init__(self, grid: Grid, network: Network | None, syntheses: Path | None):
        self.points, self.network = grid.points(), network
        self.tasks: dict[str, Task] = {}
        self._syntheses = None if syntheses is None else str(syntheses)
        self.fits = {p.design.fit: self._fit(p.design.fit) for p in self.points}
        self.designs = {p.design: self._design(p.design) for p in self.points}
        self.areas = {p: self._area(p) for p in self.points}
        self.shapes = {(f.pieces, f.knots): "" for f in self.fits} if network else {}
        for shape in self.shapes:
            self.shapes[shape] = self._evaluation(*shape)

    def _add(self, task: Task) -> str:
        self.tasks[task.key] = task
        return task.key

    def _fit(self, fit: Fit) -> str:
        key = _key("fit", asdict(fit), FIT_CODE)
        return self._add(Task(key, fit_table, (fit,)))

    def _design(self, design: Design) -> str:
        key = _key("unit", asdict(design), FIT_CODE + UNIT_CODE)
        what = design.variant, design.loadable
        return self._add(Task(key, emit, what, (self.fits[design.fit],)))

    def _area(self, point: Point) -> str:
        key = _key("area", asdict(point), FIT_CODE + UNIT_CODE + AREA_CODE)
        how = point.target, self._syntheses
        return self._add(Task(key, measure, how, (self.designs[point.design],), final=True))

    def _evaluation(self, pieces: int, knots: str) -> str:
        assert self.network is not None
        what = {"pieces": pieces, "knots": knots, **self.network.label}
        key = _key("network", what, FIT_CODE + NETWORK_CODE)
        how = self.network.model.to_bytes(), self.network.corpus, pieces, knots
        return self._add(Task(key, bits_per_character, how, final=True))


def _key(kind: str, what: dict[str, Any], code: tuple[str, ...]) -> str:
    return f"{kind}-{digest([what, code_digest(*code), versions()])[:40]}"


def sweep(
    grid: Grid,
    cache: Path,
    network: Network | None = None,
    executor: Callable[[], Executor] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], int]:
    """What sweep.json holds, and how many steps were computed now; the others cache had.

    executor: makes where the steps run, such as a cluster's; else `jobs` processes here, as many
    as there are cores. A step that fails leaves its message in the points that need it.
    """
    jobs = jobs or os.cpu_count() or 1
    plan = Plan(grid, network, cache / "syntheses" if executor is None else None)
    graph = Graph(plan.tasks.values(), Store(cache / "steps"))
    at_once = 2 * jobs if executor is None else AT_ONCE
    report = partial(_report, plan, graph, progress)
    graph.run(executor or partial(_processes, jobs), at_once, report)
    report()
    return results(grid, plan, graph), graph.computed


def _report(plan: Plan, graph: Graph, progress: Progress | None) -> None:
    """Points done, of how many."""
    if progress is not None:
        done = [k in graph.results or k in graph.failures for k in plan.areas.values()]
        progress(sum(done), len(done), f"{len(graph.failures)} failed" if graph.failures else "")


def _processes(jobs: int) -> Executor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """A worker ends at once when its parent is interrupted, or is no more."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
