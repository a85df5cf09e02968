"""What a target of an area estimate is: a Yosys script, and what its cells count for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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

# abc9 names the bits of a wire x as x[0], x[1], ..., and stops where a wire has that name, as the
# elements of an array have. Ports stay: who connects them does so by name.
PLAIN_NAMES = "rename -unescape w:* x:* %d\n"

Cells = Mapping[str, Mapping[str, float]]

# Where memories stay whole: a chip has a macro there, so its bits are counted apart from the logic.
MEMORY_CELLS: Cells = {"$memrd_v2": {}, "$memwr_v2": {}, "$meminit_v2": {}, "$meminit": {}}
MEMORY_BITS = {"memory_bits": "bits of memory, not in the logic"}
NOTES: Cells = {"$scopeinfo": {}}


@dataclass(frozen=True, slots=True)
class Device:
    """A part to place and route on: its nextpnr with its options, and how much it holds."""

    name: str
    tool: str
    arguments: tuple[str, ...]
    holds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """A technology. cells: cell type -> what one of it adds to each figure. units: of the figures.

    synthesis: the script between reading and statistics, with {top}; by_unit: that with the units
    kept apart, where it differs. devices: smallest first; none where nextpnr cannot place. files:
    name -> text, what the script reads beside the design. origin: what a result says of them.
    """

    name: str
    title: str
    synthesis: str
    cells: Cells
    units: Mapping[str, str]
    by_unit: str = ""
    statistics: str = "stat -json"
    devices: tuple[Device, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)

    def script(self, top: str, keep_units: bool) -> str:
        """The whole script: reads design.v, writes stat.json."""
        keep = _KEEP_UNITS if keep_units else ""
        synthesis = (self.by_unit if keep_units else "") or self.synthesis
        lines = f"""
read_verilog -sv design.v
hierarchy -check -top {{top}}
{keep}
{synthesis}
tee -q -o stat.json {self.statistics}
"""
        return lines.format(top=top)

    def figures(self, cells: Mapping[str, int], memory_bits: int) -> dict[str, float]:
        """Figures of a cell count. Raises InputError for a cell that the target does not know."""
        total: dict[str, float] = dict.fromkeys(self.units, 0)
        for cell, count in cells.items():
            if cell not in self.cells:
                where = f"target {self.name}, {self.title}"
                raise InputError(f"area: cell {cell} is not one of {where}")
            for figure, each in self.cells[cell].items():
                total[figure] += each * count
        if "memory_bits" in total:
            total["memory_bits"] = memory_bits
        if "nand2" in total:
            total["nand2"] = round(total["transistors"] / 4)
        return total

    def describe(self) -> dict[str, Any]:
        names = {"target": self.name, "title": self.title, "figure_units": dict(self.units)}
        return {**names, **self.origin}
