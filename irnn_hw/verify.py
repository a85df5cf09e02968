"""`irnn verify`: training module, golden model and NPU over a test set, value by value."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from golden.errors import InputError
from golden.executor import Executor
from golden.machine import Host, Machine
from golden.model import SEQUENCE, IntModel
from golden.program import Program
from irnn_hw.data import digits
from irnn_hw.held_out import Feeds
from sim.lockstep import compare_tensors

Progress = Callable[..., None]
Figures = dict[str, Any]


def verify(
    model: IntModel,
    checkpoint: Path,
    parts: Sequence[Feeds],
    every: bool = False,
    program: Program | None = None,
    progress: Progress | None = None,
) -> Figures:
    """Values compared and values that differ, by tensor: training module against golden model, and
    with a program, the NPU's machine against golden model."""
    from irnn_hw.qat.verify import compare_with_module  # torch is slow to import, and optional

    report = None if progress is None else lambda done: progress(done, len(parts), "module")
    fresh = model.metadata.get("task") == digits.TASK
    counts = {"module": compare_with_module(model, checkpoint, parts, every, report, fresh)}
    if program is not None:
        counts["npu"] = compare_with_machine(model, program, parts, progress)
    compared, differing = (
        sum(pair[n] for tensors in counts.values() for pair in tensors.values()) for n in (0, 1)
    )
    return {"values_compared": compared, "values_differing": differing, "tensors": counts}


def compare_with_machine(
    model: IntModel, program: Program, parts: Sequence[Feeds], progress: Progress | None = None
) -> dict[str, list[int]]:
    """What the NPU's machine writes, and its logits, against the golden model, stream by stream.

    Raises InputError when the program is not this model's.
    """
    if program.model_sha256 != model.sha256:
        raise InputError("program: compiled from another model; compile this one")
    tokens = np.concatenate([np.asarray(p[SEQUENCE].tokens) for p in parts], axis=1)
    counts, kept = Counter[tuple[str, int]](), list(model.tensors)
    for n, symbols in enumerate(tokens):
        trace = Machine(program, len(symbols), Host(symbols.tolist())).run()
        executor = Executor(model, keep=kept)
        values = {name: x[0] for name, x in executor.run(symbols[np.newaxis]).items()}
        for name, found in compare_tensors(program, model, trace, values).items():
            counts.update({(name, 0): found.words, (name, 1): found.differing})
        if progress is not None:
            progress(n + 1, len(tokens), "NPU")
    names = dict.fromkeys(name for name, _ in counts)
    return {name: [counts[name, 0], counts[name, 1]] for name in names}
