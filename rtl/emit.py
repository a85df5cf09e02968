"""Deterministic Verilog: byte-identical across folders, runs and hash seeds."""

import re

from amaranth.back import rtlil
from amaranth.lib import wiring

from rtl.copies import merge_copies
from rtl.yosys import run_yosys

# Of the attributes, those stay that change what a synthesis may do (no_rw_check).
_WRITE_VERILOG = """
read_rtlil design.il
proc -nomux -norom
memory_collect
attrmap -remove generator -remove top -remove src -remove amaranth.hierarchy
attrmap -remove amaranth.decoding -remove full_case -remove parallel_case
attrmap -modattr -remove generator -remove top -remove src
write_verilog -norename design.v
"""

# Memories that start unwritten: their zeros would only fill pages of initial blocks.
_ZEROS = re.compile(
    r"^  cell \$meminit_v2 \S+\n(?:    .*\n)*?    connect \\DATA \d+'0+\n(?:    .*\n)*?  end\n",
    re.MULTILINE,
)


def verilog_text(component: wiring.Component, name: str) -> str:
    """Verilog of the component as module `name`, its submodules beside it, equal ones as one."""
    text = _ZEROS.sub("", merge_copies(rtlil.convert(component, name=name, emit_src=False)))
    verilog = run_yosys(_WRITE_VERILOG, {"design.il": text}, ("design.v",))["design.v"]
    # Initial values stand in the declarations; as attributes they would stand there twice.
    return "".join(line for line in verilog.splitlines(True) if "(* init = " not in line)
