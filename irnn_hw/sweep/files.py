"""The files that a sweep leaves: results, figures, page."""

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from golden.container import write_atomic
from irnn_hw.files import write_json
from irnn_hw.sweep.page import render
from irnn_hw.sweep.records import csv_text
from irnn_hw.sweep.store import Store, code_digest, digest

FIGURE_CODE = ("irnn_hw/sweep", "irnn_hw/report")


def write_results(results: dict[str, Any], folder: Path) -> None:
    """sweep.json, sweep.csv, a PNG of each figure, and index.html, which needs none of them.

    Figures that folder/cache has of equal results are not drawn again.
    """
    store = Store(folder / "cache" / "figures")
    key = digest([results, code_digest(*FIGURE_CODE)])
    drawn = store.get(key)
    if drawn is None:
        drawn = _draw(results)
        store.put(key, drawn)
    write_json(folder / "sweep.json", results)
    write_atomic(folder / "sweep.csv", csv_text(results["points"]))
    for name, _, png in drawn:
        write_atomic(folder / f"{name}.png", b64decode(png))
    write_atomic(folder / "index.html", render(results, [(c, png) for _, c, png in drawn]))


def _draw(results: dict[str, Any]) -> list[list[str]]:
    """Name, caption and PNG, in Base64, of each figure."""
    from irnn_hw.sweep.figures import charts  # matplotlib takes longer than a sweep that is done

    return [[c.name, c.caption, b64encode(c.png).decode()] for c in charts(results)]
