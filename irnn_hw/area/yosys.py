"""Area of a design by Yosys: one fresh process a synthesis, results cached by content."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.lib.wiring import Component

from golden.container import write_atomic
from golden.errors import InputError
from irnn_hw.area.flows import CAVEAT, TARGETS, Target
from rtl.emit import verilog_text
from rtl.yosys import YOSYS_VERSION, run_yosys

Progress = Callable[[int, int], None]  # (syntheses done, of how many)


@dataclass(frozen=True, slots=True)
class Point:
    """A design (Verilog text, module `name` its top) and a target to synthesise it for.

    by_unit: a second synthesis keeps two levels of submodules apart and counts each.
    """

    name: str
    target: str
    source: str
    by_unit: bool = False

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise InputError(f"target: {self.target} is not one of {', '.join(TARGETS)}")

    def syntheses(self) -> dict[str, tuple[str, str]]:
        """(source, script) of each synthesis: "flat", and with the units "kept" apart."""
        target = TARGETS[self.target]
        kinds = {"flat": False, "kept": True} if self.by_unit else {"flat": False}
        return {kind: (self.source, target.script(self.name, kept)) for kind, kept in kinds.items()}


def estimate(
    design: Component | str, name: str, target: str, cache_dir: Path, by_unit: bool = False
) -> dict[str, Any]:
    """Area of one design: see estimate_many."""
    source = design if isinstance(design, str) else verilog_text(design, name)
    return estimate_many([Point(name, target, source, by_unit)], cache_dir)[0]


def estimate_many(
    points: Iterable[Point], cache_dir: Path, jobs: int = 1, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Area of each point, in order: what `irnn area` writes as JSON.

    Each has name, target, tool, version, script, sha256 of (source, scripts, version), caveat,
    figure_units, total (flattened) and, by unit, units and their sum. Raises YosysError when a
    synthesis stops. What cache_dir holds is not computed again.
    """
    points = list(points)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        runs = [
            {
                kind: pool.submit(_statistics, *synthesis, cache_dir)
                for kind, synthesis in point.syntheses().items()
            }
            for point in points
        ]
        futures = [future for run in runs for future in run.values()]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            if progress is not None:
                progress(done, len(futures))
    stats = ({kind: future.result() for kind, future in run.items()} for run in runs)
    return [_result(point, **stat) for point, stat in zip(points, stats, strict=True)]


def _digest(*parts: str) -> str:
    """SHA-256 of the parts, and of where each ends."""
    return hashlib.sha256(json.dumps([*parts, YOSYS_VERSION]).encode()).hexdigest()


def _statistics(source: str, script: str, cache_dir: Path) -> dict[str, Any]:
    """The `stat -json` of a synthesis, from the cache if it was done before."""
    cached = cache_dir / f"{_digest(source, script)}.json"
    if not cached.exists():
        files = {"design.v": source}
        text = run_yosys(script, files, ("stat.json",))["stat.json"]
        write_atomic(cached, json.dumps(json.loads(text), sort_keys=True, indent=1) + "\n")
    result: dict[str, Any] = json.loads(cached.read_text())
    return result


def _result(
    point: Point, flat: dict[str, Any], kept: dict[str, Any] | None = None
) -> dict[str, Any]:
    target = TARGETS[point.target]
    scripts = {kind: script for kind, (_, script) in point.syntheses().items()}
    result = {
        "name": point.name,
        **target.describe(),
        "tool": "Yosys",
        "version": YOSYS_VERSION,
        "script": scripts,
        "sha256": _digest(point.source, *scripts.values()),
        "caveat": CAVEAT,
        "total": _own_figures(target, flat["design"], ()),
    }
    if kept is not None:
        units = _units(target, kept, point.name)
        sums: Counter[str] = Counter()
        for unit in units:
            sums.update({figure: unit[figure] for figure in target.units})
        result |= {"units": units, "units_sum": dict(sums)}
    return result


def _units(target: Target, stat: dict[str, Any], top: str) -> list[dict[str, Any]]:
    """Figures of each module's own logic, copies (lane_0, lane_1, ...) together, largest first."""
    modules = {name.lstrip("\\"): module for name, module in stat["modules"].items()}
    copies = _copies(modules, top)
    units: dict[str, Counter[str]] = {}
    for name, count in sorted(copies.items()):
        figures = _own_figures(target, modules[name], modules)
        unit = units.setdefault(_unit_name(name, top), Counter())
        unit.update({"instances": count, **{k: n * count for k, n in figures.items()}})
    first = next(iter(target.units))
    largest_first = sorted(units.items(), key=lambda item: -item[1][first])
    return [{"unit": name, **figures} for name, figures in largest_first]


def _copies(modules: dict[str, Any], top: str) -> Counter[str]:
    """How often each module is there in the whole design."""
    result = Counter({top: 1})
    for name, count in modules[top]["num_cells_by_type"].items():
        if name in modules:
            for part, copies in _copies(modules, name).items():
                result[part] += copies * count
    return result


def _own_figures(target: Target, stat: dict[str, Any], modules: Container[str]) -> dict[str, int]:
    cells = {k: n for k, n in stat["num_cells_by_type"].items() if k not in modules}
    return target.figures(cells, stat["num_memory_bits"])


def _unit_name(module: str, top: str) -> str:
    """npu.vector.lane_3 -> vector.lane: copies of a unit are numbered."""
    return re.sub(r"[_$]?\d+(?=\.|$)", "", module.removeprefix(f"{top}.")) or module
