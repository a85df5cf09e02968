"""What the tensors of a model hold: ranges, clamps, and the noise of quantization."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from golden.errors import InputError
from golden.executor import Executor
from golden.feed import Feed
from golden.fixed import Int64
from golden.kernels import RangeClamps
from golden.model import IntModel
from golden.operations import stepwise
from irnn_hw.quant.network import Network, run
from irnn_hw.quant.params import Float64, QuantParams

Feeds = Mapping[str, Feed]


@dataclass
class TensorStats:
    """Of a tensor over the steps that count.

    unit: the real value of one unit, where it is known. low, high: smallest and largest code.
    clamped of seen: values that saturation changed. signal, noise: sums of squares, of the float
    network's values and of their distance from the codes' real values.
    """

    bits: int
    zero_point: int
    unit: float | None
    low: int | None = None
    high: int | None = None
    clamped: int = 0
    seen: int = 0
    signal: float = field(default=0.0, repr=False)
    noise: float | None = field(default=None, repr=False)

    @property
    def sqnr_db(self) -> float | None:
        """Signal-to-quantization-noise ratio in decibels; None without a float network, or where
        the signal is 0; infinite where nothing differs."""
        if self.noise is None or self.signal == 0:
            return None
        return 10 * math.log10(self.signal / self.noise) if self.noise else math.inf

    def figures(self) -> dict[str, Any]:
        """For people and JSON: the range in real numbers where the unit is known; decibels rounded
        to a tenth, None where infinite."""
        db, ends = self.sqnr_db, (self.low, self.high)
        reals = None
        if self.unit is not None and None not in ends:
            reals = [
                float(f"{self.unit * (q - self.zero_point):.4g}") for q in ends if q is not None
            ]
        return {
            "bits": self.bits,
            "low": self.low,
            "high": self.high,
            "range": reals,
            "clamped": self.clamped,
            "seen": self.seen,
            "sqnr_db": None if db is None or math.isinf(db) else round(db, 1),
        }

    def codes(self, codes: Int64) -> None:
        """Widen the range by codes, any shape."""
        if codes.size:
            low, high = int(codes.min()), int(codes.max())
            self.low = low if self.low is None else min(low, self.low)
            self.high = high if self.high is None else max(high, self.high)

    def compare(self, codes: Int64, real: Float64) -> None:
        """Add the squares of values `real` and of what the codes are off by, same shape."""
        if self.unit is None:
            return
        self.signal += float(np.square(real).sum())
        distance = self.unit * (codes - self.zero_point) - real
        self.noise = (self.noise or 0.0) + float(np.square(distance).sum())


def units(model: IntModel) -> dict[str, float]:
    """The real value of one unit of each tensor, from the model's metadata and outputs.

    Raises InputError where the metadata has no scales.
    """
    scales = model.metadata.get("scales")
    if not isinstance(scales, dict):
        raise InputError(
            "model: its metadata holds no scales, without which no code is a number; "
            "write it again with `irnn export`"
        )
    found = {name: mantissa * 2.0**-shift for name, (mantissa, shift) in scales.items()}
    for output in model.outputs:
        found.setdefault(output.tensor, output.scale.mantissa * 2.0**-output.scale.shift)
    return found


def coded(model: IntModel, feed: Feed) -> Feed:
    """The feed with its real inputs (batch, T, length) as codes, by the scales that the model
    carries: of 24 bits, which differ from those of training for a value at a tie alone."""
    found = units(model)

    def codes(name: str, x: ArrayLike) -> Int64:
        tensor = model.tensors[name]
        return QuantParams(found[name], tensor.zero_point, tensor.bits).quantize(x)

    return Feed(feed.tokens, {n: codes(n, x) for n, x in feed.inputs.items()}, feed.lengths)


def gather(
    model: IntModel,
    parts: Iterable[Feeds],
    batch: int,
    network: Network | None = None,
    real_parts: Iterable[Feeds] | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, TensorStats]:
    """Of every tensor but the states, over feeds that go on one from another.

    network: in real numbers, to compare with. real_parts: the feeds with its inputs as real
    numbers; by default the same. progress: called with the parts done.
    """
    kept = [name for op in model.operations for name in stepwise(op)]
    executor = Executor(model, batch, kept)
    scales = units(model) if network is not None or "scales" in model.metadata else {}
    held = {state.name for state in model.states}
    stats = {
        name: TensorStats(t.bits, t.zero_point, scales.get(name))
        for name, t in model.tensors.items()
        if name not in held
    }
    states: dict[str, Float64] = {}
    parts = list(parts)
    for n, (feeds, real) in enumerate(zip(parts, real_parts or parts, strict=True)):
        codes = executor.run(feeds)
        live = {name: live_steps(model, name, feeds, c) for name, c in codes.items()}
        for name, c in codes.items():
            stats[name].codes(c[live[name]])
        if network is not None:
            floats = run(network, real, kept, states)
            states = floats.states
            for name, x in floats.traces.items():
                if name in codes:
                    stats[name].compare(codes[name][live[name]], x[live[name]])
        if progress is not None:
            progress(n + 1)
    for name, count in executor.clamps.items():
        stats[name].clamped, stats[name].seen = count.clamped, count.seen
        if isinstance(count, RangeClamps):
            stats[name].low, stats[name].high = count.low, count.high
    return stats


def live_steps(model: IntModel, name: str, feeds: Feeds, codes: Int64) -> np.ndarray:
    """The steps of a tensor that count (batch, T)."""
    sequence = next(s.sequence for s in model.scans for op in s.operations if name in stepwise(op))
    lengths = feeds[sequence].lengths
    every = np.full(codes.shape[0], codes.shape[1]) if lengths is None else np.asarray(lengths)
    return np.arange(codes.shape[1]) < every[:, np.newaxis]
