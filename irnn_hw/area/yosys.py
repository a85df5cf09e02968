"""Area of a design by Yosys: one fresh process a synthesis, results cached by content."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amaranth.lib.wiring import Component

from golden.container import write_atomic
from golden.errors import InputError
from irnn_hw.area.target import CAVEAT, Target
from irnn_hw.area.targets import target_named
from rtl.emit import verilog_text
from rtl.yosys import YOSYS_VERSION, YosysError, run_yosys

Progress = Callable[[int, int], None]  # (syntheses done, of how many)


@dataclass(frozen=True, slots=True)
class Point:
    """A design (Verilog text, module `name` its top) and a target to synthesise it for.

    by_unit: a second synthesis keeps two levels of submodules apart and counts each. parameters:
    what the result says of the design.
    """

    name: str
    target: Target
    source: str
    by_unit: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def syntheses(self) -> dict[str, str]:
        """Script of each synthesis: "flat", and with the units "kept" apart."""
        kinds = {"flat": False, "kept": True} if self.by_unit else {"flat": False}
        return {kind: self.target.script(self.name, kept) for kind, kept in kinds.items()}


def estimate(
    design: Component | str, name: str, target: Target | str, cache_dir: Path, by_unit: bool = False
) -> dict[str, Any]:
    """Area of one design: see estimate_many."""
    source = design if isinstance(design, str) else verilog_text(design, name)
    technology = target_named(target) if isinstance(target, str) else target
    return estimate_many([Point(name, technology, source, by_unit)], cache_dir)[0]


def estimate_many(
    points: Iterable[Point], cache_dir: Path, jobs: int = 1, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Area of each point, in order: what `irnn area` writes as JSON.

    Each has name, parameters, target, tool, version, script, sha256 (the configuration: design,
    scripts, version, cell library), caveat, figure_units, total (flattened) and, by unit, units
    and their sum. Raises YosysError when a synthesis stops. What cache_dir holds is not computed
    again.
    """
    points = list(points)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        runs = [
            {
                kind: pool.submit(_statistics, point, script, cache_dir)
                for kind, script in point.syntheses().items()
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


def content_digest(*parts: str) -> str:
    """SHA-256 of the parts, of where each ends, and of the version of Yosys."""
    return hashlib.sha256(json.dumps([*parts, YOSYS_VERSION]).encode()).hexdigest()


def _statistics(point: Point, script: str, cache_dir: Path) -> dict[str, Any]:
    """The `stat -json` of a synthesis, from the cache if it was done before."""
    files = {"design.v": point.source, **point.target.files}
    cached = cache_dir / f"{content_digest(script, *files.values())}.json"
    if not cached.exists():
        text = _run(point, script, files)
        write_atomic(cached, json.dumps(json.loads(text), sort_keys=True, indent=1) + "\n")
    result: dict[str, Any] = json.loads(cached.read_text())
    return result


def _run(point: Point, script: str, files: dict[str, str]) -> str:
    try:
        return run_yosys(script, files, ("stat.json",))["stat.json"]
    except YosysError as error:
        if not point.target.files:
            raise
        problem = re.findall(r"(?:Failed to parse|Error:|ERROR:).*", str(error))[0]
        raise InputError(
            f"liberty: Yosys cannot map {point.name} to {point.target.title} ({problem}); give a "
            "library with at least an inverter, a NAND2 or NOR2 and a D flip-flop"
        ) from error


def _result(
    point: Point, flat: dict[str, Any], kept: dict[str, Any] | None = None
) -> dict[str, Any]:
    target, scripts = point.target, point.syntheses()
    result = {
        "name": point.name,
        "parameters": dict(point.parameters),
        **target.describe(),
        "tool": "Yosys",
        "version": YOSYS_VERSION,
        "script": scripts,
        "sha256": content_digest(point.source, *scripts.values(), *target.files.values()),
        "caveat": CAVEAT,
        "total": _total(target, flat["design"]),
    }
    if kept is not None:
        units = _units(target, kept, point.name)
        sums: Counter[str] = Counter()
        for unit in units:
            sums.update({figure: unit[figure] for figure in target.units})
        result |= {"units": units, "units_sum": dict(sums)}
    return result


def _total(target: Target, design: dict[str, Any]) -> dict[str, float]:
    """Figures of the flattened design; the area of a cell library is what Yosys adds up."""
    figures = _own_figures(target, design, ())
    return figures | ({"area": design.get("area", 0)} if "area" in figures else {})


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


def _own_figures(target: Target, stat: dict[str, Any], modules: Container[str]) -> dict[str, float]:
    cells = {k: n for k, n in stat["num_cells_by_type"].items() if k not in modules}
    return target.figures(cells, stat["num_memory_bits"])


def _unit_name(module: str, top: str) -> str:
    """npu.vector.lane_3 -> vector.lane: copies of a unit are numbered."""
    return re.sub(r"[_$]?\d+(?=\.|$)", "", module.removeprefix(f"{top}.")) or module
