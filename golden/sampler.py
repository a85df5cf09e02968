"""Draw a symbol from integer logits with integers alone: what the host does after each step."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from golden.errors import InputError
from golden.executor import Executor
from golden.fixed import FixedPoint, Int64, integers, rescale
from golden.model import IntModel

FRACTION_BITS = 8
# round(2^15 * 2^(-i/256)): powers of two at the sampler's resolution, by integer square roots of
# exact powers, so that no float decides a bit.
WEIGHT_BITS = 15
SCALE_BITS = 30


def _exp2_table() -> tuple[int, ...]:
    """round(2^15 * 2^(-i/256)) for i in 0..255, exactly: the integer n nearest in n^256."""
    entries = []
    for i in range(1 << FRACTION_BITS):
        target, n = 1 << (WEIGHT_BITS * 256 - i), 1 << WEIGHT_BITS
        low, high = n >> 1, n
        while low < high:  # smallest n with (2n + 1)^256 > 2^256 * target
            middle = (low + high) // 2
            if (2 * middle + 1) ** 256 > target << 256:
                high = middle
            else:
                low = middle + 1
        entries.append(low)
    return tuple(entries)


EXP2 = np.asarray(_exp2_table(), np.int64)


@dataclass
class Sampler:
    """Softmax sampling of 32-bit logits, seeded and the same on every machine.

    scale: log2(e) times the real value of one logit unit over the temperature, as fixed point.
    """

    scale: FixedPoint
    seed: int = 1
    _state: int = field(init=False)

    def __post_init__(self) -> None:
        if self.scale.mantissa >> SCALE_BITS:
            raise InputError(f"scale: mantissa {self.scale.mantissa} exceeds {SCALE_BITS} bits")
        # 0 would be the generator's one fixed point.
        self._state = (self.seed * 0x9E3779B97F4A7C15 + 1) & ((1 << 64) - 1) or 1

    def weights(self, logits: ArrayLike) -> Int64:
        """Integers proportional to exp(logit): 2^15 for the largest."""
        logits = integers(logits, "logits")
        # So far below the largest, a weight is 0; no product leaves int64.
        nothing = ((WEIGHT_BITS + 1) << self.scale.shift) // self.scale.mantissa + 1
        below = np.minimum(np.max(logits) - logits, min(nothing, 1 << 32))
        finer = max(FRACTION_BITS - self.scale.shift, 0)
        units = FixedPoint(self.scale.mantissa, max(self.scale.shift - FRACTION_BITS, 0))
        exponent = rescale(below << finer, units)  # in 2^-FRACTION_BITS of a power of two
        fraction = EXP2[exponent & ((1 << FRACTION_BITS) - 1)]
        weights: Int64 = fraction >> np.minimum(exponent >> FRACTION_BITS, 62)
        return weights

    def draw(self, logits: ArrayLike) -> int:
        """The index of one symbol, drawn with probability weight / sum of weights."""
        cumulative = np.cumsum(self.weights(logits))
        return int(np.searchsorted(cumulative, self._next() % int(cumulative[-1]), side="right"))

    def _next(self) -> int:
        """xorshift64*: 32 pseudo-random bits."""
        x = self._state
        x ^= x >> 12
        x = (x ^ (x << 25)) & ((1 << 64) - 1)
        x ^= x >> 27
        self._state = x
        return ((x * 0x2545F4914F6CDD1D) & ((1 << 64) - 1)) >> 32


@dataclass(frozen=True)
class Conversation:
    """symbols: (steps,) what the model read, its own last. traces: tensor -> (steps, length)."""

    symbols: list[int]
    traces: dict[str, Int64]


def converse(
    model: IntModel, passage: Sequence[int], writes: int, sampler: Sampler
) -> Conversation:
    """Read the passage, then `writes` symbols, each drawn from the logits of the step before it.

    Raises InputError for an empty passage, or a symbol that the model does not know.
    """
    if not len(passage):
        raise InputError("passage: empty; give at least one symbol to begin with")
    executor = Executor(model, keep=model.tensors)
    symbols = [int(s) for s in passage]
    traces: dict[str, list[Int64]] = {name: [] for name in model.tensors}
    for step in range(len(passage) + writes):
        try:
            logits = executor.step([symbols[step]])[0]
        except IndexError as error:
            raise InputError(f"passage: symbol {symbols[step]}: {error}") from error
        for name, rows in traces.items():
            if name in executor.tensors:
                rows.append(executor.tensors[name][0])
        if len(passage) - 1 <= step < len(passage) + writes - 1:
            symbols.append(sampler.draw(logits))
    return Conversation(symbols, {name: np.array(rows) for name, rows in traces.items() if rows})
