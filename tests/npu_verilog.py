"""The NPU's Verilog, emitted once a process and configuration."""

from functools import cache

from golden.npu_config import CONFIGS
from rtl.emit import verilog_text
from rtl.npu import Npu
from sim.npu_check import TOPLEVEL


@cache
def npu_verilog(name: str) -> str:
    """Verilog of the named configuration."""
    return verilog_text(Npu(config=CONFIGS[name]), TOPLEVEL)
