"""Judge an IntModel on held-out text: the golden run, bits per character, exact comparison."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.errors import InputError
from golden.executor import Executor
from golden.fixed import ClampCount, FixedPoint
from golden.model import IntModel
from irnn_hw.data.corpus import Corpus
from irnn_hw.data.words import load_words
from irnn_hw.quant.multipliers import fixed_point

Int64 = NDArray[np.int64]

STREAMS = 32  # parallel: the golden model is faster by the batch
WORD_STREAMS, WORD_CHUNK = 20, 35  # of words, a step of which has tens of thousands of logits
SAMPLER_WIDTH = 24  # times a 32-bit logit: within the 2^62 of golden.fixed.rescale


def held_out_streams(corpus: Corpus, streams: int = STREAMS) -> tuple[Int64, Int64]:
    """Inputs and targets (streams, T): the held-out text cut into streams of one length.

    Each starts from the zero state. Raises InputError for a text shorter than two a stream.
    """
    codes = corpus.encode(corpus.held_out)
    if len(codes) <= streams:
        raise InputError(
            f"held-out text: {len(codes)} characters for {streams} streams; give a longer corpus"
        )
    return _cut(codes, streams)


def _cut(codes: Int64, streams: int) -> tuple[Int64, Int64]:
    """Inputs and targets (streams, T) of codes (N,); what does not fill the streams is left."""
    length = (len(codes) - 1) // streams
    inputs, targets = (
        part[: streams * length].reshape(streams, length) for part in (codes, codes[1:])
    )
    return inputs, targets


def word_chunks(model: IntModel, folder: Path | None) -> list[tuple[Int64, Int64]]:
    """Inputs and targets (WORD_STREAMS, T) of the test part of the word corpus that the model was
    trained on, below `folder`: streams in chunks that go on one from another.

    Raises InputError for another corpus."""
    corpus = load_words(model.metadata["corpus"], folder)
    if corpus.sha256 != model.metadata["corpus_sha256"]:
        raise InputError(f"corpus {corpus.name}: not the one that the model was trained on")
    inputs, targets = _cut(corpus.test.astype(np.int64), WORD_STREAMS)
    chunks = (slice(n, n + WORD_CHUNK) for n in range(0, inputs.shape[1], WORD_CHUNK))
    return [(inputs[:, chunk], targets[:, chunk]) for chunk in chunks]


def word_perplexity(
    model: IntModel, folder: Path | None, progress: Callable[[int, int], None] | None = None
) -> dict[str, float]:
    """The golden model over `word_chunks`: words, and perplexity."""
    executor, bits, words = Executor(model, WORD_STREAMS), 0.0, 0
    chunks = word_chunks(model, folder)
    for n, (tokens, targets) in enumerate(chunks):
        logits = executor.run(tokens)[model.output]
        bits += bits_per_character(logits, targets, model.output_scale) * targets.size
        words += targets.size
        if progress is not None:
            progress(n + 1, len(chunks))
    return {"words": words, "perplexity_int": round(2 ** (bits / words), 4)}


@dataclass(frozen=True)
class GoldenRun:
    """logits: (streams, T, V) accumulators. clamps: of each 8-bit tensor that can saturate."""

    logits: Int64
    clamps: dict[str, ClampCount]


def run_golden(
    model: IntModel, tokens: Int64, progress: Callable[[int, int], None] | None = None
) -> GoldenRun:
    """The golden model over tokens (streams, T), from the zero state.

    progress: called with steps done and steps in all.
    """
    streams, steps = tokens.shape
    executor = Executor(model, streams)
    report = None if progress is None else lambda done: progress(done, steps)
    logits = executor.run(tokens, progress=report)[model.output]
    return GoldenRun(logits, executor.clamps)


def bits_per_character(
    logits: NDArray[np.int64] | NDArray[np.float64],
    targets: Int64,
    output_scale: FixedPoint | None = None,
) -> float:
    """Mean -log2 of the softmax probability of targets (...), logits (..., V).

    output_scale: the real value of one unit of integer logits.
    """
    if logits.shape[:-1] != targets.shape:
        raise InputError(f"targets: shape {targets.shape} for logits {logits.shape}")
    unit = 1.0 if output_scale is None else output_scale.mantissa * 2.0**-output_scale.shift
    real = logits.astype(np.float64) * unit
    real -= real.max(axis=-1, keepdims=True)
    chosen = np.take_along_axis(real, targets[..., None], axis=-1)[..., 0]
    return float(np.mean(np.log(np.exp(real).sum(axis=-1)) - chosen) / math.log(2))


def count_differences(a: Int64, b: Int64) -> tuple[int, int]:
    """Words compared, words that differ. Raises InputError for unequal shapes, or floats."""
    if a.shape != b.shape:
        raise InputError(f"logits: shapes {a.shape} and {b.shape} cannot be compared")
    if a.dtype.kind != "i" or b.dtype.kind != "i":
        raise InputError(f"logits: {a.dtype} and {b.dtype}; integers are compared, exactly")
    return a.size, int(np.count_nonzero(a != b))


def sampler_scale(output_scale: FixedPoint, temperature: float = 1.0) -> FixedPoint:
    """The scale of golden.sampler.Sampler: log2(e) times a logit's unit over the temperature."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature: {temperature} is not a positive number")
    unit = Fraction(output_scale.mantissa, 1 << output_scale.shift)
    m = Fraction(math.log2(math.e)) * unit / Fraction(temperature)
    return fixed_point(m, "sampler", SAMPLER_WIDTH)
