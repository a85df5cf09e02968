"""Checks one unit of the registry against golden: natively over every word, and through cocotb."""

import json
import time
from dataclasses import replace
from pathlib import Path

from rtl.emit import verilog_text
from rtl.units.unit import Unit, unpack
from sim import native, verilator
from sim.check import CheckResult
from sim.streams import Expected, Observed, judge, patterns

TOPLEVEL = "unit"
# Through cocotb, words of at most so many cycles a pattern: the native driver sends them all.
COCOTB_CYCLES = 1000


class UnitBench:
    """One unit, to be checked natively and through cocotb.

    verilog: module `unit`, as emitted; a mutant may take its place. expected: golden's words.
    """

    def __init__(self, unit: Unit, seed: int):
        component = unit.build()
        vectors = unit.vectors(seed)
        shape_in, shape_out = component.i.payload.shape(), component.o.payload.shape()
        self.name = unit.name
        self.verilog = verilog_text(component, TOPLEVEL)
        self._seed = seed
        self._preamble = vectors.preamble
        self.expected = Expected(
            vectors.inputs,
            vectors.outputs,
            component.LATENCY + vectors.replay,
            component.INTERVAL,
            vectors.waits,
            lambda word: unpack(shape_in, word),
            lambda word: unpack(shape_out, word),
        )

    def check_native(self, *, cache: Path | None = None) -> CheckResult:
        """Every word under every traffic pattern. Raises BuildError, and InputError."""
        start = time.perf_counter()
        build = native.build_native(self.name, self.verilog, TOPLEVEL, cache=cache)
        library = native.NativeUnit(build)
        inputs = native.to_words(self.expected.inputs, library.input_bytes)
        room = len(self.expected.outputs)
        observed = {
            name: native.observed(library.run(inputs, room, traffic.offer, traffic.take))
            for name, traffic in patterns(self._seed).items()
        }
        return self._result(self.expected, observed, "", start)

    def check_cocotb(
        self, folder: Path, *, waves: bool = False, cache: Path | None = None
    ) -> CheckResult:
        """At most COCOTB_CYCLES of words a pattern, in `folder`. Raises like check_native."""
        start = time.perf_counter()
        sources = {f"{TOPLEVEL}.v": self.verilog}
        build = verilator.build(self.name, sources, TOPLEVEL, waves=waves, cache=cache)
        expected = _subset(self.expected, self._preamble)
        fields = ("inputs", "outputs", "latency", "interval", "waits")
        given = {"seed": self._seed, "expected": {f: getattr(expected, f) for f in fields}}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "vectors.json").write_text(json.dumps(given))
        seen = folder / "observed.json"
        seen.unlink(missing_ok=True)
        ran = verilator.run_cocotb(build, "sim.tb_unit", {}, folder)
        observed = json.loads(seen.read_text()) if seen.is_file() else {}
        runs = {name: Observed(**fields) for name, fields in observed.items()}
        return self._result(expected, runs, ran.message, start)

    def _result(
        self, expected: Expected, observed: dict[str, Observed], failure: str, start: float
    ) -> CheckResult:
        verdict = judge(expected, observed)
        cycles = sum(run.cycles for run in observed.values())
        seconds = time.perf_counter() - start
        message = verdict.message or failure
        return CheckResult(self.name, verdict.words, verdict.differing, cycles, seconds, message)


def check_unit(
    unit: Unit, folder: Path, seed: int, *, waves: bool = False, cache: Path | None = None
) -> CheckResult:
    """A unit natively and through cocotb, as one result."""
    bench = UnitBench(unit, seed)
    parts = {
        "native": bench.check_native(cache=cache),
        "cocotb": bench.check_cocotb(folder, waves=waves, cache=cache),
    }
    sums = [
        sum(getattr(part, field) for part in parts.values())
        for field in ("words", "differing", "cycles", "seconds")
    ]
    silent = [f"{name}: no words compared" for name, part in parts.items() if not part.words]
    messages = [f"{name}, {part.message}" for name, part in parts.items() if part.message]
    return CheckResult(unit.name, *sums, "; ".join(messages + silent))


def _subset(expected: Expected, preamble: int) -> Expected:
    """The preamble, and words spread over all after it where each has its own output; else all."""
    inputs, outputs = expected.inputs[preamble:], expected.outputs
    if len(inputs) != len(outputs):
        return expected
    step = -(-len(inputs) * expected.interval // COCOTB_CYCLES)
    first = expected.inputs[:preamble]
    return replace(expected, inputs=[*first, *inputs[::step]], outputs=outputs[::step])
