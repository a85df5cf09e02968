"""The page of a sweep: figures, fronts, and every point with what it was made with."""

import base64
from collections.abc import Iterable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from irnn_hw.sweep.figures import Chart

Row = dict[str, Any]

FILTERS = ("function", "target", "variant", "tables", "pieces", "in_bits", "out_bits", "knots")


def render(results: Row, drawn: Iterable[Chart]) -> str:
    """The page's HTML: whatever it shows is in it."""
    environment = Environment(
        loader=PackageLoader("irnn_hw.sweep", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    figures = [(c.caption, base64.b64encode(c.png).decode()) for c in drawn]
    return environment.get_template("page.html").render(
        r=results,
        figures=figures,
        rows=[_cells(row) for row in results["points"]],
        filters={name: _choices(results["points"], name) for name in FILTERS},
        on_front=sum(row["error_front"] for row in results["points"]),
    )


def _cells(row: Row) -> Row:
    """A row with its area as one figure and the others beside it."""
    first, *rest = row["area"] or {"": None}
    beside = {n: row["area"][n] for n in rest if row["area"][n] and n != "transistors"}
    return {**row, "logic": (row["area"] or {}).get(first), "unit": first, "beside": beside}


def _choices(rows: Iterable[Row], name: str) -> list[str]:
    """Values that a filter offers, where there are several."""
    values = {row[name] for row in rows} - {None}
    return [str(v) for v in sorted(values)] if len(values) > 1 else []


def shown(value: Any) -> str:
    """12345 -> 12,345; nothing -> a dash."""
    if value is None or value == "":
        return "–"
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)
