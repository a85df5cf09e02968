"""`irnn sweep`: accuracy against area of every way to build an activation unit."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from golden.errors import InputError
from irnn_hw.console import bar, console, out, show


def _axis(help_text: str) -> Any:
    return typer.Option(help=f"{help_text}; several with commas.")


def sweep(
    function: Annotated[str | None, _axis("sigmoid, tanh, exp, gelu, relu, cos")] = None,
    span: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", help="Of the input: LO HI; of one function."),
    ] = None,
    variant: Annotated[str | None, _axis("bank, search, table; default all")] = None,
    tables: Annotated[str | None, _axis("constant, loadable")] = None,
    pieces: Annotated[str | None, _axis("Of a PWL")] = None,
    in_bits: Annotated[str | None, _axis("Of an input code: 8, 16")] = None,
    out_bits: Annotated[str | None, _axis("Of an output code: 8, 16")] = None,
    knots: Annotated[str | None, _axis("greedy, optimal")] = None,
    target: Annotated[str | None, _axis("Area targets, or all")] = None,
    everything: Annotated[
        bool, typer.Option("--full", help="4 to 160 pieces and every target, unless told.")
    ] = False,
    model: Annotated[
        Path | None, typer.Option(help="Model whose activations are replaced too.")
    ] = None,
    corpus: Annotated[str, typer.Option(help="That the model is judged on.")] = "pydoc",
    folder: Annotated[Path, typer.Option("-o", "--out")] = Path("build/sweep"),
    jobs: Annotated[int | None, typer.Option(min=1, help="At once; default: cores.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler, HOST:PORT, to run the steps.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Fit, generate and synthesise activation units; show accuracy against area.

    Writes sweep.json, sweep.csv, PNG figures and index.html. What is done is not done again: an
    interrupted sweep goes on with the same command. Exit code 1 where a point failed.

    Example: irnn sweep --function sigmoid,tanh --pieces 8,16 --in-bits 8 --target ecp5
    """
    chosen = {
        "functions": _words(function), "variants": _words(variant), "tables": _words(tables),
        "pieces": _numbers("pieces", pieces), "in_bits": _numbers("in-bits", in_bits),
        "out_bits": _numbers("out-bits", out_bits), "knots": _words(knots),
        "targets": _words(target), "span": span,
    }  # fmt: skip
    given = {name: value for name, value in chosen.items() if value is not None}
    results, computed = _run(given, everything, model, corpus, folder, jobs, scheduler)
    _print(results, computed, folder, as_json)
    if results["failed"]:
        console.print(f"[bold red]failed:[/] {results['failed']} points; see {folder}/index.html")
        raise typer.Exit(1)


def _run(
    given: dict[str, Any],
    everything: bool,
    model: Path | None,
    corpus: str,
    folder: Path,
    jobs: int | None,
    scheduler: str | None,
) -> tuple[dict[str, Any], int]:
    """The results, written; and how many steps were computed."""
    from irnn_hw.sweep.files import write_results
    from irnn_hw.sweep.grid import Grid, full
    from irnn_hw.sweep.run import sweep as run

    grid = full(**given) if everything else Grid(**given)
    network = None if model is None else _network(model, corpus)
    with bar("sweep") as report:
        results, computed = run(
            grid, folder / "cache", network, _executor(scheduler), jobs, progress=report
        )
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


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(","))


def _numbers(name: str, text: str | None) -> tuple[int, ...] | None:
    words = _words(text)
    try:
        return None if words is None else tuple(int(word) for word in words)
    except ValueError as error:
        raise InputError(f"{name}: {text!r} is not numbers; give them as 8,16") from error


def _print(results: dict[str, Any], computed: int, folder: Path, as_json: bool) -> None:
    if as_json:
        show(results, "", as_json)
        return
    out.print(_front(results))
    points = len(results["points"])
    failed = results["failed"]
    out.print(f"{points} points, {failed} failed, {computed} steps computed; {folder}/index.html")
    out.print(results["caveat"])


def _front(results: dict[str, Any]) -> Table:
    """The points that no other beats, those of a function, its widths and a target together."""
    from irnn_hw.sweep.records import GROUP, compared

    network = results["network"] is not None
    methods = len(results["grid"]["knots"]) > 1
    heads = ["function", "bits", "target", "unit", "pieces", *["knots"] * methods]
    table = Table(*heads, "worst LSB", "mean", "area", *["bits per char"] * network, box=None)
    table.title, table.title_justify = "on a front: no other is as good and smaller", "left"
    rows = [row for row in results["points"] if row["error_front"] or row["network_front"]]
    for row in sorted(rows, key=lambda r: ([str(r[k]) for k in GROUP], -r["worst_lsb"])):
        cells = [row["function"], f"{row['in_bits']} to {row['out_bits']}", row["target"]]
        cells += [row["variant"] + (" loadable" if row["tables"] == "loadable" else "")]
        labels = ("pieces", *["knots"] * methods, "worst_lsb", "mean_lsb")
        cells += [_cell(row[name]) for name in labels]
        area = ", ".join(f"{value:,} {name}" for name, value in compared(row).items() if value)
        table.add_row(*cells, area or "0", *[_cell(row["bits_per_char"])] * network)
    return table


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
