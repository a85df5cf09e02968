"""A sweep from its grid to its results: on every core, resumed from what is on disk."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from golden.model import IntModel
from irnn_hw.area.nextpnr import check_placeable, tool_version
from irnn_hw.area.targets import TARGETS
from irnn_hw.data.corpus import Corpus
from irnn_hw.sweep.design import Design, Fit, Point
from irnn_hw.sweep.graph import Graph, Task
from irnn_hw.sweep.grid import Grid
from irnn_hw.sweep.network import activations, bits_per_character, check_corpus
from irnn_hw.sweep.point import emit, emit_fitted, fit_table, measure, route
from irnn_hw.sweep.records import results
from irnn_hw.sweep.store import Store, code_digest, digest, versions

AT_ONCE = 64  # tasks that a cluster has, so that none of its workers waits
Progress = Callable[[int, int, str], None]

FIT_CODE = ("golden", "irnn_hw/quant", "irnn_hw/sweep/point.py")
UNIT_CODE = ("rtl", "irnn_hw/sweep/units")
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
    """The tasks of a grid. syntheses: folder of those done, None: none is kept. pnr: place and
    route too, where a target can be."""

    def __init__(self, grid: Grid, network: Network | None, syntheses: Path | None, pnr: bool):
        self.points, self.network = grid.points(), network
        self.tasks: dict[str, Task] = {}
        self._syntheses = None if syntheses is None else str(syntheses)
        designs = dict.fromkeys(p.design for p in self.points)
        self.fits = {d.fit: self._fit(d.fit) for d in designs if d.fit is not None}
        self.designs = {d: self._design(d) for d in designs}
        self.areas = {p: self._area(p) for p in self.points}
        placed = [p for p in self.points if pnr and TARGETS[p.target].devices]
        self.routes = {p: self._route(p) for p in placed}
        self.shapes = {(f.pieces, f.knots): "" for f in self.fits} if network else {}
        for shape in self.shapes:
            self.shapes[shape] = self._evaluation(*shape)

    def ends(self, point: Point) -> list[str]:
        """Keys of the tasks that a point's row waits for."""
        return [self.areas[point], *([self.routes[point]] if point in self.routes else [])]

    def _add(self, task: Task) -> str:
        self.tasks[task.key] = task
        return task.key

    def _fit(self, fit: Fit) -> str:
        key = _key("fit", asdict(fit), FIT_CODE)
        return self._add(Task(key, fit_table, (fit,)))

    def _design(self, design: Design) -> str:
        key = _key("unit", asdict(design), FIT_CODE + UNIT_CODE)
        if design.fit is None:
            return self._add(Task(key, emit, (design,)))
        return self._add(Task(key, emit_fitted, (design,), (self.fits[design.fit],)))

    def _area(self, point: Point) -> str:
        key = _key("area", asdict(point), FIT_CODE + UNIT_CODE + AREA_CODE)
        how = point.target, self._syntheses
        return self._add(Task(key, measure, how, (self.designs[point.design],), final=True))

    def _route(self, point: Point) -> str:
        what = asdict(point), tool_version(TARGETS[point.target].devices[0].tool)
        key = _key("route", what, FIT_CODE + UNIT_CODE + AREA_CODE)
        needs = self.designs[point.design], self.areas[point]
        how = point.target, self._syntheses
        return self._add(Task(key, route, how, needs, final=True))

    def _evaluation(self, pieces: int, knots: str) -> str:
        assert self.network is not None
        what = {"pieces": pieces, "knots": knots, **self.network.label}
        key = _key("network", what, FIT_CODE + NETWORK_CODE)
        how = self.network.model.to_bytes(), self.network.corpus, pieces, knots
        return self._add(Task(key, bits_per_character, how, final=True))


def _key(kind: str, what: Any, code: tuple[str, ...]) -> str:
    return f"{kind}-{digest([what, code_digest(*code), versions()])[:40]}"


def sweep(
    grid: Grid,
    cache: Path,
    network: Network | None = None,
    executor: Callable[[], Executor] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    pnr: bool = False,
) -> tuple[dict[str, Any], int]:
    """What sweep.json holds, and how many steps were computed now; the others cache had.

    executor: makes where the steps run, such as a cluster's; else `jobs` processes here, as many
    as there are cores. pnr: place and route on the targets of the grid that can be, one at least.
    A step that fails leaves its message in the points that need it.
    """
    jobs = jobs or os.cpu_count() or 1
    if pnr:
        targets = [TARGETS[name] for name in grid.targets]
        check_placeable([t for t in targets if t.devices] or targets)
    plan = Plan(grid, network, cache / "syntheses" if executor is None else None, pnr)
    graph = Graph(plan.tasks.values(), Store(cache / "steps"))
    at_once = 2 * jobs if executor is None else AT_ONCE
    report = partial(_report, plan, graph, progress)
    try:
        graph.run(executor or partial(_processes, jobs), at_once, report)
    except KeyboardInterrupt:
        _end_workers()
        raise
    report()
    return results(grid, plan, graph), graph.computed


def _report(plan: Plan, graph: Graph, progress: Progress | None) -> None:
    """Points done, of how many."""
    if progress is not None:
        over = graph.results.keys() | graph.failures.keys()
        done = [over.issuperset(plan.ends(point)) for point in plan.points]
        progress(sum(done), len(done), f"{len(graph.failures)} failed" if graph.failures else "")


def _processes(jobs: int) -> Executor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_lead)


def _lead() -> None:
    """Make this worker, with whatever it starts, a group that ends when its parent is no more."""
    os.setpgid(0, 0)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _end_workers() -> None:
    """With what they run: a synthesis takes up to a minute."""
    for worker in multiprocessing.active_children():
        with suppress(ProcessLookupError):  # it leads no group yet, or is no more
            os.killpg(worker.pid or 0, signal.SIGKILL)
        worker.kill()
