"""Deterministic Verilog: byte-identical across folders, runs and hash seeds."""

from amaranth.back import rtlil
from amaranth.lib import wiring

from rtl.yosys import run_yosys

# Memories start unwritten: their all-zero contents would only fill pages of initial blocks.
_WRITE_VERILOG = """
read_rtlil design.il
proc -nomux -norom
delete t:$meminit_v2
memory_collect
attrmap -remove generator -remove top -remove src -remove amaranth.hierarchy
attrmap -remove amaranth.decoding
write_verilog -norename -noattr design.v
"""


def rtlil_text(component: wiring.Component, name: str) -> str:
    """RTLIL of the component as module `name`."""
    return rtlil.convert(component, name=name, emit_src=False)


def verilog_text(component: wiring.Component, name: str) -> str:
    """Verilog of the component as module `name`, its submodules beside it."""
    files = {"design.il": rtlil_text(component, name)}
    return run_yosys(_WRITE_VERILOG, files, ("design.v",))["design.v"]
