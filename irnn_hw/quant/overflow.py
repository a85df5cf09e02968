"""The static proof that no 32-bit accumulator of a model overflows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from golden.errors import InputError
from golden.linear import ACCUMULATOR_MAX, accumulator_bounds
from golden.model import IntModel
from golden.operations import MatVec


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


def worst_case(
    operation: str, weights: ArrayLike, bias: ArrayLike, x_zero_point: int, x_bits: int
) -> WorstCase:
    """The exact worst case of a matrix-vector product with weights (rows, columns).

    Raises InputError naming operation, row and bound where it does not fit 32 bits.
    """
    low, high = accumulator_bounds(weights, bias, x_zero_point, x_bits)
    magnitude = np.maximum(np.abs(low), np.abs(high))
    row = int(magnitude.argmax())
    result = WorstCase(operation, row, int(magnitude[row]))
    if result.worst > result.bound:
        raise InputError(
            f"{operation}: row {row} may reach {result.worst}, the accumulator holds "
            f"{result.bound}; use fewer columns or a smaller bias"
        )
    return result


def prove_no_overflow(model: IntModel) -> tuple[WorstCase, ...]:
    """The worst case of each matrix-vector product. Raises InputError where one overflows."""
    rows = []
    for op in model.operations:
        if isinstance(op, MatVec):
            x = model.tensors[op.inputs[0]]
            rows.append(worst_case(op.output, op.weights, op.bias, x.zero_point, x.bits))
    return tuple(rows)
