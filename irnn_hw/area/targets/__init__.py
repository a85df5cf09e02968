"""The targets of an area estimate, by name; a cell library is one more (`liberty.py`)."""

from golden.errors import InputError
from irnn_hw.area.target import Target
from irnn_hw.area.targets.ecp5 import ECP5
from irnn_hw.area.targets.gates import GATES
from irnn_hw.area.targets.ice40 import ICE40, UP5K
from irnn_hw.area.targets.xilinx import XILINX

TARGETS = {target.name: target for target in (ECP5, ICE40, UP5K, XILINX, GATES)}


def target_named(name: str) -> Target:
    """Raises InputError for a name that is not there."""
    if name not in TARGETS:
        raise InputError(f"target: {name} is not one of {', '.join(TARGETS)}")
    return TARGETS[name]
