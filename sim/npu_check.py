"""Co-simulates the NPU: its RTL on Verilator over its bus, against the golden model and machine."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from golden.container import write_atomic
from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.machine import Host, Machine
from golden.model import IntModel
from golden.npu_config import NpuConfig
from golden.program import Program
from golden.sampler import Conversation, Sampler, converse
from golden.trace import KINDS, Trace, count_differing, first_divergence
from rtl.emit import verilog_text
from rtl.npu import Npu
from sim import verilator
from sim.build_cache import Build
from sim.check import CheckResult
from sim.lockstep import Compared, compare_tensors, explain
from sim.trace_file import read_trace
from sim.verilator import CocotbResult

TOPLEVEL = "npu"
TRACE = Path(__file__).with_name("npu_trace.sv")
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Job:
    """What the NPU is given: a passage to read, symbols to write, and a host that may stall.

    scale: of golden.sampler.Sampler. stall_seed: idle cycles and back-pressure on both streams.
    """

    passage: list[int]
    writes: int = 0
    scale: FixedPoint = field(default_factory=lambda: FixedPoint(1, 0))
    seed: int = 1
    stall_seed: int | None = None


@dataclass(frozen=True)
class NpuResult:
    """What was compared. writes: with the machine, cycle and address included; tensors: with the
    golden model. machine: executed with the streams' cycles of this run. message: empty when all
    is equal."""

    writes: Compared
    tensors: dict[str, Compared]
    cycles: int
    cycles_per_second: float
    seconds: float
    conversation: Conversation
    machine: Machine
    message: str

    @property
    def words(self) -> int:
        return self.writes.words + sum(c.words for c in self.tensors.values())

    @property
    def differing(self) -> int:
        return self.writes.differing + sum(c.differing for c in self.tensors.values())

    def check(self, name: str) -> CheckResult:
        """As a row of a regression."""
        return CheckResult(
            name, self.words, self.differing, self.cycles, self.seconds, self.message
        )


@dataclass(frozen=True)
class Simulation:
    """What the RTL did with a job. observed: of sim/tb_npu.py, empty when it was cut short."""

    ran: CocotbResult
    trace: Trace
    observed: dict

    @property
    def cycles_per_second(self) -> float:
        return self.observed["cycles"] / self.observed["seconds"] if self.observed else 0.0


def build_npu(
    config: NpuConfig,
    verilog: str | None = None,
    *,
    waves: bool = False,
    cache: Path | None = None,
) -> Build:
    """The simulation of a configuration's NPU, or of `verilog` in its place, with its trace."""
    text = verilog_text(Npu(config=config), TOPLEVEL) if verilog is None else verilog
    sources = {f"{TOPLEVEL}.v": text, TRACE.name: TRACE.read_text()}
    return verilator.build(TOPLEVEL, sources, TOPLEVEL, waves=waves, cache=cache)


def simulate(
    program: Program,
    job: Job,
    expected: np.ndarray,
    folder: Path,
    *,
    verilog: str | None = None,
    waves: bool = False,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Simulation:
    """Run a job on the RTL until an accumulator differs from `expected` (steps, outputs).

    verilog: module npu to simulate in place of what the configuration emits. progress: (time steps
    done, all). Raises BuildError when Verilator stops.
    """
    build = build_npu(program.config, verilog, waves=waves, cache=cache)
    _prepare(folder, program, job, expected)
    with _Watch(folder / "progress", len(job.passage) + job.writes, progress):
        ran = verilator.run_cocotb(build, "sim.tb_npu", {}, folder)
    observed = _observed(folder)
    trace = read_trace(folder, observed.get("cycles", 0), observed.get("mac_beats", 0))
    return Simulation(ran, trace, observed)


def cosimulate(
    program: Program,
    model: IntModel,
    job: Job,
    folder: Path,
    *,
    verilog: str | None = None,
    waves: bool = False,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NpuResult:
    """Run a job on the RTL; every write, its cycle, every code and every logit is compared.

    Parameters as of simulate. Raises InputError when the program is not this model's, BuildError
    when Verilator stops.
    """
    start = time.perf_counter()
    if program.model_sha256 != model.sha256:
        raise InputError("program: compiled from another model; compile this one")
    said = converse(model, job.passage, job.writes, Sampler(job.scale, job.seed))
    logits = said.traces[model.output]
    options = {"verilog": verilog, "waves": waves, "cache": cache, "progress": progress}
    simulation = simulate(program, job, logits, folder, **options)
    trace = simulation.trace
    host = Host(said.symbols, trace.arrivals, trace.departures)
    machine = Machine(program, len(said.symbols), host)
    writes, explanation = _against_machine(machine, trace, model, said)
    tensors = compare_tensors(program, model, trace, said.traces)
    problems = [explanation or _wrong_tensors(tensors), simulation.ran.message]
    if simulation.ran.ok and simulation.observed["written"] != said.symbols[len(job.passage) :]:
        problems.append("the symbols written differ from the golden model's")
    return NpuResult(
        writes,
        tensors,
        trace.cycles,
        simulation.cycles_per_second,
        time.perf_counter() - start,
        said,
        machine,
        "; ".join(filter(None, problems)),
    )


def _wrong_tensors(tensors: dict[str, Compared]) -> str:
    wrong = [name for name, compared in tensors.items() if compared.differing]
    return f"{', '.join(wrong)} differ from the golden model" if wrong else ""


def _prepare(folder: Path, program: Program, job: Job, logits: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for stale in ("observed.json", "progress"):
        (folder / stale).unlink(missing_ok=True)
    program.save(folder / "program.irnn")
    np.save(folder / "expected.npy", logits)
    fields = {
        "passage": job.passage,
        "write": job.writes,
        "scale": [job.scale.mantissa, job.scale.shift],
        "seed": job.seed,
        "stall_seed": job.stall_seed,
    }
    write_atomic(folder / "job.json", json.dumps(fields))


def _observed(folder: Path) -> dict:
    path = folder / "observed.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def _against_machine(
    machine: Machine, trace: Trace, model: IntModel, conversation: Conversation
) -> tuple[Compared, str]:
    """Every event of the trace against the machine's, and the first divergence explained."""
    expected = machine.run()
    words = sum(len(getattr(expected, kind)) for kind in KINDS)
    divergence = first_divergence(expected, trace)
    if divergence is not None:
        differing = count_differing(expected, trace)
        return Compared(words, differing), explain(divergence, machine, model, conversation.traces)
    for name in ("cycles", "mac_beats"):
        ours, theirs = getattr(expected, name), getattr(trace, name)
        if ours != theirs:
            return Compared(words, 1), f"{name}: {theirs} counted, {ours} by the machine"
    return Compared(words, 0), ""


class _Watch:
    """Reports the time step that the bench has reached, from a thread, while it runs."""

    def __init__(self, path: Path, steps: int, progress: Callable[[int, int], None] | None):
        self._path, self._steps, self._progress = path, steps, progress
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> None:
        if self._progress is not None:
            self._thread.start()

    def __exit__(self, *_) -> None:
        self._done.set()
        if self._progress is not None:
            self._thread.join()

    def _poll(self) -> None:
        while not self._done.wait(POLL_SECONDS):
            text = self._path.read_text() if self._path.is_file() else ""
            if text:
                self._progress(int(text), self._steps)
