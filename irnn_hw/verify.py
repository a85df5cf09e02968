"""`irnn verify`: training module, golden model and NPU over a test set, value by value."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from golden.errors import InputError
from golden.executor import Executor
from golden.feed import Feed
from golden.machine import Host, Machine
from golden.model import SEQUENCE, IntModel
from golden.operations import Input
from golden.program import Program
from irnn_hw.data.corpus import Corpus
from irnn_hw.data.digits import STRINGS_SEED, held_out, load_digits, spelled, strings
from irnn_hw.evaluate import STREAMS, held_out_streams, word_chunks
from irnn_hw.inputs import read_inputs
from sim.lockstep import compare_tensors

Progress = Callable[..., None]
Figures = dict[str, Any]
Feeds = dict[str, Feed]

CHUNK = 256  # time steps whose tensors are held at once
STRINGS = 50  # spoken strings at once: of as many, attention holds every pair of steps


def text_parts(model: IntModel, corpus: Corpus) -> list[Feeds]:
    """The held-out text in streams, cut into parts that go on one from another."""
    if model.metadata.get("vocabulary") != corpus.vocabulary:
        raise InputError(
            f"corpus {corpus.name}: its characters are not the model's vocabulary; give the corpus "
            "that the model was trained on"
        )
    tokens, _ = held_out_streams(corpus, STREAMS)
    starts = range(0, tokens.shape[1], CHUNK)
    return [{SEQUENCE: Feed(tokens[:, n : n + CHUNK])} for n in starts]


def word_parts(model: IntModel, folder: Path | None) -> list[Feeds]:
    """The test part of the word corpus that the model was trained on, in streams, cut into parts
    that go on one from another. folder: of the corpora."""
    return [{SEQUENCE: Feed(tokens)} for tokens, _ in word_chunks(model, folder)]


def digit_parts(model: IntModel, folder: Path | None) -> list[Feeds]:
    """The strings of digits that the model was tested on, some at once; each starts anew."""
    recordings, of = load_digits(folder), model.metadata
    voices = held_out(recordings, of["speaker"], of["snr"], (0, 0))["test"]
    said = strings(recordings, voices, of["strings"], STRINGS_SEED)
    said.sort(key=lambda s: len(s.features))
    return [spelled(said[n : n + STRINGS]) for n in range(0, len(said), STRINGS)]


def input_parts(model: IntModel, path: Path) -> list[Feeds]:
    """Vectors of a file, as the one part of the one input of the model."""
    named = [
        (scan.sequence, op.output)
        for scan in model.scans
        for op in scan.operations
        if isinstance(op, Input)
    ]
    if len(named) != 1:
        raise InputError(f"model: {len(named)} inputs of vectors; --inputs is for one of them")
    ((sequence, name),) = named
    return [{sequence: Feed(inputs={name: read_inputs(path, model.tensors[name].length)})}]


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
    fresh = model.metadata.get("task") == "digits"
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
