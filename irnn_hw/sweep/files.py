"""The files that a sweep leaves: results, figures, page."""

from pathlib import Path
from typing import Any

from golden.container import write_atomic
from irnn_hw.files import write_json
from irnn_hw.sweep.figures import charts
from irnn_hw.sweep.page import render
from irnn_hw.sweep.records import csv_text


def write_results(results: dict[str, Any], folder: Path) -> None:
    """sweep.json, sweep.csv, a PNG of each figure, and index.html, which needs none of them."""
    drawn = charts(results)
    write_json(folder / "sweep.json", results)
    write_atomic(folder / "sweep.csv", csv_text(results["points"]))
    for chart in drawn:
        write_atomic(folder / f"{chart.name}.png", chart.png)
    write_atomic(folder / "index.html", render(results, drawn))
