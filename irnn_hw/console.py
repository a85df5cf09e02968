"""What a person sees: progress bars, tables, and one line for an error."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from sim.toolchain import ToolStatus

# Progress and messages go to stderr, so that --json leaves stdout to the script that reads it.
console = Console(stderr=True, highlight=False)
out = Console(highlight=False)


class Bar:
    """One progress bar; call it with (done, all), and text for what cannot be counted."""

    def __init__(self, progress: Progress, title: str):
        self._progress = progress
        self._task = progress.add_task(title, total=None, text="")

    def __call__(self, done: int, total: int, text: str = "") -> None:
        self._progress.update(self._task, completed=done, total=total, text=text)


@contextmanager
def bars() -> Iterator[Callable[[str], Bar]]:
    """Progress bars for long steps, also of several threads: call it with a title for the next."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<18}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        yield partial(Bar, progress)


@contextmanager
def bar(title: str) -> Iterator[Bar]:
    """A progress bar for one long step."""
    with bars() as new_bar:
        yield new_bar(title)


def show(figures: dict[str, Any], title: str, as_json: bool) -> None:
    """Figures as JSON on stdout, or as a table of those that are single values."""
    if as_json:
        print(json.dumps(figures, indent=1, sort_keys=True, ensure_ascii=False))
        return
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in figures.items():
        if isinstance(value, int | float | str) and value != "":
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            table.add_row(name.replace("_", " "), shown)
    out.print(table)


def compared(well: bool, message: str, code: int = 1) -> None:
    """End with an exit code unless all is well."""
    if not well:
        if message:
            console.print(f"[bold red]failed:[/] {message}")
        raise typer.Exit(code)


def stats_table(tensors: dict[str, dict[str, Any]]) -> Table:
    """Figures of `irnn_hw.stats`, a row a tensor."""
    table = Table("tensor", title="tensors", title_justify="left")
    for heading in ("bits", "codes", "range", "clamped", "of", "SQNR, dB"):
        table.add_column(heading, justify="right")
    for name, t in tensors.items():
        shown = [
            "" if t["low"] is None else f"{t['low']}..{t['high']}",
            "" if t["range"] is None else "..".join(f"{r:.3g}" for r in t["range"]),
            *("" if not t["seen"] else f"{t[key]:,}" for key in ("clamped", "seen")),
        ]
        db = "" if t["sqnr_db"] is None else f"{t['sqnr_db']:.1f}"
        table.add_row(name, str(t["bits"]), *shown, db)
    return table


def mutant_table(verdicts: Iterable[Any]) -> Table:
    """What `irnn mutate` shows: each `irnn_hw.mutate.Verdict`."""
    table = Table("fault", "in", "unit", "", title="mutants", title_justify="left")
    for v in verdicts:
        table.add_row(v.mutation, v.file, v.unit, "killed" if v.killed else "[bold red]survived[/]")
    return table


def tool_table(rows: list[ToolStatus]) -> Table:
    """What `irnn doctor` shows."""
    table = Table("tool", "needed", "found", "", title="tools", title_justify="left")
    for row in rows:
        state = "[green]ok[/]" if row.ok else f"[bold red]missing or too old[/]: {row.remedy}"
        table.add_row(row.name, row.needed, row.found or "nothing", state)
    return table
