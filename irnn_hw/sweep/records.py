"""Rows of the results: what each point is, how good, how large, and what it was made with."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from irnn_hw.area.target import CAVEAT
from irnn_hw.area.targets import TARGETS
from irnn_hw.sweep.design import Point
from irnn_hw.sweep.graph import Graph
from irnn_hw.sweep.grid import Grid
from irnn_hw.sweep.network import activations, perplexity
from irnn_hw.sweep.units import FAMILIES

if TYPE_CHECKING:
    from irnn_hw.sweep.run import Plan

Row = dict[str, Any]

FORMAT = 2
FITTED = ("pieces_used", "shift", "worst_lsb", "mean_lsb", "table_bits", "lut_bits")
# An FPGA has a flip-flop with each LUT, NAND2 equivalents hold theirs: not compared again. Carries
# are: on iCE40 those of a comparison take logic cells of their own.
NOT_COMPARED = ("ff", "transistors", "lutram", "mux")
FRONTS = tuple(dict.fromkeys(name for family in FAMILIES.values() for name in family.fronts))


def results(grid: Grid, plan: "Plan", graph: Graph) -> Row:
    """What sweep.json holds: nothing in it depends on when or where the steps ran."""
    rows = [_row(point, plan, graph) for point in plan.points]
    first = first_of_equal(rows)
    for front in FRONTS:
        for row, best, new in zip(rows, pareto(rows, front), first, strict=True):
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


def first_of_equal(rows: Sequence[Row]) -> list[bool]:
    """Fits that need no more pieces give the same unit again: it is on a front once.

    One that is loaded is the same Verilog for every table, but not of the same error.
    """
    seen: set[tuple[Any, ...]] = set()
    first = []
    for row in rows:
        quality = row["tables"], row["worst_lsb"], row["bits_per_char"]
        unit = row["made_with"]["verilog_sha256"], row["target"], *quality
        first.append(unit not in seen)
        seen.add(unit)
    return first


def _row(point: Point, plan: "Plan", graph: Graph) -> Row:
    design = point.design
    fitted = {} if design.fit is None else graph.results.get(plan.fits[design.fit], {})
    unit = graph.results.get(plan.designs[design], {})
    area = graph.results.get(plan.areas[point], {})
    routed = graph.results.get(plan.routes.get(point, ""), {})
    bits, problem = _bits_per_char(point, plan, graph)
    failed = (graph.failures[key] for key in plan.ends(point) if key in graph.failures)
    return {
        **point.labels(),
        **{name: fitted.get(name) for name in FITTED},
        "latency": unit.get("latency"),
        "interval": unit.get("interval"),
        "area": _area(point.target, area.get("area")),
        "fmax_mhz": routed.get("fmax_mhz"),
        "bits_per_char": bits,
        "perplexity": None if bits is None else perplexity(bits),
        "made_with": _made_with(unit, area, routed),
        "error": next(failed, problem),
    }


def _made_with(unit: Row, area: Row, routed: Row) -> Row:
    tools = dict(unit.get("tools", {}))
    if routed:
        tools[routed["tool"]] = routed["version"]
    names = {"component": unit, "verilog_sha256": unit, "synthesis_sha256": area}
    names |= {"device": routed, "pnr_sha256": routed}
    return {name: step.get(name) for name, step in names.items()} | {"tools": tools}


def _area(target: str, figures: Row | None) -> Row | None:
    """In the order of the target's units, whose first is the logic."""
    return None if figures is None else {name: figures[name] for name in TARGETS[target].units}


def _bits_per_char(point: Point, plan: "Plan", graph: Graph) -> tuple[float | None, str | None]:
    """Of the network whose activations are such points, where it has any of these widths."""
    fit = point.design.fit
    if plan.network is None or fit is None:
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


def pareto(rows: Sequence[Row], front: str) -> list[bool]:
    """Which rows are on a front of FRONTS, of those on a target that do the same.

    No other row there is at most as large in every figure compared and has at most as much of the
    front's figure, and is better in one.
    """
    groups: dict[str, list[tuple[float, ...]]] = {}
    costs = [_cost(row, front) for row in rows]
    for row, cost in zip(rows, costs, strict=True):
        if cost is not None:
            groups.setdefault(str(group(row)), []).append(cost)
    return [
        cost is not None and not any(_beats(other, cost) for other in groups[str(group(row))])
        for row, cost in zip(rows, costs, strict=True)
    ]


def _cost(row: Row, front: str) -> tuple[float, ...] | None:
    """What is to be little; None of a row that is not compared."""
    figure = FAMILIES[row["unit"]].fronts.get(front)
    if figure is None or row[figure] is None or row["area"] is None:
        return None
    return float(row[figure]), *compared(row).values()


def group(row: Row) -> list[Any]:
    """Equal for rows that do the same on one target."""
    return [row[name] for name in ("unit", *FAMILIES[row["unit"]].same, "target")]


def _beats(a: Iterable[float], b: Iterable[float]) -> bool:
    pairs = list(zip(a, b, strict=True))
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


def flat(row: Row) -> Row:
    """A row of single values, for CSV."""
    values = {k: v for k, v in row.items() if k not in ("range", "area", "made_with")}
    low, high = row["range"] or (None, None)
    values |= {"low": low, "high": high}
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
