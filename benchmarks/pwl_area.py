"""Area of every PWL unit on ECP5, beside the most that it may be, and its latency.

Usage: python -P benchmarks/pwl_area.py [--pnr]. LUT4 / flip-flops / multipliers / block RAMs,
pipelined, one code a cycle; constant tables are fitted sigmoids. Exits with 1 where a figure is
above its bound, but for those of ABOVE. --pnr: Fmax of place and route too, in minutes. Results are
cached in build/area.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from irnn_hw.area.nextpnr import place_and_route
from irnn_hw.area.targets import target_named
from irnn_hw.area.yosys import Point, estimate_many
from irnn_hw.console import out
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, ideal_table
from irnn_hw.quant.pwl_methods import fit_by, output_range
from rtl.emit import verilog_text
from rtl.pipeline import Pipeline
from rtl.pwl import Pwl, PwlSearch
from rtl.pwl_load import PwlSizes
from rtl.pwl_loadable import LoadablePwl, LoadablePwlSearch
from rtl.pwl_table import LoadablePwlTable, PwlTable

FIGURES = ("lut", "ff", "dsp", "bram")
CACHE = Path(__file__).parents[1] / "build" / "area"
BLOCK = 16  # pieces beyond which a search has its constants in block RAM
FMAX = 102.0  # MHz, at least

# kind -> (in_bits, pieces) -> the most that each of FIGURES may be
AT_MOST: dict[str, dict[tuple[int, int], tuple[int, int, int, int]]] = {
    "bank": {
        (8, 8): (136, 70, 1, 0),
        (8, 16): (200, 85, 1, 0),
        (8, 64): (631, 133, 1, 0),
        (16, 16): (404, 123, 1, 0),
        (16, 96): (1950, 205, 1, 0),
        (16, 160): (3226, 269, 1, 0),
    },
    "search": {
        (8, 8): (112, 111, 1, 0),
        (8, 16): (138, 145, 1, 0),
        (8, 64): (266, 189, 1, 0),
        (16, 16): (224, 234, 1, 0),
        (16, 96): (381, 316, 1, 2),
        (16, 160): (382, 334, 1, 3),
    },
    "loadable bank": {
        (8, 8): (277, 270, 1, 0),
        (8, 16): (509, 470, 1, 0),
        (8, 64): (1793, 1670, 1, 0),
        (16, 16): (845, 766, 1, 0),
        (16, 96): (4462, 4046, 1, 0),
        (16, 160): (7379, 6670, 1, 0),
    },
    "loadable search": {
        (8, 8): (163, 160, 1, 0),
        (8, 16): (185, 181, 1, 0),
        (8, 64): (400, 226, 1, 0),
        (16, 16): (297, 309, 1, 0),
        (16, 96): (571, 475, 1, 2),
        (16, 160): (617, 502, 1, 3),
    },
    "table": {(8, 0): (101, 9, 0, 0)},
    "loadable table": {(8, 0): (20, 27, 0, 1)},
}

# (kind, in_bits, pieces) -> why it is above a bound all the same
ABOVE = {
    ("loadable search", 8, 64): "block RAM for constants: in LUT memory they are 300 LUTs more",
    ("table", 8, 0): "107 LUTs as multiplexers; a case is 97, but block RAM on iCE40",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A unit and its bounds. pieces 0: a look-up table."""

    kind: str
    in_bits: int
    out_bits: int
    pieces: int

    @property
    def name(self) -> str:
        pieces = f", {self.pieces} pieces" if self.pieces else ""
        return f"{self.kind}{pieces}, {self.in_bits} to {self.out_bits}"

    @property
    def at_most(self) -> tuple[int, ...]:
        return AT_MOST[self.kind][self.in_bits, self.pieces]

    def unit(self) -> Pipeline:
        """The component; a search holds a power of two of pieces."""
        bits = self.in_bits, self.out_bits
        if self.kind == "loadable bank":
            return LoadablePwl(sizes=PwlSizes(self.pieces, *bits))
        if self.kind == "loadable search":
            return LoadablePwlSearch(sizes=PwlSizes(1 << (self.pieces - 1).bit_length(), *bits))
        if self.kind == "loadable table":
            return LoadablePwlTable(in_bits=self.in_bits, out_bits=self.out_bits)
        f, (x, y) = FUNCTIONS["sigmoid"], sigmoid_codes(*bits)
        if self.kind == "table":
            return PwlTable(spec=ideal_table(f, x, y))
        spec = fit_by("greedy", f, x, y, self.pieces)
        if self.kind == "bank":
            return Pwl(spec=spec)
        return PwlSearch(spec=spec, block=self.pieces > BLOCK and self.in_bits > 8)


def sigmoid_codes(in_bits: int, out_bits: int) -> tuple[QuantParams, QuantParams]:
    """Of inputs, and of outputs."""
    x = QuantParams.from_range(-8, 8, in_bits)
    return x, QuantParams.from_range(*output_range("sigmoid", x), out_bits)


def rows() -> list[Row]:
    """Of 16-bit inputs with outputs of either width; the bounds are the same."""
    return [
        Row(kind, in_bits, out_bits, pieces)
        for kind, bounds in AT_MOST.items()
        for in_bits, pieces in bounds
        for out_bits in sorted({8, in_bits})
    ]


def main() -> None:
    listed, pnr = rows(), "--pnr" in sys.argv[1:]
    units = [row.unit() for row in listed]
    points = [Point("unit", target_named("ecp5"), verilog_text(unit, "unit")) for unit in units]
    areas = estimate_many(points, CACHE)
    table = Table("unit", "latency", "/".join(FIGURES), "at most", "", *(["MHz"] if pnr else []))
    over = 0
    for row, unit, point, area in zip(listed, units, points, areas, strict=True):
        values = [area["total"][figure] for figure in FIGURES]
        kept = all(v <= most for v, most in zip(values, row.at_most, strict=True))
        cells = ["/".join(map(str, v)) for v in (values, row.at_most)]
        if pnr:
            fmax = place_and_route(point, area["total"], CACHE)["fmax_mhz"]
            kept, clock = kept and fmax >= FMAX, [f"{fmax:.0f}"]
        else:
            clock = []
        over += not kept and (row.kind, row.in_bits, row.pieces) not in ABOVE
        table.add_row(row.name, str(unit.LATENCY), *cells, "" if kept else "over", *clock)
    out.print(table)
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
