"""Area of requantizers, sums of terms and vector lanes on ECP5 and in gates.

Usage: python -P benchmarks/lane_area.py [--pnr]. The tables of docs/units.md; Yosys, not placed.
With --pnr each is placed and routed, too: its clock in MHz. Results are kept in build/area.
"""

import sys
from pathlib import Path

from rich.table import Table

from irnn_hw.area.nextpnr import place_and_route
from irnn_hw.area.targets import target_named
from irnn_hw.area.yosys import Point, estimate_many
from irnn_hw.console import out
from rtl.emit import verilog_text
from rtl.pipeline import Pipeline
from rtl.requantizer import Requantizer
from rtl.term_sum import TermSum
from rtl.vector_lane import VectorLane

CACHE = Path(__file__).parents[1] / "build" / "area"
FIGURES = ("lut", "ff", "dsp")


def units() -> list[tuple[str, Pipeline]]:
    """Name and component."""
    requantizers = [
        (f"requantizer, 32 x {width} to {bits}", Requantizer(multiplier_width=width, bits=bits))
        for width in (8, 16, 24, 32)
        for bits in (8, 16)
    ]
    sums = [
        ("sum of 2, 8 bits", TermSum()),
        ("sum of 3, 8 bits", TermSum(operand_bits=(8,) * 3)),
        ("sum of 8, 8 bits", TermSum(operand_bits=(8,) * 8)),
        (
            "sum of 4, 8 and 16 bits, x 24 to 16",
            TermSum(operand_bits=(8, 16, 8, 16), multiplier_width=24, bits=16),
        ),
    ]
    lanes = [
        ("lane of the NPU, 8 bits", VectorLane()),
        ("lane, complete, 8 bits", VectorLane(complete=True)),
        ("lane of the NPU, 16 bits", VectorLane(bits=16, scale_bits=25)),
        ("lane, complete, 16 bits", VectorLane(bits=16, scale_bits=25, complete=True)),
    ]
    return [*requantizers, *sums, *lanes]


def main() -> None:
    pnr = "--pnr" in sys.argv[1:]
    rows = [(name, unit.LATENCY, verilog_text(unit, "unit")) for name, unit in units()]
    ecp5, gates = (
        [Point("unit", target_named(target), source) for _, _, source in rows]
        for target in ("ecp5", "gates")
    )
    table = Table("unit", "latency", "LUT", "FF", "DSP", "NAND2", *(["MHz"] if pnr else []))
    areas = zip(estimate_many(ecp5, CACHE), estimate_many(gates, CACHE), strict=True)
    for (name, latency, _), point, (fpga, asic) in zip(rows, ecp5, areas, strict=True):
        cells = [str(fpga["total"][figure]) for figure in FIGURES]
        cells.append(str(round(asic["total"]["nand2"])))
        if pnr:
            cells.append(f"{place_and_route(point, fpga['total'], CACHE)['fmax_mhz']:.0f}")
        table.add_row(name, str(latency), *cells)
    out.print(table)


if __name__ == "__main__":
    main()
