"""Formal proofs: a property of the RTL, for all inputs, by the SAT solver of Yosys.

A property is a component beside the unit whose `ok` must be 1 as long as its inputs keep `given` 1.
It is proved in one of three ways:

- combinational: registers become wires, so a pipeline is one function of its inputs;
- by induction: `ok` holds after reset, and no cycle loses it. Inputs that are probes read wires
  within the unit, so that `ok` can say how they belong together;
- bounded: `ok` holds in so many cycles from reset, where a later one tells nothing new.

A proof of assumptions that contradict each other proves nothing: `seen` must be reached, too.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from rtl.emit import verilog_text
from rtl.yosys import YosysError, run_yosys
from sim.mutation import Mutation, mutant_verilog

TOPLEVEL = "top"

_WIRES = r"""
module \$dff (CLK, D, Q);
  parameter WIDTH = 1;
  parameter CLK_POLARITY = 1;
  input CLK;
  input [WIDTH-1:0] D;
  output [WIDTH-1:0] Q;
  assign Q = D;
endmodule
"""

_PREPARE = f"""
read_verilog -sv design.v
hierarchy -check -top {TOPLEVEL}
proc
flatten
memory_collect
memory_map
"""

_BOUND = "from reset"  # as many cycles as the proof has

_EMIT = """
import sys
from rtl.emit import verilog_text
from sim.proofs import PROOFS
print(verilog_text(PROOFS[sys.argv[1]].build(), sys.argv[2]), end="")
"""

_PROVED = re.compile(r"(?:no model found|step proven|proved base case for \d+ steps): SUCCESS!")
_REFUTED = re.compile(r"model found(?: for base case)?: FAIL!|-> proof failed\.")
_SIGNED = re.compile(r"^  (?:input|output) signed \[\d+:0\] (\w+);", re.MULTILINE)
_HIDDEN = {"clk", "rst", "given", "seen"}
_ROW = re.compile(r"^ *(\d*) +\\(\w+) +\S+ +\S+ +([01]+) *$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Twin:
    """A property of a broken part, where the part is not of rtl/ and no Mutation reaches it."""

    name: str
    build: Callable[[], "Property"]


Fault = Mutation | Twin


class Property(wiring.Component):
    """What a proof proves: `ok` in every cycle in which `given`; `seen` is a case that occurs.

    Members: those of the subclass, free inputs or probes, and the three outputs.
    """

    def __init__(self, members: Mapping[str, wiring.Member]):
        outputs = {"ok": Out(1), "given": Out(1, init=1), "seen": Out(1)}
        super().__init__({**members, **outputs})


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A property, how it is proved, and faults of the RTL that must make the proof fail.

    claim: what is proved; inputs: for which inputs. cycles: 0 for a combinational proof; else those
    from reset within which `seen` occurs and a counterexample is looked for. induction: cycles of
    `ok` from which the next follows, unless it is bounded. probes: input -> the wire within the
    unit, by its path, that drives it; several, the highest first, by commas. slow: minutes.
    """

    name: str
    claim: str
    inputs: str
    build: Callable[[], Property]
    faults: tuple[Fault, ...]
    cycles: int = 0
    induction: int = 1
    bounded: bool = False
    probes: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False


Counterexample = list[dict[str, int]]


@dataclass(frozen=True)
class Verdict:
    """proved, and `seen` reached; seconds of the solver; where not proved, ports cycle by cycle."""

    name: str
    proved: bool
    reached: bool
    seconds: float
    counterexample: Counterexample

    @property
    def ok(self) -> bool:
        return self.state == "proved"

    @property
    def state(self) -> str:
        """proved; refuted, by a counterexample; undecided; vacuous: `seen` was not reached."""
        if not self.proved:
            return "refuted" if self.counterexample else "undecided"
        return "proved" if self.reached else "vacuous"

    def text(self) -> str:
        """The counterexample, a line a cycle."""
        lines = [
            f"{cycle:>4}: " + ", ".join(f"{name} {value}" for name, value in ports.items())
            for cycle, ports in enumerate(self.counterexample, 1)
        ]
        return "\n".join(["counterexample, ports by cycle", *lines])


def prove(proof: Proof) -> Verdict:
    """Run the proof on the true RTL. Raises YosysError when the solver stops."""
    return _run(proof, verilog_text(proof.build(), TOPLEVEL))


def prove_fault(proof: Proof, fault: Fault) -> Verdict:
    """Run the proof on the RTL with a fault in it. Raises what `mutant_verilog` does."""
    if isinstance(fault, Twin):
        return _run(proof, verilog_text(fault.build(), TOPLEVEL))
    return _run(proof, mutant_verilog(replace(fault, unit=proof.name), _EMIT, TOPLEVEL))


def _run(proof: Proof, verilog: str) -> Verdict:
    start = time.perf_counter()
    questions = f"{_how(proof)} -prove ok 1", f"{_BOUND} -prove seen 0"
    proved, reachable = _solve(proof, verilog, *questions)
    shown: Counterexample = []
    if not _holds(proved):
        # A step that does not keep `ok` may begin where no reset leads; a trace from reset may not.
        (refuted,) = _solve(proof, verilog, f"{_BOUND} -prove ok 1")
        shown = [] if _holds(refuted) else _counterexample(verilog, refuted)
    seconds = round(time.perf_counter() - start, 2)
    return Verdict(proof.name, _holds(proved), not _holds(reachable), seconds, shown)


def _how(proof: Proof) -> str:
    """Options of the solver, but for the inputs."""
    if proof.bounded:
        return f"-seq {proof.cycles}"
    length = proof.induction
    return f"-tempinduct -initsteps {length - 1} -maxsteps {length}" if proof.cycles else ""


def _solve(proof: Proof, verilog: str, *questions: str) -> list[str]:
    """The log of each run of the solver."""
    # -nounset: else what is made of the probe within the property loses its driver.
    connect = "connect -nounset -set {} {}\n"
    probes = "".join(connect.format(*probe) for probe in proof.probes.items())
    wires = "" if proof.cycles else "techmap -map wires.v\n"
    # Registers begin as after reset; memories, which have no reset, with anything.
    common = "-set rst 0 -set given 1 -show-ports"
    bound = f"-tempinduct-baseonly -maxsteps {proof.cycles}" if proof.cycles else ""
    asked = "".join(f"sat {common} {q.replace(_BOUND, bound)} {TOPLEVEL}\n" for q in questions)
    script = f"{_PREPARE}{probes}{wires}opt -full\n{asked}"
    log = run_yosys(script, {"design.v": verilog, "wires.v": _WIRES})["yosys.log"]
    return log.split("-- Running command `sat ")[1:]


def _holds(log: str) -> bool:
    """What a run of the solver says."""
    proved, refuted = bool(_PROVED.search(log)), bool(_REFUTED.search(log))
    if proved == refuted:
        raise YosysError(f"the solver said neither yes nor no:\n{log[-2000:]}")
    return proved


def _counterexample(verilog: str, log: str) -> Counterexample:
    """The ports of the property, cycle by cycle, from the table of a failed proof."""
    ports = verilog.split(f"module {TOPLEVEL}(")[1].split("endmodule")[0]
    signed = set(_SIGNED.findall(ports))
    cycles: dict[int, dict[str, int]] = {}
    for cycle, name, bits in _ROW.findall(log):
        if name not in _HIDDEN:
            negative = name in signed and bits[0] == "1"
            value = int(bits, 2) - (negative << len(bits))
            cycles.setdefault(int(cycle or 1), {})[name] = value
    return [cycles[cycle] for cycle in sorted(cycles)]
