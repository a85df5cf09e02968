"""The static proof that no 32-bit accumulator of a model overflows.

The specs of golden refuse what could overflow when a model is made; here the same bounds are
figures. That of a product is exact: some input reaches it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from golden.attention import AttentionSpec
from golden.linear import ACCUMULATOR_MAX, MatVecSpec
from golden.madnorm import MadNormSpec
from golden.model import IntModel
from golden.operations import written


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The largest accumulator magnitude of an operation over every possible input, and its row."""

    operation: str
    row: int
    worst: int
    bound: int = ACCUMULATOR_MAX

    @property
    def headroom_bits(self) -> float:
        """log2 of bound over worst."""
        return float(np.log2(self.bound / max(self.worst, 1)))


def prove_no_overflow(model: IntModel) -> tuple[WorstCase, ...]:
    """Of each matrix-vector product, of both sums of each MadNorm, of each attention's score, and
    of its context over the longest sequence that it takes."""
    return tuple(
        case
        for op, spec in zip(model.operations, model.specs, strict=True)
        for case in _of(written(op), spec)
    )


def _of(names: Sequence[str], spec: object) -> Iterator[WorstCase]:
    """names: of the tensors that the operation writes."""
    match spec:
        case MatVecSpec():
            (name,) = names
            low, high = spec.bounds
            magnitude = np.maximum(np.abs(low), np.abs(high))
            row = int(magnitude.argmax())
            yield WorstCase(name, row, int(magnitude[row]))
        case MadNormSpec():
            mean, _, deviation, _ = names
            (z_x, _), z_xh = spec.centre.zero_points, spec.centre.out_zero_point
            yield WorstCase(mean, 0, spec.length * _distance(z_x, spec.x_bits))
            yield WorstCase(deviation, 0, spec.length * _distance(z_xh, spec.centre.out_bits))
        case AttentionSpec():
            yield from _of(names[2:3], spec.score)
            c = spec.context
            step = ((1 << c.exp_bits) - 1) * _distance(c.h_zero_point, c.h_bits)
            yield WorstCase(names[-1], 0, c.max_steps * step)


def _distance(zero_point: int, bits: int) -> int:
    """The largest distance of a code from its zero point."""
    return max(zero_point, (1 << bits) - 1 - zero_point)
