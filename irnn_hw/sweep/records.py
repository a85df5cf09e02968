"""Rows of the results: what each point is, how good, how large, and what it was made with."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from irnn_hw.area.target import CAVEAT
from irnn_hw.area.targets import TARGETS
from irnn_hw.sweep.graph import Graph
from irnn_hw.sweep.grid import Grid, Point
from irnn_hw.sweep.network import activations

if TYPE_CHECKING:
    from irnn_hw.sweep.run import Plan

Row = dict[str, Any]

FORMAT = 1
FITTED = ("pieces_used", "shift", "worst_lsb", "mean_lsb", "table_bits", "lut_bits")
GROUP = ("function", "range", "in_bits", "out_bits", "tables", "target")
# An FPGA has a flip-flop with each LUT, NAND2 equivalents hold theirs: not compared again. Carries
# are: on iCE40 those of a comparison take logic cells of their own.
NOT_COMPARED = ("ff", "transistors", "lutram", "mux")
FRONTS = {"error": "worst_lsb", "network": "bits_per_char"}


def results(grid: Grid, plan: "Plan", graph: Graph) -> Row:
    """What sweep.json holds: nothing in it depends on when or where the steps ran."""
    rows = [_row(point, plan, graph) for point in plan.points]
    first = _first_of_equal(rows)
    for front, quality in FRONTS.items():
        for row, best, new in zip(rows, pareto(rows, quality), first, strict=True):
            row[f"{front}_front"] = best and new
    return {
        "format": FORMAT,
        "caveat": CAVEAT,
        "grid": grid.describe(),
        "targets": {name: TARGETS[name].describe() for name in grid.targets},
        "network": _network(plan, graph),
        "failed": sum(row["error"] is not None for row in rows),
        "points": rows,
    }


def _first_of_equal(rows: Sequence[Row]) -> list[bool]:
    """Fits that need no more pieces give the same unit again: it is on a front once."""
    seen: set[tuple[Any, ...]] = set()
    first = []
    for row in rows:
        unit = row["made_with"]["verilog_sha256"], row["target"], row["tables"]
        first.append(unit not in seen)
        seen.add(unit)
    return first


def _row(point: Point, plan: "Plan", graph: Graph) -> Row:
    design = point.design
    keys = plan.fits[design.fit], plan.designs[design], plan.areas[point]
    fitted, unit, area = (graph.results.get(key, {}) for key in keys)
    made = {"component": unit.get("component"), "verilog_sha256": unit.get("verilog_sha256")}
    made |= {"synthesis_sha256": area.get("synthesis"), "tools": unit.get("tools", {})}
    bits, problem = _bits_per_char(point, plan, graph)
    return {
        **point.labels(),
        **{name: fitted.get(name) for name in FITTED},
        "latency": unit.get("latency"),
        "area": _area(point.target, area.get("area")),
        "bits_per_char": bits,
        "made_with": made,
        "error": graph.failures.get(keys[-1], problem),
    }


def _area(target: str, figures: Row | None) -> Row | None:
    """In the order of the target's units, whose first is the logic."""
    return None if figures is None else {name: figures[name] for name in TARGETS[target].units}


def _bits_per_char(point: Point, plan: "Plan", graph: Graph) -> tuple[float | None, str | None]:
    """Of the network whose activations are such points, where it has any of these widths."""
    fit = point.design.fit
    if plan.network is None:
        return None, None
    if (fit.function, fit.in_bits, fit.out_bits) not in activations(plan.network.model):
        return None, None
    key = plan.shapes[fit.pieces, fit.knots]
    found = graph.results.get(key, {})
    return found.get("bits_per_char"), graph.failures.get(key)


def _network(plan: "Plan", graph: Graph) -> Row | None:
    if plan.network is None:
        return None
    found = [graph.results.get(k) or {"error": graph.failures[k]} for k in plan.shapes.values()]
    uses = sorted(map(list, activations(plan.network.model)))
    return {**plan.network.label, "activations": uses, "evaluations": found}


def compared(row: Row) -> dict[str, float]:
    """The figures of an area that count on a front, the logic first."""
    return {name: v for name, v in row["area"].items() if name not in NOT_COMPARED}


def pareto(rows: Sequence[Row], quality: str) -> list[bool]:
    """Which rows are on the front of those of one function, widths, kind of tables and target.

    No other row there is at most as large in every figure compared and at most as far off, and
    better in one.
    """
    groups: dict[str, list[tuple[float, ...]]] = {}
    costs = [
        (float(row[quality]), *compared(row).values())
        if row["area"] is not None and row[quality] is not None
        else None
        for row in rows
    ]
    for row, cost in zip(rows, costs, strict=True):
        if cost is not None:
            groups.setdefault(_group(row), []).append(cost)
    return [
        cost is not None and not any(_beats(other, cost) for other in groups[_group(row)])
        for row, cost in zip(rows, costs, strict=True)
    ]


def _group(row: Row) -> str:
    return str([row[name] for name in GROUP])


def _beats(a: Iterable[float], b: Iterable[float]) -> bool:
    pairs = list(zip(a, b, strict=True))
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


def flat(row: Row) -> Row:
    """A row of single values, for CSV."""
    values = {k: v for k, v in row.items() if k not in ("range", "area", "made_with")}
    values |= {"low": row["range"][0], "high": row["range"][1]}
    values |= {f"area_{name}": v for name, v in (row["area"] or {}).items()}
    made: Mapping[str, Any] = row["made_with"]
    values |= {k: v for k, v in made.items() if k != "tools"}
    return values | {f"tool_{name}": v for name, v in made["tools"].items()}


def csv_text(rows: Iterable[Row]) -> str:
    """A line a point; a figure that its target does not have is empty."""
    lines = [flat(row) for row in rows]
    names = list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
