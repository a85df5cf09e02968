"""The steps of the road: each reads the file of the one before and writes its own.

The command line and the demo are built from these. Figures are JSON-able dicts.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from golden.errors import InputError
from golden.machine import Machine
from golden.model import IntModel
from golden.npu_config import NpuConfig
from golden.program import Program
from golden.registers import windows
from golden.sampler import Sampler, converse
from irnn_hw.area.nextpnr import add_fmax, check_placeable
from irnn_hw.area.target import Target
from irnn_hw.area.targets import target_named
from irnn_hw.area.targets.liberty import liberty_target
from irnn_hw.area.yosys import Point, estimate_many
from irnn_hw.compiler import compile_model
from irnn_hw.data.corpus import Corpus
from irnn_hw.evaluate import (
    bits_per_character,
    count_differences,
    run_golden,
    sampler_scale,
)
from irnn_hw.files import file_sha256
from irnn_hw.held_out import STREAMS, character_streams, text_parts
from irnn_hw.qat.config import PHASES
from irnn_hw.quant.overflow import prove_no_overflow
from irnn_hw.stats import gather
from rtl.emit import verilog_text
from rtl.npu import Npu
from rtl.units import UNITS
from sim.npu_check import Job, NpuResult, cosimulate

Progress = Callable[[int, int], None]
Figures = dict[str, Any]

CURVE_POINTS = 200  # a phase's loss curve, averaged to at most so many
STATS_STEPS = 64  # whose tensors are all held at once
TEMPERATURE = 0.6  # below 1 the text is likelier than typical, and easier to read


def curves(losses: dict[str, list[float]]) -> Figures:
    """Loss curves for the report: bits per character by phase, averaged over runs of steps."""
    phases = []
    for name, values in losses.items():
        if not values:
            continue
        runs = np.array_split(np.array(values), min(len(values), CURVE_POINTS))
        ends = np.cumsum([len(run) for run in runs])
        means = [round(float(run.mean()), 4) for run in runs]
        phases.append({"name": name, "steps": ends.tolist(), "bits_per_char": means, "heldout": []})
    return {"phases": phases}


def train(config: Any, corpus: Corpus, checkpoint: Path, progress: Callable[..., None]) -> Figures:
    """Train from the checkpoint, or from the start, to the end. config: a TrainConfig."""
    from irnn_hw.qat.train import train as run  # torch is slow to import, and optional

    result = run(config, corpus, checkpoint, progress)
    seconds = {phase: round(value, 1) for phase, value in result.seconds.items()}
    return {"curves": curves(result.losses), "seconds": seconds, "config": asdict(config)}


def export(checkpoint: Path, out: Path) -> Figures:
    """Write the integer model of a checkpoint, once no accumulator of it can overflow."""
    from irnn_hw.qat.export import export_model

    model = export_model(checkpoint)
    proof = prove_no_overflow(model)
    model.save(out)
    headroom = {case.operation: round(case.headroom_bits, 2) for case in proof}
    return {"sha256": file_sha256(out), "bytes": out.stat().st_size, "headroom_bits": headroom}


def phases_on(report: Callable[..., None], config: Any) -> Callable[[str, int, int, float], None]:
    """Training progress of all phases on one bar. config: a TrainConfig."""
    before, total = {}, 0
    for phase in PHASES:
        before[phase] = total
        total += config.steps(phase)

    def progress(phase: str, step: int, _steps: int, loss: float) -> None:
        report(before[phase] + step, total, f"{phase} {loss:.3f} bits/char")

    return progress


def evaluate(
    model: IntModel,
    corpus: Corpus,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Figures:
    """The golden model over the held-out text: bits per character, and what was clamped.

    With a checkpoint: its full-precision figure, and every golden logit against that of the
    training module in evaluation.
    """
    tokens, targets = character_streams(model, corpus)
    run = run_golden(model, tokens, progress)
    bits = bits_per_character(run.logits, targets, model.output_scale)
    figures: Figures = {"characters": int(targets.size), "bits_per_char_int": round(bits, 4)}
    figures["clamps"] = {n: {"clamped": c.clamped, "seen": c.seen} for n, c in run.clamps.items()}
    if checkpoint is not None:
        from irnn_hw.qat.export import evaluate_float, integer_logits

        compared, differing = count_differences(integer_logits(checkpoint, tokens), run.logits)
        figures |= {"logits_compared": compared, "logits_differing": differing}
        figures["bits_per_char_float"] = round(evaluate_float(checkpoint, corpus), 4)
    return figures


def tensor_stats(
    model: IntModel,
    corpus: Corpus,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Figures:
    """By tensor over the held-out text: range of codes, clamps, and, with a checkpoint, the noise
    of quantization against the same weights in real numbers."""
    network = None
    if checkpoint is not None:
        from irnn_hw.qat.export import float_network

        network = float_network(checkpoint)
    parts = text_parts(model, corpus, STATS_STEPS)
    report = None if progress is None else lambda done: progress(done, len(parts))
    found = gather(model, parts, STREAMS, network, progress=report)
    return {name: stats.figures() for name, stats in found.items()}


def write_text(model: IntModel, prompt: str, writes: int, temperature: float, seed: int) -> str:
    """What the golden model writes after reading `prompt`."""
    vocabulary = vocabulary_of(model)
    sampler = Sampler(sampler_scale(model.output_scale, temperature), seed)
    talk = converse(model, encode(vocabulary, prompt), writes, sampler)
    return "".join(vocabulary[s] for s in talk.symbols[len(prompt) :])


def vocabulary_of(model: IntModel) -> str:
    vocabulary = model.metadata.get("vocabulary")
    if not isinstance(vocabulary, str):
        raise InputError("model: its metadata holds no vocabulary; it is no character model")
    return vocabulary


def encode(vocabulary: str, text: str) -> list[int]:
    """Codes of a text; a character that the vocabulary lacks is its last symbol."""
    codes = {character: code for code, character in enumerate(vocabulary)}
    return [codes.get(character, len(vocabulary) - 1) for character in text]


def compile_to(model: IntModel, config: NpuConfig, out: Path) -> Figures:
    """Write the program of a model."""
    program = compile_model(model, config)
    program.save(out)
    used = {name: len(image) for name, image in program.images().items()}
    there = {name: window.words for name, window in windows(config).items()}
    return {
        "sha256": file_sha256(out),
        "config": config.name,
        "instructions": len(program.instructions),
        "memory_words": {name: [used[name], there[name]] for name in used},
    }


def cosimulate_text(
    program: Program,
    model: IntModel,
    passage: str,
    writes: int,
    folder: Path,
    *,
    stall_seed: int | None = None,
    waves: bool = False,
    progress: Progress | None = None,
) -> tuple[Figures, NpuResult]:
    """The NPU reads a passage and writes on; every word against golden. Figures and the run."""
    vocabulary = vocabulary_of(model)
    scale = sampler_scale(model.output_scale, TEMPERATURE)
    job = Job(encode(vocabulary, passage), writes, scale, stall_seed=stall_seed)
    result = cosimulate(program, model, job, folder, waves=waves, progress=progress)
    symbols = result.conversation.symbols
    steps, multiplies = len(symbols), sum(op.weights.size for op in _products(model))
    capacity = program.config.macs * max(result.cycles, 1)
    figures = {
        "words_compared": result.words,
        "words_differing": result.differing,
        "writes_compared": result.writes.words,
        "hidden_states_compared": result.tensors["h.next"].words
        if "h.next" in result.tensors
        else 0,
        "logits_compared": result.tensors[model.output].words,
        "tensors": {name: [c.words, c.differing] for name, c in result.tensors.items()},
        "steps": steps,
        "cycles": result.cycles,
        "mac_utilisation": round(multiplies * steps / capacity, 4),
        "cycles_per_second": round(result.cycles_per_second),
        "message": result.message,
        "text": {
            "read": passage,
            "written": "".join(vocabulary[s] for s in symbols[len(passage) :]),
        },
        "cycles_by_operation": cycles_by_operation(result.machine),
    }
    return figures, result


def _products(model: IntModel) -> list[Any]:
    return [op for op in model.operations if hasattr(op, "weights")]


def cycles_by_operation(machine: Machine) -> Figures:
    """Busy and waiting cycles of each engine, by the tensor that it computes."""
    totals: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for e in machine.executed:
        total = totals[e.engine, machine.program.labels[e.index]]
        total[0] += e.issued - e.accepted
        total[1] += max(e.accepted - e.ready, 0)
    rows = [
        {"engine": engine, "operation": label, "cycles": busy, "waiting": waiting}
        for (engine, label), (busy, waiting) in totals.items()
    ]
    return {"engines": rows, "total": max((e.landed for e in machine.executed), default=0) + 1}


def area(
    names: Sequence[str],
    targets: Sequence[str],
    config: NpuConfig,
    cache: Path,
    jobs: int = 2,
    progress: Progress | None = None,
    *,
    liberty: Path | None = None,
    seeds: int = 0,
) -> list[Figures]:
    """Area of units of the registry, or of `npu`, for each target.

    liberty: a file whose cell library is one more target. seeds: with how many to place and route.
    """
    chosen = [target_named(name) for name in targets]
    if liberty is not None:
        chosen.append(liberty_target(liberty))
    if seeds:
        check_placeable(chosen)
    points = [point for name in names for point in _area_points(name, chosen, config)]
    figures = estimate_many(points, cache, jobs, progress)
    if seeds:
        add_fmax(points, figures, cache, seeds, jobs, progress)
    return figures


def _area_points(name: str, targets: Sequence[Target], config: NpuConfig) -> list[Point]:
    if name != "npu" and name not in UNITS:
        raise InputError(f"unit: no unit {name}; there are npu, {', '.join(UNITS)}")
    whole = name == "npu"
    parameters = asdict(config) if whole else {"unit": name, "summary": UNITS[name].summary}
    top = name.replace("-", "_")
    source = verilog_text(Npu(config=config) if whole else UNITS[name].build(), top)
    return [Point(top, target, source, whole, parameters) for target in targets]
