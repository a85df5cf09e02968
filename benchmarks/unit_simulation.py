"""How fast a unit is simulated: native driver against cocotb, in one run.

Usage: python -P benchmarks/unit_simulation.py [UNIT]. Prints cycles a second, and the ratio to
cocotb, which is what a user would take. Builds are not counted. Trust the ratio.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.table import Table

from irnn_hw.console import out
from rtl.units import UNITS
from sim.check import CheckResult
from sim.unit_check import UnitBench

UNIT = "pwl-16-in16"


def cycles_a_second(run: Callable[[], CheckResult]) -> float:
    """Of the second call: the first one builds."""
    run()
    start = time.perf_counter()
    return run().cycles / (time.perf_counter() - start)


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else UNIT
    bench = UnitBench(UNITS[name], seed=1)
    with tempfile.TemporaryDirectory() as folder:
        rates = {
            "cocotb on Verilator": cycles_a_second(lambda: bench.check_cocotb(Path(folder))),
            "numpy through ctypes": cycles_a_second(bench.check_native),
        }
    table = Table("driver", "cycles a second", "ratio", title=f"{name}, every traffic pattern")
    for driver, rate in rates.items():
        table.add_row(driver, f"{rate:,.0f}", f"{rate / rates['cocotb on Verilator']:.1f}")
    out.print(table)


if __name__ == "__main__":
    main()
