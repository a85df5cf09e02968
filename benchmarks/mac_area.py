"""Area of the MAC arrays: every weight format, three sizes, four targets.

Usage: python -P benchmarks/mac_area.py. The table of docs/units.md; Yosys, not placed. Results are
kept in build/area: the first run takes a few minutes.
"""

from pathlib import Path
from typing import Any

from rich.table import Table

from irnn_hw.area.yosys import estimate
from irnn_hw.console import out
from rtl.mac_array import MacArray

CACHE = Path(__file__).parents[1] / "build" / "area"
SIZES = (2, 4, 8)
FIGURES = {
    "ecp5": ("lut", "ff", "dsp"),
    "xilinx": ("lut", "ff", "dsp"),
    "up5k": ("lut", "ff", "dsp"),
    "gates": ("nand2",),
}
# The number: bits of a multiplier's wider operand, as each target has it.
VARIANTS: dict[str, dict[str, Any]] = {
    "int8": {},
    "int8, packed 24": {"packed": 24},
    "int8, packed 18": {"packed": 18},
    "int8, packed 16": {"packed": 16},
    "ternary": {"weight_format": "ternary"},
    "power of two": {"weight_format": "power of two"},
    "exponential": {"weight_format": "exponential"},
}


def main() -> None:
    heads = [f"{target}: {'/'.join(figures)}" for target, figures in FIGURES.items()]
    table = Table("array", "weights", *heads)
    for size in SIZES:
        for name, parameters in VARIANTS.items():
            array = MacArray(rows=size, columns=size, **parameters)
            areas = {target: estimate(array, "unit", target, CACHE)["total"] for target in FIGURES}
            cells = ("/".join(str(areas[t][f]) for f in figures) for t, figures in FIGURES.items())
            table.add_row(f"{size} x {size}", name, *cells)
    out.print(table)


if __name__ == "__main__":
    main()
