"""The report: one self-contained HTML page from the files of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from golden.container import write_atomic
from irnn_hw.report import figures
from irnn_hw.report.activations import activation_curves
from irnn_hw.report.inputs import Inputs, read_inputs
from irnn_hw.report.template import page_template

ENGINE_NAMES = {"mac": "MAC engine", "vector": "vector engine"}


def write_report(folder: Path, out: Path) -> None:
    """Write the page about the run in `folder` to `out`.

    Raises InputError naming the file that is missing or unsound and the command that writes it.
    """
    write_atomic(out, render(read_inputs(folder)))


def render(inputs: Inputs) -> str:
    """The page's HTML."""
    template = page_template("irnn_hw.report", count=count, percent=percent, duration=duration)
    curves = activation_curves(inputs.model)
    return template.render(
        s=inputs.summary,
        took=_took(inputs.summary),
        loss=figures.loss_curves(inputs.curves),
        activations=[(curve, figures.activation(curve)) for curve in curves],
        clamps=_clamp_rows(inputs.clamps),
        area=[_area_table(result) for result in inputs.area],
        caveats=sorted({result["caveat"] for result in inputs.area}),
        tools=sorted({f"{result['tool']} {result['version']}" for result in inputs.area}),
        engines=_engine_tables(inputs.cycles),
        total_cycles=inputs.cycles["total"],
        text=inputs.text,
    )


def _took(summary: Mapping[str, Any]) -> float:
    """Seconds of all steps, those that the last run reused included."""
    return float(sum(summary.get("seconds_by_step", {}).values()) or summary["seconds"])


def count(value: float) -> str:
    """12345 -> 12,345; what is not whole keeps three digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def percent(value: float, digits: int = 1) -> str:
    """0.934 -> 93.4 %."""
    return f"{100 * value:.{digits}f} %"


def duration(seconds: float) -> str:
    """75.3 -> 1 min 15 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _clamp_rows(clamps: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """Tensors by their share of clamped values, the most first."""
    rows = [
        {"tensor": name, **c, "share": c["clamped"] / max(c["seen"], 1)}
        for name, c in clamps.items()
    ]
    return sorted(rows, key=lambda row: (-row["share"], row["tensor"]))


def _area_table(result: dict[str, Any]) -> dict[str, Any]:
    """An area result with the share of its largest figure that each unit takes."""
    first = next(iter(result["figure_units"]))
    units = result.get("units", [])
    most = max((unit[first] for unit in units), default=0) or 1
    return {**result, "rows": [{**unit, "share": unit[first] / most} for unit in units]}


def _engine_tables(cycles: dict[str, Any]) -> list[dict[str, Any]]:
    """Operations of each engine, with busy and waiting as shares of all cycles."""
    total = max(cycles["total"], 1)
    tables: dict[str, list[dict[str, Any]]] = {}
    for entry in cycles["engines"]:
        tables.setdefault(entry["engine"], []).append(
            {
                **entry,
                "busy_share": entry["cycles"] / total,
                "waiting_share": entry["waiting"] / total,
            }
        )
    return [
        {
            "name": ENGINE_NAMES.get(engine, engine),
            "rows": sorted(rows, key=lambda row: -row["cycles"]),
            "busy": sum(row["busy_share"] for row in rows),
            "waiting": sum(row["waiting_share"] for row in rows),
            "cycles": sum(row["cycles"] for row in rows),
            "waiting_cycles": sum(row["waiting"] for row in rows),
        }
        for engine, rows in tables.items()
    ]
