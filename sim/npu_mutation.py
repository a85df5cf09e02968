"""Faults put into the NPU on purpose, each of which its co-simulation must find and explain."""

from sim.mutation import Mutation, mutant_verilog
from sim.npu_check import TOPLEVEL

_EMIT = """
import sys
from golden.npu_config import CONFIGS
from rtl.emit import verilog_text
from rtl.npu import Npu
print(verilog_text(Npu(config=CONFIGS[sys.argv[1]]), sys.argv[2]), end="")
"""

# `unit` is the name of a configuration.
NPU_MUTATIONS = (
    Mutation(
        "rounding bit dropped",
        "tiny",
        "fixed.py",
        "Cat(Const(1, 1), zero_point)",
        "Cat(Const(0, 1), zero_point)",
    ),
    Mutation(
        "knots off by one",
        "tiny",
        "pwl.py",
        "sum(self.q >= knot for",
        "sum(self.q > knot for",
    ),
    Mutation(
        "vector memory answers without its register",
        "tiny",
        "vector_memory.py",
        "read = memory.read_port()",
        'read = memory.read_port(domain="comb")',
    ),
    Mutation(
        "bias of the row before",
        "tiny",
        "mac_engine.py",
        "bias_next.eq(self.bias_address + 1)",
        "bias_next.eq(self.bias_address)",
    ),
)


def npu_mutant(mutation: Mutation) -> str:
    """Verilog of the NPU with the fault in it. Raises as mutant_verilog does."""
    return mutant_verilog(mutation, _EMIT, TOPLEVEL)
