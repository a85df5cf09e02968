"""The page of a sweep: figures, fronts, and every point with what it was made with."""

from collections.abc import Iterable, Sequence
from typing import Any

from irnn_hw.report.template import page_template
from irnn_hw.sweep.design import LABELS
from irnn_hw.sweep.records import FRONTS
from irnn_hw.sweep.units import FAMILIES

Row = dict[str, Any]

# Columns and their headings. A label that all points share stands above the table instead, a figure
# that none has nowhere.
SHARED = tuple(name for name in LABELS if name != "range")
FIGURES = {
    "worst_lsb": "worst error, LSB",
    "mean_lsb": "mean error, LSB",
    "bits_per_char": "bits per character",
    "perplexity": "perplexity",
    "logic": "logic",
    "beside": "beside it",
    "latency": "cycles",
    "interval": "cycles each",
    "fmax_mhz": "Fmax, MHz",
    "table_bits": "table, bits",
}
TEXT = (
    "front", "unit", "function", "variant", "tables", "knots", "weights", "target", "beside",
)  # fmt: skip


def render(results: Row, drawn: Sequence[tuple[str, str]]) -> str:
    """The page's HTML: whatever it shows is in it. drawn: caption and Base64 of each PNG."""
    rows = [_cells(row) for row in results["points"]]
    choices = {name: _choices(rows, name) for name in SHARED}
    filters = {name: values for name, values in choices.items() if len(values) > 1}
    figures = {k: v for k, v in FIGURES.items() if _tells(rows, k)}
    return page_template("irnn_hw.sweep", shown=shown).render(
        r=results,
        titles=" and ".join(
            FAMILIES[unit].title for unit in dict.fromkeys(r["unit"] for r in rows)
        ),
        figures=drawn,
        rows=rows,
        filters=filters,
        shared={name: values[0] for name, values in choices.items() if len(values) == 1},
        columns={"front": "front", **{n: n.replace("_", " ") for n in filters}, **figures},
        text=TEXT,
        on_front=sum(bool(row["front"]) for row in rows),
    )


def _cells(row: Row) -> Row:
    """A row with its fronts, and its area as one figure and the others beside it."""
    first, *rest = row["area"] or {"": None}
    beside = {n: row["area"][n] for n in rest if row["area"][n] and n != "transistors"}
    return {
        **row,
        "front": ", ".join(front for front in FRONTS if row[f"{front}_front"]),
        "logic": (row["area"] or {}).get(first),
        "logic_unit": first,
        "beside": ", ".join(f"{shown(value)} {name}" for name, value in beside.items()),
    }


def _tells(rows: Iterable[Row], figure: str) -> bool:
    """Whether any point has the figure; an interval of one cycle is nothing to tell."""
    nothing = (None, "", 1) if figure == "interval" else (None, "")
    return any(row[figure] not in nothing for row in rows)


def _choices(rows: Iterable[Row], name: str) -> list[str]:
    """Values that a label takes, in their order."""
    return [str(value) for value in sorted({row[name] for row in rows} - {None})]


def shown(value: Any) -> str:
    """12345 -> 12,345; nothing -> a dash."""
    if value is None or value == "":
        return "–"
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)
