"""Runs checks against golden in parallel, each in a process of its own, and sums them up.

A crash, an exception and a check that compared nothing are failures like a differing word.
"""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from rich.table import Table

from golden.errors import InputError
from rtl.units import UNITS
from sim import toolchain
from sim.check import Check, CheckResult
from sim.unit_check import check_unit

Progress = Callable[[int, int, CheckResult], None]
# Threads of the parent (progress bars) and loaded simulations do not survive a fork.
_PROCESSES = multiprocessing.get_context("spawn")


def unit_checks(names: Iterable[str] | None = None) -> list[Check]:
    """A check for each unit of the registry, or for those named. Raises InputError."""
    names = list(UNITS if names is None else names)
    unknown = [name for name in names if name not in UNITS]
    if unknown:
        raise InputError(
            f"unit: no unit {', '.join(unknown)} in the registry; there are {', '.join(UNITS)}"
        )
    return [Check(name, partial(_check_unit, name)) for name in names]


def run_regression(
    checks: Sequence[Check],
    folder: Path,
    *,
    jobs: int = 2,
    seed: int = 0,
    waves: bool = False,
    progress: Progress | None = None,
) -> list[CheckResult]:
    """Run all checks, `jobs` at once; the results in the order of the checks.

    folder: each check's files go to folder/<name>. progress: called with (done, all, result) as
    each ends. Raises InputError when a tool is missing, before anything runs.
    """
    toolchain.ensure()
    folder = Path(folder).absolute()
    waiting = list(enumerate(checks))[::-1]
    running: dict[Connection, tuple[int, BaseProcess, float]] = {}
    results: dict[int, CheckResult] = {}
    try:
        while waiting or running:
            while waiting and len(running) < max(jobs, 1):
                index, check = waiting.pop()
                connection, process = _start(check, folder / check.name, seed, waves)
                running[connection] = index, process, time.perf_counter()
            for connection in wait(list(running)):
                index, process, start = running.pop(connection)
                results[index] = _collect(checks[index].name, connection, process, start)
                if progress is not None:
                    progress(len(results), len(checks), results[index])
    finally:
        for _, process, _ in running.values():
            process.kill()
    return [results[index] for index in range(len(checks))]


def all_passed(results: Sequence[CheckResult]) -> bool:
    """Whether there were checks and every one compared words and found none to differ."""
    return bool(results) and all(result.ok for result in results)


def summary_table(results: Sequence[CheckResult]) -> Table:
    """One row a check, and the sums."""
    table = Table(title="RTL against golden", show_footer=True)
    words, differing, cycles = (
        sum(getattr(result, field) for result in results)
        for field in ("words", "differing", "cycles")
    )
    failed = sum(not result.ok for result in results)
    table.add_column("check", f"{len(results)} checks")
    table.add_column("words", f"{words:,}", justify="right")
    table.add_column("differing", f"{differing:,}", justify="right")
    table.add_column("cycles", f"{cycles:,}", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("result", f"{failed} failed" if failed or not results else "all passed")
    for r in results:
        row = (r.name, f"{r.words:,}", f"{r.differing:,}", f"{r.cycles:,}", f"{r.seconds:.1f}")
        table.add_row(*row, "passed" if r.ok else f"FAILED: {r.problem}")
    return table


def _check_unit(name: str, folder: Path, seed: int, waves: bool) -> CheckResult:
    return check_unit(UNITS[name], folder, seed, waves=waves)


def _start(check: Check, folder: Path, seed: int, waves: bool) -> tuple[Connection, BaseProcess]:
    receiver, sender = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_child, args=(check, folder, seed, waves, sender))
    process.start()
    sender.close()  # so that the child's death is the end of the stream
    return receiver, process


def _child(check: Check, folder: Path, seed: int, waves: bool, sender: Connection) -> None:
    start = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        result = check.run(folder, seed, waves)
    except Exception as error:
        (folder / "error.log").write_text(traceback.format_exc())
        message = f"{type(error).__name__}: {error}"
        result = CheckResult(check.name, 0, 0, 0, time.perf_counter() - start, message)
    sender.send(result)


def _collect(name: str, connection: Connection, process: BaseProcess, start: float) -> CheckResult:
    """What a child sent, or a failure when it ended without."""
    try:
        return replace(connection.recv(), name=name)
    except EOFError:
        process.join()
        message = f"crashed: the process ended with exit code {process.exitcode}"
        return CheckResult(name, 0, 0, 0, time.perf_counter() - start, message)
    finally:
        connection.close()
        process.join()
