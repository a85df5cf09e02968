"""A unit between registers behind four pins, so that a part with few pins can hold any unit.

A shift register gives every input bit; every output bit is taken by a register of a shift register
that folds it in. No path of the harness has more than one LUT between registers.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rtl.yosys import run_yosys

NAME = "harness"
_CLOCK_AND_RESET = ("clk", "rst")
_PORT = re.compile(r"^(input|output) \[(\d+):(\d+)\] (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a module; width in bits."""

    direction: str
    width: int
    name: str


def ports_of(source: str, top: str) -> list[Port]:
    """Ports of module `top` of a Verilog text."""
    script = f"read_verilog -sv design.v\ntee -q -o ports.txt portlist {top}\n"
    text = run_yosys(script, {"design.v": source}, ("ports.txt",))["ports.txt"]
    return [Port(m[1], int(m[2]) - int(m[3]) + 1, m[4]) for m in _PORT.finditer(text)]


def harness(top: str, ports: Iterable[Port]) -> str:
    """Verilog of module NAME around module `top`, whose clock is clk and whose reset is rst."""
    ports = list(ports)
    inputs = [p for p in ports if p.direction == "input" and p.name not in _CLOCK_AND_RESET]
    outputs = [p for p in ports if p.direction == "output"]
    given, taken = (sum(p.width for p in some) for some in (inputs, outputs))
    wires = [f".{p.name}({p.name})" for p in ports if p.name in _CLOCK_AND_RESET]
    wires += [*_slices("given", inputs), *_slices("taken", outputs)]
    connections = ",\n    ".join(wires)
    return f"""module {NAME}(input clk, input rst, input shift_in, output shift_out);
  reg [{given}:0] given;
  reg [{taken}:0] folded;
  wire [{taken - 1}:0] taken;
  {top} unit (
    {connections}
  );
  always @(posedge clk) begin
    given <= {{given, shift_in}};
    folded <= {{folded, given[{given}]}} ^ taken;
  end
  assign shift_out = folded[{taken}];
endmodule
"""


def _slices(vector: str, ports: Iterable[Port]) -> list[str]:
    """Each port at its own bits of the vector, from bit 0 on."""
    result, low = [], 0
    for port in ports:
        result.append(f".{port.name}({vector}[{low} +: {port.width}])")
        low += port.width
    return result
