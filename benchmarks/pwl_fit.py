"""How fast a PWL is fitted: both methods at 8 and 16 bits, and Algorithm 1 as it is printed.

Usage: python -P benchmarks/pwl_fit.py. CPU seconds, best of three. `as printed` recomputes every
slope after each removal, in numpy, which is what one writes from the paper; same knots.
"""

import time
from collections.abc import Callable

import numpy as np
from rich.table import Table

from irnn_hw.console import out
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, Function, greedy
from irnn_hw.quant.pwl_methods import fit_by, output_range

RANGES = {"sigmoid": (-8, 8), "tanh": (-4, 4), "exp": (-10, 0)}
PIECES = {8: 16, 16: 96}


def as_printed(f: Function, x: QuantParams, pieces: int) -> list[int]:
    """Knots of Algorithm 1, one removal after another."""
    codes = np.arange(x.high + 1)
    knots, values = x.dequantize(codes), np.asarray(f(x.dequantize(codes)))
    while len(knots) - 1 > pieces:
        slopes = np.diff(values) / np.diff(knots)
        worst = 1 + int(np.abs(slopes[:-1] - slopes[1:]).argmin())
        codes, knots, values = (np.delete(a, worst) for a in (codes, knots, values))
    return codes.tolist()


def seconds(run: Callable[[], object], repeats: int = 3) -> float:
    """Of the CPU, the least."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    table = Table("function", "input bits", "pieces", "greedy, s", "as printed", "optimal, s")
    for name, ends in RANGES.items():
        for bits, pieces in PIECES.items():
            f, x = FUNCTIONS[name], QuantParams.from_range(*ends, bits)
            y = QuantParams.from_range(*output_range(name, x))
            ours = seconds(lambda f=f, x=x, p=pieces: greedy(f, x, p))
            theirs = ""
            if bits == 8 or name == "sigmoid":  # 16 bits take half a minute
                printed = seconds(lambda f=f, x=x, p=pieces: as_printed(f, x, p), 1)
                theirs = f"{printed / ours:.0f} times"
                assert as_printed(f, x, pieces) == list(greedy(f, x, pieces).knots)
            best = seconds(lambda f=f, x=x, y=y, p=pieces: fit_by("optimal", f, x, y, p))
            table.add_row(name, str(bits), str(pieces), f"{ours:.3f}", theirs, f"{best:.2f}")
    out.print(table)


if __name__ == "__main__":
    main()
