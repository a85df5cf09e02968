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

    verilog: module npu to simulate in place of what the configuration emits. progress: (time steps
    done, all). Raises InputError when the program is not this model's, BuildError when Verilator
    stops.
    """
    start = time.perf_counter()
    if program.model_sha256 != model.sha256:
        raise InputError("program: compiled from another model; compile this one")
    conversation = converse(model, job.passage, job.writes, Sampler(job.scale, job.seed))
    build = build_npu(program.config, verilog, waves=waves, cache=cache)
    _prepare(folder, program, job, conversation.traces[model.output])
    with _Watch(folder / "progress", len(conversation.symbols), progress):
        ran = verilator.run_cocotb(build, "sim.tb_npu", {}, folder)
    observed = _observed(folder)
    trace = read_trace(folder, observed.get("cycles", 0), observed.get("mac_beats", 0))
    host = Host(conversation.symbols, trace.arrivals, trace.departures)
    machine = Machine(program, len(conversation.symbols), host)
    message = ran.message
    writes, explanation = _against_machine(machine, trace, model, conversation)
    tensors = compare_tensors(program, model, trace, conversation.traces)
    wrong = [name for name, c in tensors.items() if c.differing]
    if wrong and not explanation:
        explanation = f"{', '.join(wrong)} differ from the golden model"
    if ran.ok and observed["written"] != conversation.symbols[len(job.passage) :]:
        explanation = explanation or "the symbols written differ from the golden model's"
    seconds = time.perf_counter() - start
    rate = observed["cycles"] / observed["seconds"] if observed else 0.0
    return NpuResult(
        writes, tensors, trace.cycles, rate, seconds, conversation, machine, explanation or message
    )


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
