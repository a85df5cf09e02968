"""Area of every PWL unit on ECP5, beside the figures to beat, and its latency.

Usage: python -P benchmarks/pwl_area.py. LUT4 / flip-flops / multipliers / block RAMs, pipelined,
one code a cycle; constant tables are fitted sigmoids. Syntheses are cached in build/area.
"""

from pathlib import Path

from rich.table import Table

from golden.activation import PwlSpec, tabulate
from irnn_hw.area.yosys import estimate
from irnn_hw.console import out
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS
from irnn_hw.quant.pwl_methods import fit_by, output_range
from rtl.pipeline import Pipeline
from rtl.pwl import Pwl, PwlSearch
from rtl.pwl_load import PwlSizes
from rtl.pwl_loadable import LoadablePwl, LoadablePwlSearch
from rtl.pwl_table import LoadablePwlTable, PwlTable

FIGURES = ("lut", "ff", "dsp", "bram")
CACHE = Path(__file__).parents[1] / "build" / "area"


def sigmoid(bits: int, pieces: int, out_bits: int = 8) -> PwlSpec:
    x = QuantParams.from_range(-8, 8, bits)
    y = QuantParams.from_range(*output_range("sigmoid", x), out_bits)
    return fit_by("greedy", FUNCTIONS["sigmoid"], x, y, pieces)


def designs() -> list[tuple[str, Pipeline, tuple[int, ...] | None]]:
    """Name, unit, and the figures to beat: those of a prototype."""
    eight, sixteen, wide = sigmoid(8, 8), sigmoid(16, 96), sigmoid(16, 96, 16)
    held, held_wide = PwlSizes(96, 16, 8), PwlSizes(96, 16, 16)
    searched, searched_wide = PwlSizes(128, 16, 8), PwlSizes(128, 16, 16)
    bank, search, loadable = (1950, 205, 1, 0), (381, 316, 1, 2), (4462, 4046, 1, 0)
    return [
        ("bank, 8 pieces, 8 to 8", Pwl(spec=eight), (136, 70, 1, 0)),
        ("bank, 96, 16 to 8", Pwl(spec=sixteen), bank),
        ("bank, 96, 16 to 16", Pwl(spec=wide), bank),
        ("search, 8, 8 to 8", PwlSearch(spec=eight), (112, 111, 1, 0)),
        ("search, 96, 16 to 8", PwlSearch(spec=sixteen, block=True), search),
        ("search, 96, 16 to 16", PwlSearch(spec=wide, block=True), search),
        ("search, 96, 16 to 8, logic alone", PwlSearch(spec=sixteen), None),
        ("table, 8 to 8", PwlTable(spec=tabulate(eight)), (101, 9, 0, 0)),
        ("loadable bank, 8, 8 to 8", LoadablePwl(sizes=PwlSizes(8)), (277, 270, 1, 0)),
        ("loadable bank, 96, 16 to 8", LoadablePwl(sizes=held), loadable),
        ("loadable bank, 96, 16 to 16", LoadablePwl(sizes=held_wide), loadable),
        ("loadable search, 8, 8 to 8", LoadablePwlSearch(sizes=PwlSizes(8)), (163, 160, 1, 0)),
        ("loadable search, 96, 16 to 8", LoadablePwlSearch(sizes=searched), (571, 475, 1, 2)),
        ("loadable search, 96, 16 to 16", LoadablePwlSearch(sizes=searched_wide), (571, 475, 1, 2)),
        ("loadable table, 8 to 8", LoadablePwlTable(), (20, 27, 0, 1)),
    ]


def main() -> None:
    rows = designs()
    areas = [estimate(unit, "unit", "ecp5", CACHE) for _, unit, _ in rows]
    table = Table("unit", "latency", "/".join(FIGURES), "to beat", "at or under")
    for (name, unit, target), area in zip(rows, areas, strict=True):
        values = [area["total"][figure] for figure in FIGURES]
        beaten = target and all(v <= t for v, t in zip(values, target, strict=True))
        wanted = "/".join(map(str, target)) if target else ""
        mark = "" if target is None else "yes" if beaten else "no"
        table.add_row(name, str(unit.LATENCY), "/".join(map(str, values)), wanted, mark)
    out.print(table)


if __name__ == "__main__":
    main()
