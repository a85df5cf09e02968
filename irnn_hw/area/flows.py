"""Yosys scripts of the two area targets, and what their cells count for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from golden.errors import InputError

CAVEAT = (
    "Yosys estimate after technology mapping, before place and route; figures of different Yosys "
    "versions cannot be compared."
)

# Two levels of submodules stay modules (npu.mac and npu.mac.array); what is below is flattened.
_KEEP_UNITS = """
select -set units {top}/c:* %M
select -set parts @units %M
setattr -mod -set keep_hierarchy 1 @units @parts
"""

# `dch` halves the inverters; the default script's sweeps cost three times the time for 0.6 %.
_ABC = "+strash;dc2;&get,-n;&dch,-f;&nf;&put"


@dataclass(frozen=True, slots=True)
class Target:
    """A technology. cells: cell type -> what one of it adds to each figure. units: of the figures.

    synthesis: the script between reading and statistics, with {top}; by_unit: that with the units
    kept apart, where it differs.
    """

    name: str
    title: str
    synthesis: str
    cells: Mapping[str, Mapping[str, int]]
    units: Mapping[str, str]
    by_unit: str = ""

    def script(self, top: str, keep_units: bool) -> str:
        """The whole script: reads design.v, writes stat.json."""
        keep = _KEEP_UNITS if keep_units else ""
        synthesis = (self.by_unit if keep_units else "") or self.synthesis
        lines = f"""
read_verilog -sv design.v
hierarchy -check -top {{top}}
{keep}
{synthesis}
tee -q -o stat.json stat -json
"""
        return lines.format(top=top)

    def figures(self, cells: Mapping[str, int], memory_bits: int) -> dict[str, int]:
        """Figures of a cell count. Raises InputError for a cell that the target does not know."""
        total = dict.fromkeys(self.units, 0)
        for cell, count in cells.items():
            if cell not in self.cells:
                raise InputError(f"area: cell {cell} is not one of target {self.name}")
            for figure, each in self.cells[cell].items():
                total[figure] += each * count
        if "memory_bits" in total:
            total["memory_bits"] = memory_bits
        if "nand2" in total:
            total["nand2"] = round(total["transistors"] / 4)
        return total

    def describe(self) -> dict[str, Any]:
        return {"target": self.name, "title": self.title, "figure_units": dict(self.units)}


# synth_ecp5 maps with abc9, which stops at an assertion on designs that keep modules apart.
_ECP5_BY_UNIT = """
synth_ecp5 -top {top} -run begin:map_luts
abc -lut 4
clean
synth_ecp5 -top {top} -run map_cells:check
"""

ECP5 = Target(
    "ecp5",
    "Lattice ECP5",
    "synth_ecp5 -top {top}",
    {
        "LUT4": {"lut": 1},
        "CCU2C": {"lut": 2},  # two LUT4 used as a carry chain
        "TRELLIS_DPR16X4": {"lut": 4},
        "TRELLIS_FF": {"ff": 1},
        "MULT18X18D": {"dsp": 1},
        "DP16KD": {"bram": 1},
        "PFUMX": {},  # multiplexers of the slice, behind LUTs already counted
        "L6MUX21": {},
        "$scopeinfo": {},
    },
    {
        "lut": "LUT4",
        "ff": "flip-flops",
        "dsp": "18 x 18 multipliers",
        "bram": "18 kbit block RAMs",
    },
    _ECP5_BY_UNIT,
)

# A memory stays whole: an ASIC has a macro there, so its bits are counted apart from the logic.
GATES = Target(
    "gates",
    "gates (NAND2 and NOT, static CMOS)",
    f"""
synth -flatten -run begin:fine -top {{top}}
opt -full
techmap
opt -fast
dfflegalize -cell $_DFF_P_ 01
simplemap
opt_clean
abc -script {_ABC} -g NAND
opt_clean
memory_unpack
""",
    {
        "$_NAND_": {"transistors": 4},
        "$_NOT_": {"transistors": 2},
        "$_DFF_P_": {"transistors": 16, "ff": 1},
        "$memrd_v2": {},
        "$memwr_v2": {},
        "$meminit_v2": {},
        "$meminit": {},
        "$scopeinfo": {},
    },
    {
        "nand2": "NAND2 equivalents",
        "transistors": "transistors",
        "ff": "flip-flops",
        "memory_bits": "bits of memory, not in the logic",
    },
)

TARGETS = {target.name: target for target in (ECP5, GATES)}
