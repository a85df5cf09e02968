"""An area result as a table, and what must be said with it."""

from typing import Any

from rich.markup import escape
from rich.table import Table


def area_table(result: dict[str, Any]) -> Table:
    """A row a figure: its name, how many, and of what."""
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for figure, unit in result["figure_units"].items():
        table.add_row(figure.replace("_", " "), f"{result['total'][figure]:,}", escape(unit))
    if "pnr" in result:
        table.add_row("fmax", *_fmax(result["pnr"]))
    return table


def _fmax(pnr: dict[str, Any]) -> tuple[str, str]:
    """The best seed's frequency, and of several the median."""
    seeds = len(pnr["fmax_mhz_by_seed"])
    median = f", median of {seeds} seeds {pnr['fmax_median_mhz']:.1f}" if seeds > 1 else ""
    return f"{pnr['fmax_mhz']:.1f}", f"MHz on {pnr['device']}{median}"


def caveats(result: dict[str, Any]) -> list[str]:
    return [result["caveat"], *([result["pnr"]["caveat"]] if "pnr" in result else [])]
