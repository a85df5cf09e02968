"""The regression: every unit of the registry, and the NPU on random models, stalled or not."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from golden.fixed import FixedPoint
from golden.npu_config import CONFIGS
from golden.zoo import lstm
from irnn_hw.compiler import compile_model
from sim.check import Check, CheckResult
from sim.junit import write_junit
from sim.npu_check import Job, cosimulate
from sim.regression import run_regression, unit_checks

# Per configuration: symbols, embedding, hidden. Lengths that are no multiple of anything, and for
# `base` the demo's.
MODELS = {"tiny": (7, 12, 10), "small": (11, 20, 36), "base": (96, 64, 128)}
PASSAGE, WRITES = 8, 8


def npu_checks() -> list[Check]:
    """A check for each configuration that is quick to build."""
    return [Check(f"npu-{name}", partial(check_npu, name)) for name in MODELS]


def check_npu(config: str, folder: Path, seed: int, waves: bool) -> CheckResult:
    """A random model on a configuration: a host that never waits, then one that stalls."""
    start = time.perf_counter()
    symbols, embedding, hidden = MODELS[config]
    model = lstm(seed, symbols, embedding, hidden)
    program = compile_model(model, CONFIGS[config])
    passage = np.random.default_rng(seed).integers(0, symbols, PASSAGE).tolist()
    rows = []
    for name, stall_seed in (("steady", None), ("stalled", seed)):
        job = Job(passage, WRITES, FixedPoint(1 << 15, 26), stall_seed=stall_seed)
        result = cosimulate(program, model, job, folder / name, waves=waves)
        rows.append(result.check(name))
    words, differing, cycles = (
        sum(getattr(row, field) for row in rows) for field in ("words", "differing", "cycles")
    )
    message = "; ".join(f"{row.name}: {row.message}" for row in rows if row.message)
    seconds = time.perf_counter() - start
    return CheckResult(f"npu-{config}", words, differing, cycles, seconds, message)


def regression(
    names: Sequence[str] | None,
    folder: Path,
    *,
    jobs: int,
    seed: int,
    waves: bool,
    progress: Callable[..., None],
) -> list[CheckResult]:
    """Run the named checks, or all, and write junit.xml to the folder.

    Raises InputError for a name that is neither a unit nor an NPU check.
    """
    npu = {check.name: check for check in npu_checks()}
    # The NPU's builds are the longest: first, so that the last to end is short.
    checks = [check for name, check in npu.items() if not names or name in names]
    units = [name for name in names or () if name not in npu]
    if units or not names:
        checks += unit_checks(units or None)

    def done(count: int, total: int, result: CheckResult) -> None:
        progress(count, total, f"{result.name} {'passed' if result.ok else 'FAILED'}")

    results = run_regression(checks, folder, jobs=jobs, seed=seed, waves=waves, progress=done)
    write_junit(results, folder / "junit.xml")
    return results
