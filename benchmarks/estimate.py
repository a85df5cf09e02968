"""Area by `irnn estimate` beside area by Yosys, for the whole grid of the units.

Usage: python -P benchmarks/estimate.py [TARGET ...] [--registry] [--calibrate]. Targets: ecp5
(default), ice40, gates. --registry: the units of the registry alone. Every second point calibrates
the slack of a target, the others are held out; their errors are printed apart. --calibrate prints
the error of the calibration points by slack instead of the table. Syntheses are kept in build/area:
the first run takes minutes.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from irnn_hw.area.yosys import estimate as synthesise
from irnn_hw.estimate.area import component_of, estimate, technology_named
from irnn_hw.estimate.technology import TECHNOLOGIES
from irnn_hw.sweep.grid import Grid
from rtl.affine import Affine
from rtl.context import Context, ContextSizes
from rtl.divider import IterativeDivider, PipelinedDivider
from rtl.madnorm import MadNorm
from rtl.pipeline import Pipeline
from rtl.units import UNITS
from rtl.units.attention import context_spec
from rtl.units.division import affine_spec, madnorm_spec

CACHE = Path(__file__).parents[1] / "build" / "area"
GRIDS = (
    {
        "units": ("pwl",),
        "variants": ("bank", "search"),
        "tables": ("constant", "loadable"),
        "pieces": (4, 8, 16, 32, 64, 96, 160),
        "in_bits": (8, 16),
        "knots": ("greedy",),
    },
    {"units": ("mac",), "rows": (1, 4), "columns": (2, 8)},
    {"units": ("requantizer",), "multiplier_bits": (8, 12, 16, 20, 24, 28, 32)},
    {"units": ("divider",), "divisor_bits": (8, 32), "step": (1, 2, 4)},
)
LENGTHS = (10, 30, 100, 200)
TOLERANCE = 0.1
FACTORS = (0.95, 0.98, 1.0, 1.03, 1.06)  # of a slack
# By target, at most: the mean and the worst error; of ecp5 over the grid, else of the registry.
STATED = {"ecp5": (0.08, 0.5), "gates": (0.06, 0.25), "ice40": (0.1, 0.4)}
Row = tuple[str, dict[str, float], dict[str, float]]


def registry() -> Iterator[tuple[str, Pipeline]]:
    """The units of the registry: name and component."""
    for name, unit in UNITS.items():
        yield name, unit.build()


def designs() -> Iterator[tuple[str, Pipeline]]:
    """Every point of the grid: its name, and the component."""
    yield from registry()
    for axes in GRIDS:
        for point in Grid(**axes, targets=("ecp5",)).points():
            labels = {k: v for k, v in point.labels().items() if v is not None}
            hidden = ("target", "range", "function", "knots", "out_bits")
            name = " ".join(str(v) for k, v in labels.items() if k not in hidden)
            yield name, component_of(point.design)
    for length in LENGTHS:
        yield f"affine {length}", Affine(spec=affine_spec(length))
        for step in (1, 4):
            divider = partial(IterativeDivider, step=step)
            unit = MadNorm(spec=madnorm_spec(length), divider=divider)
            yield f"madnorm {length} step {step}", unit
    for lanes in (1, 2, 4):
        for name, divider in (("iterative", IterativeDivider), ("pipelined", PipelinedDivider)):
            yield (
                f"context {lanes} {name}",
                Context(sizes=ContextSizes(context_spec(), lanes), divider=divider),
            )


def compare(target: str, points: Iterable[tuple[str, Pipeline]]) -> Iterator[Row]:
    """Name, estimate and synthesis of each point."""
    technology = technology_named(target)
    for name, unit in points:
        yield name, estimate(unit, technology), synthesise(unit, "unit", target, CACHE)["total"]


def error(row: Row) -> float:
    """Of the logic, which is the first figure of every target, relative to the synthesis."""
    first = next(iter(row[2]))
    return row[1][first] / max(row[2][first], 1) - 1


def summary(title: str, rows: Sequence[Row]) -> str:
    errors = sorted((abs(error(row)), row[0]) for row in rows)
    mean = sum(e for e, _ in errors) / len(errors)
    within = sum(e <= TOLERANCE for e, _ in errors)
    worst, where = errors[-1]
    return (
        f"{title}: {len(rows)} points, {within} within {TOLERANCE:.0%}, "
        f"mean {mean:.1%}, worst {worst:.1%} ({where})"
    )


def show(target: str, points: Iterable[tuple[str, Pipeline]]) -> None:
    """A line a point, estimate/synthesis of each figure; then the errors of either half."""
    rows = []
    for row in compare(target, points):
        figures = ", ".join(f"{row[1][f]:,}/{row[2][f]:,} {f}" for f in row[1])
        held, mark = len(rows) % 2, " *" * (abs(error(row)) > TOLERANCE)
        print(f"{error(row):+7.1%}  {'-c'[not held]}  {row[0]}: {figures}{mark}", flush=True)
        rows.append(row)
    print(summary(f"{target}, calibration (c)", rows[::2]))
    print(summary(f"{target}, held out (-)", rows[1::2]))
    for figure in list(rows[0][1])[1:]:
        off = [name for name, made, true in rows if made[figure] != true[figure]]
        print(f"{target}, {figure}: differs at {len(off)} of {len(rows)} points")


def calibrate(target: str, points: Sequence[tuple[str, Pipeline]]) -> None:
    """The error of the calibration points by slack."""
    syntheses = [synthesise(unit, "unit", target, CACHE)["total"] for _, unit in points]
    for factor in FACTORS:
        technology = technology_named(target, TECHNOLOGIES[target].slack * factor)
        pairs = zip(points, syntheses, strict=True)
        rows = [(name, estimate(unit, technology), true) for (name, unit), true in pairs]
        print(summary(f"{target}, slack {technology.slack:.2f}", rows), flush=True)


def main(arguments: Sequence[str]) -> None:
    targets = [a for a in arguments if not a.startswith("--")] or ["ecp5"]
    for target in targets:
        if "--calibrate" in arguments:
            calibrate(target, list(designs())[::2])
        else:
            show(target, registry() if "--registry" in arguments else designs())


if __name__ == "__main__":
    main(sys.argv[1:])
