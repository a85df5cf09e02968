"""Judge an IntModel on what is held out: the golden run, its scores, exact comparison."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.errors import InputError
from golden.executor import Executor
from golden.feed import Feed
from golden.fixed import ClampCount, FixedPoint
from golden.model import IntModel
from irnn_hw.data import digits, words
from irnn_hw.held_out import STRINGS, WORD_STREAMS, spoken_strings, word_chunks
from irnn_hw.quant.multipliers import fixed_point
from irnn_hw.recognition import Digits, greedy, word_errors
from irnn_hw.stats import coded

Int64 = NDArray[np.int64]
Progress = Callable[[int, int], None]

SAMPLER_WIDTH = 24  # times a 32-bit logit: within the 2^62 of golden.fixed.rescale


@dataclass(frozen=True)
class GoldenRun:
    """logits: (streams, T, V) accumulators. clamps: of each 8-bit tensor that can saturate."""

    logits: Int64
    clamps: dict[str, ClampCount]


def run_golden(model: IntModel, tokens: Int64, progress: Progress | None = None) -> GoldenRun:
    """The golden model over tokens (streams, T), from the zero state.

    progress: called with steps done and steps in all.
    """
    streams, steps = tokens.shape
    executor = Executor(model, streams)
    report = None if progress is None else lambda done: progress(done, steps)
    logits = executor.run(tokens, progress=report)[model.output]
    return GoldenRun(logits, executor.clamps)


def word_perplexity(
    model: IntModel, folder: Path | None, progress: Progress | None = None
) -> dict[str, float]:
    """The golden model over `word_chunks`: words, and perplexity."""
    executor, bits, count = Executor(model, WORD_STREAMS), 0.0, 0
    chunks = word_chunks(model, folder)
    for n, (tokens, targets) in enumerate(chunks):
        logits = executor.run(tokens)[model.output]
        bits += bits_per_character(logits, targets, model.output_scale) * targets.size
        count += targets.size
        if progress is not None:
            progress(n + 1, len(chunks))
    return {"words": count, "perplexity_int": round(2 ** (bits / count), 4)}


def digit_errors(
    model: IntModel, folder: Path | None, progress: Progress | None = None
) -> dict[str, float]:
    """The golden model over `spoken_strings`, decoding greedily: strings, and word errors in
    percent."""
    said = spoken_strings(model, folder)

    def recognize(speech: Feed) -> list[Digits]:
        count = np.shape(speech.inputs["features"])[0]
        executor = Executor(model, count)
        executor.run({digits.SPEECH: coded(model, speech)})

        def logits(symbols: Int64) -> Int64:
            return executor.run({digits.TEXT: Feed(symbols[:, -1:])})[model.output][:, 0]

        return greedy(logits, count)

    errors = word_errors(recognize, said, STRINGS, progress)
    return {"strings": len(said), "word_errors_int": round(errors, 4)}


# By the task that the metadata of a model names.
SCORES: Mapping[str, Callable[[IntModel, Path | None, Progress | None], dict[str, float]]] = {
    words.TASK: word_perplexity,
    digits.TASK: digit_errors,
}


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
