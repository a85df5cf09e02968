"""Matrix-vector product with a 32-bit accumulator, and embedding."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.fixed import (
    ClampCount,
    FixedPoints,
    Int64,
    Multiplier,
    check_bits,
    check_zero_point,
    integers,
    requantize,
    within_bits,
)

ACCUMULATOR_MAX = (1 << 31) - 1
FLOAT32_EXACT = 1 << 24
FLOAT64_EXACT = 1 << 53
BLOCK = 512  # rows of weights that are summed at once: they stay in the cache


def accumulator_bounds(
    weights: ArrayLike, bias: ArrayLike, x_zero_point: int, x_bits: int, w_zero_point: int = 0
) -> tuple[Int64, Int64]:
    """Smallest and largest accumulator of each row over every x in [0, 2^x_bits - 1]^K, exactly.

    weights: codes of 8 bits, about w_zero_point.
    """
    b, lowest, highest = integers(bias, "bias"), -x_zero_point, (1 << x_bits) - 1 - x_zero_point
    total, magnitude = _row_sums(np.asarray(weights), w_zero_point)
    positive, negative = (magnitude + total) >> 1, (total - magnitude) >> 1
    return (
        b + positive * lowest + negative * highest,
        b + positive * highest + negative * lowest,
    )


def _row_sums(weights: NDArray[Any], zero_point: int) -> tuple[Int64, Int64]:
    """Of the centred weights, and of their magnitudes: through float BLAS, below its bound."""
    rows, columns = weights.shape
    ones = np.ones(columns, np.float32 if columns << 8 < FLOAT32_EXACT else np.float64)
    sums = np.empty((2, rows), np.int64)
    for start in range(0, rows, BLOCK):
        centred = weights[start : start + BLOCK].astype(ones.dtype)
        centred -= zero_point
        sums[0, start : start + BLOCK] = centred @ ones
        sums[1, start : start + BLOCK] = np.abs(centred, out=centred) @ ones
    return sums[0], sums[1]


@dataclass(frozen=True)
class MatVecSpec:
    """Constants of ``acc_r = bias_r + sum_k (q_x[k] - Z_x)(q_w[r, k] - Z_w)``, requantized.

    weights: (rows, columns), int8 -127..127, symmetric about w_zero_point 0, or uint8, asymmetric.
    bias: int32 (rows,), in units of S_x S_w.
    multiplier: one of all rows, or one a row; None: the 32-bit accumulators are the output (the
    last layer, appendix A.1).
    Raises ValueError when a row's worst case does not fit the 32-bit accumulator.
    """

    weights: NDArray[np.int8] | NDArray[np.uint8]
    bias: NDArray[np.int32]
    x_zero_point: int
    multiplier: Multiplier | None
    out_zero_point: int = 0
    x_bits: int = 8
    out_bits: int = 8
    w_zero_point: int = 0

    def __post_init__(self) -> None:
        if self.weights.dtype not in (np.int8, np.uint8) or self.weights.ndim != 2:
            raise ValueError(f"weights: int8 or uint8 matrix expected, got {self.weights.dtype}")
        if self.bias.dtype != np.int32 or self.bias.shape != self.weights.shape[:1]:
            raise ValueError("bias: one int32 a row expected")
        if self.weights.dtype == np.int8 and np.any(self.weights == -128):
            raise ValueError("weights: the code -128 is not used, so that negation is exact")
        codes = np.iinfo(self.weights.dtype)
        if not codes.min <= self.w_zero_point <= codes.max:
            raise ValueError(f"weights: zero point {self.w_zero_point} is no code of theirs")
        if isinstance(self.multiplier, FixedPoints) and len(self.multiplier) != len(self.bias):
            raise ValueError(f"multiplier: {len(self.multiplier)} for {len(self.bias)} rows")
        check_bits(self.x_bits, "matvec input")
        check_zero_point(self.x_zero_point, self.x_bits, "matvec input")
        check_bits(self.out_bits, "matvec output")
        check_zero_point(self.out_zero_point, self.out_bits, "matvec output")
        if self._limit > ACCUMULATOR_MAX:
            self._prove()

    def _prove(self) -> None:
        low, high = self.bounds
        worst = np.maximum(np.abs(low), np.abs(high))
        if worst.size and int(worst.max()) > ACCUMULATOR_MAX:
            row = int(worst.argmax())
            raise ValueError(
                f"row {row}: worst-case accumulator {int(worst[row])} exceeds {ACCUMULATOR_MAX}"
            )

    @cached_property
    def _limit(self) -> int:
        """What no partial sum exceeds whatever the weights, with the bias and without."""
        codes, largest_x = np.iinfo(self.weights.dtype), (1 << self.x_bits) - 1
        w = max(codes.max - self.w_zero_point, self.w_zero_point - codes.min)
        x = max(self.x_zero_point, largest_x - self.x_zero_point)
        return int(self.weights.shape[1] * w * x + np.abs(integers(self.bias)).max(initial=0))

    @cached_property
    def narrow(self) -> bool:
        """Whether every partial sum stays below 2^24, and so is exact in float32, with the bias and
        without: as 0 is among the values of each x, the bounds hold those of partial sums."""
        if self._limit < FLOAT32_EXACT:
            return True
        low, high = self.bounds
        ends = np.abs(np.stack([low, high, low - self.bias, high - self.bias]))
        return int(ends.max(initial=0)) < FLOAT32_EXACT

    @cached_property
    def bounds(self) -> tuple[Int64, Int64]:
        """Smallest and largest possible accumulator of each row."""
        return accumulator_bounds(
            self.weights, self.bias, self.x_zero_point, self.x_bits, self.w_zero_point
        )

    @cached_property
    def centred(self) -> Int64:
        """q_w - Z_w: the weights in units of S_w."""
        centred: Int64 = integers(self.weights) - self.w_zero_point
        return centred

    @cached_property
    def folded_bias(self) -> Int64:
        """bias - Z_x * sum_k w[r, k]: what is added adds to the product of the raw codes."""
        folded: Int64 = self.bias - self.x_zero_point * self.centred.sum(axis=1)
        return folded

    @cached_property
    def operand(self) -> NDArray[Any]:
        """weights.T above folded_bias, in the narrowest float that holds every partial sum."""
        products = np.abs(self.centred).sum(axis=1) << self.x_bits
        largest = (products + np.abs(self.folded_bias)).max(initial=0)
        dtype = np.float32 if largest < FLOAT32_EXACT else np.float64
        if largest >= FLOAT64_EXACT:
            raise ValueError("weights: partial sums exceed 2^53")
        return np.vstack([self.centred.T, self.folded_bias]).astype(dtype, order="C")


def accumulate(spec: MatVecSpec, x: ArrayLike) -> Int64:
    """Accumulators (..., rows) of x (..., columns): exact, through float BLAS within its bound."""
    codes = within_bits(x, spec.x_bits, "x")
    product: NDArray[Any] = codes.astype(spec.operand.dtype) @ spec.operand[:-1]
    acc: Int64 = product.astype(np.int64) + spec.folded_bias
    return acc


def matvec(spec: MatVecSpec, x: ArrayLike, clamps: ClampCount | None = None) -> Int64:
    """Codes (..., rows), or the accumulators themselves where the spec has no multiplier."""
    acc = accumulate(spec, x)
    if spec.multiplier is None:
        return acc
    return requantize(acc, spec.multiplier, spec.out_zero_point, spec.out_bits, clamps)


def embedding(table: ArrayLike, index: ArrayLike) -> Int64:
    """Rows of a table of codes (symbols, columns). Raises IndexError outside the table."""
    rows, index = integers(table, "table"), integers(index, "index")
    if index.size and (int(index.min()) < 0 or int(index.max()) >= len(rows)):
        raise IndexError(f"index outside 0..{len(rows) - 1}")
    return rows[index]
