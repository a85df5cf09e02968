"""`irnn sweep`: accuracy against area of every way to build a unit."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from irnn_hw.console import bar, console, out, show

if TYPE_CHECKING:
    from irnn_hw.sweep.grid import Grid

# Columns of what is printed: labels where they differ, figures where there are any.
SHOWN_LABELS = {
    "function": "function",
    "in_bits": "in",
    "out_bits": "out",
    "target": "target",
    "variant": "variant",
    "tables": "tables",
    "pieces": "pieces",
    "knots": "knots",
    "weights": "weights",
    "rows": "rows",
    "columns": "columns",
    "multiplier_bits": "multiplier",
    "divisor_bits": "divisor",
    "step": "step",
}
SHOWN_FIGURES = {
    "latency": "cycles",
    "interval": "each",
    "worst_lsb": "worst LSB",
    "mean_lsb": "mean",
    "bits_per_char": "bits per char",
    "perplexity": "perplexity",
    "fmax_mhz": "MHz",
}
PANEL = "Axes; several values with commas"


def _axis(help_text: str) -> Any:
    return typer.Option(help=help_text, rich_help_panel=PANEL)


def sweep(
    unit: Annotated[str | None, _axis("pwl, mac, requantizer, divider; default pwl")] = None,
    function: Annotated[str | None, _axis("sigmoid, tanh, exp, gelu, relu, cos")] = None,
    span: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--range", help="Of the input: LO HI; of one function.", rich_help_panel=PANEL
        ),
    ] = None,
    variant: Annotated[str | None, _axis("Ways to build a unit; default all of each")] = None,
    tables: Annotated[str | None, _axis("constant, loadable")] = None,
    pieces: Annotated[str | None, _axis("Of a PWL")] = None,
    in_bits: Annotated[str | None, _axis("Of an input code: 8, 16")] = None,
    out_bits: Annotated[str | None, _axis("Of an output code: 8, 16")] = None,
    knots: Annotated[str | None, _axis("greedy, optimal")] = None,
    rows: Annotated[str | None, _axis("Of a MAC array")] = None,
    columns: Annotated[str | None, _axis("Of a MAC array")] = None,
    multiplier_bits: Annotated[str | None, _axis("Of a requantizer, 8 to 32")] = None,
    divisor_bits: Annotated[str | None, _axis("Of a divider: 8, 32")] = None,
    step: Annotated[str | None, _axis("Quotient bits a cycle: 1, 2, 4")] = None,
    target: Annotated[str | None, _axis("Area targets, or all")] = None,
    everything: Annotated[
        bool, typer.Option("--full", help="The published grid, unless told: 4 to 160 pieces.")
    ] = False,
    pnr: Annotated[
        bool, typer.Option("--pnr", help="Place and route too: Fmax, where nextpnr can.")
    ] = False,
    model: Annotated[
        Path | None, typer.Option(help="Model whose activations are replaced too.")
    ] = None,
    corpus: Annotated[
        str, typer.Option("--corpus", "--data", help="That the model is judged on.")
    ] = "pydoc",
    folder: Annotated[Path, typer.Option("-o", "--out")] = Path("build/sweep"),
    jobs: Annotated[int | None, typer.Option(min=1, help="At once; default: cores.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler, HOST:PORT, to run the steps.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Generate and synthesise units, fitted where they approximate; show accuracy against area.

    Writes sweep.json, sweep.csv, PNG figures and index.html. What is done is not done again: an
    interrupted sweep goes on with the same command. Exit code 1 where a point failed.

    Example: irnn sweep --function sigmoid,tanh --pieces 8,16 --in-bits 8 --target ecp5
    """
    texts = {
        "units": unit, "functions": function, "variants": variant, "tables": tables,
        "pieces": pieces, "in_bits": in_bits, "out_bits": out_bits, "knots": knots, "rows": rows,
        "columns": columns, "multiplier_bits": multiplier_bits, "divisor_bits": divisor_bits,
        "step": step, "targets": target,
    }  # fmt: skip
    grid = _grid(texts, span, everything)
    network = None if model is None else _network(model, corpus)
    results, computed = _run(grid, network, folder, _executor(scheduler), jobs, pnr)
    _print(results, computed, folder, as_json)
    if results["failed"]:
        console.print(f"[bold red]failed:[/] {results['failed']} points; see {folder}/index.html")
        raise typer.Exit(1)


def _grid(
    texts: dict[str, str | None], span: tuple[float, float] | None, everything: bool
) -> "Grid":
    """Of the axes that are given."""
    from irnn_hw.sweep.grid import Grid, full, values_of

    given: dict[str, Any] = {f: values_of(f, text) for f, text in texts.items() if text is not None}
    if span is not None:
        given["span"] = span
    return full(**given) if everything else Grid(**given)


def _run(
    grid: "Grid",
    network: Any,
    folder: Path,
    executor: Callable[[], Any] | None,
    jobs: int | None,
    pnr: bool,
) -> tuple[dict[str, Any], int]:
    """The results, written; and how many steps were computed."""
    from irnn_hw.sweep.files import write_results
    from irnn_hw.sweep.run import sweep as run

    with bar("sweep") as report:
        results, computed = run(grid, folder / "cache", network, executor, jobs, report, pnr)
    write_results(results, folder)
    return results, computed


def _network(model: Path, corpus: str) -> Any:
    from golden.model import IntModel
    from irnn_hw.data.corpus import load_corpus
    from irnn_hw.sweep.run import Network

    return Network(IntModel.load(model), load_corpus(corpus))


def _executor(scheduler: str | None) -> Callable[[], Any] | None:
    if scheduler is None:
        return None
    from irnn_hw.sweep.cluster import ClusterExecutor

    return partial(ClusterExecutor, scheduler)


def _print(results: dict[str, Any], computed: int, folder: Path, as_json: bool) -> None:
    if as_json:
        show(results, "", as_json)
        return
    out.print(*_fronts(results), sep="\n")
    points = len(results["points"])
    failed = results["failed"]
    out.print(f"{points} points, {failed} failed, {computed} steps computed; {folder}/index.html")
    out.print(results["caveat"])


def _fronts(results: dict[str, Any]) -> Iterator[Table]:
    """Of each family, the points that no other beats, those that do the same together."""
    from irnn_hw.sweep.records import FRONTS, compared, group

    best = [row for row in results["points"] if any(row[f"{front}_front"] for front in FRONTS)]
    groups = list(dict.fromkeys(str(group(row)) for row in best))
    best.sort(key=lambda row: (groups.index(str(group(row))), -(row["worst_lsb"] or 0)))
    for unit in dict.fromkeys(row["unit"] for row in best):
        rows = [row for row in best if row["unit"] == unit]
        used = {k: v for k, v in SHOWN_LABELS.items() if len({row[k] for row in rows}) > 1}
        used |= {k: v for k, v in SHOWN_FIGURES.items() if any(row[k] is not None for row in rows)}
        table = Table(*used.values(), "area", box=None, title_justify="left")
        table.title = f"{unit}, on a front: no other is as good and smaller"
        for row in rows:
            area = ", ".join(f"{value:,} {name}" for name, value in compared(row).items() if value)
            table.add_row(*(_cell(row[name]) for name in used), area or "0")
        yield table


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
