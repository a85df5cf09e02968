"""Matrix-vector product with a 32-bit accumulator, and embedding."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.fixed import (
    ClampCount,
    FixedPoint,
    Int64,
    check_bits,
    check_zero_point,
    integers,
    requantize,
)

ACCUMULATOR_MAX = (1 << 31) - 1
FLOAT32_EXACT = 1 << 24
FLOAT64_EXACT = 1 << 53
TIES_LEAVE = 1 << 50  # magnitude of acc * mantissa below which BatchedMatVec rounds exactly


def accumulator_bounds(
    weights: ArrayLike, bias: ArrayLike, x_zero_point: int, x_bits: int
) -> tuple[Int64, Int64]:
    """Smallest and largest accumulator of each row over every x in [0, 2^x_bits - 1]^K, exactly."""
    w, b = integers(weights, "weights"), integers(bias, "bias")
    lowest, highest = -x_zero_point, (1 << x_bits) - 1 - x_zero_point
    positive, negative = np.maximum(w, 0).sum(axis=1), np.minimum(w, 0).sum(axis=1)
    return (
        b + positive * lowest + negative * highest,
        b + positive * highest + negative * lowest,
    )


@dataclass(frozen=True)
class MatVecSpec:
    """Constants of ``acc_r = bias_r + sum_k (q_x[k] - Z_x)(q_w[r, k] - Z_w)``, requantized.

    weights: int8 (rows, columns), -127..127, symmetric unless w_zero_point is given.
    bias: int32 (rows,), in units of S_x S_w.
    multiplier None: the 32-bit accumulators are the output (the last layer, appendix A.1).
    Raises ValueError when a row's worst case does not fit the 32-bit accumulator.
    """

    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    x_zero_point: int
    multiplier: FixedPoint | None
    out_zero_point: int = 0
    x_bits: int = 8
    out_bits: int = 8
    w_zero_point: int = 0

    def __post_init__(self) -> None:
        if self.weights.dtype != np.int8 or self.weights.ndim != 2:
            raise ValueError(f"weights: int8 matrix expected, got {self.weights.dtype}")
        if self.bias.dtype != np.int32 or self.bias.shape != self.weights.shape[:1]:
            raise ValueError("bias: one int32 a row expected")
        if self.weights.size and int(self.weights.min()) == -128:
            raise ValueError("weights: the code -128 is not used, so that negation is exact")
        check_bits(self.x_bits, "matvec input")
        check_zero_point(self.x_zero_point, self.x_bits, "matvec input")
        check_bits(self.out_bits, "matvec output")
        check_zero_point(self.out_zero_point, self.out_bits, "matvec output")
        low, high = self.bounds
        worst = np.maximum(np.abs(low), np.abs(high))
        if worst.size and int(worst.max()) > ACCUMULATOR_MAX:
            row = int(worst.argmax())
            raise ValueError(
                f"row {row}: worst-case accumulator {int(worst[row])} exceeds {ACCUMULATOR_MAX}"
            )

    @cached_property
    def bounds(self) -> tuple[Int64, Int64]:
        """Smallest and largest possible accumulator of each row."""
        return accumulator_bounds(self.centred, self.bias, self.x_zero_point, self.x_bits)

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
    def _operand(self) -> NDArray[Any]:
        """weights.T in the narrowest float whose mantissa holds every partial sum exactly,
        with or without the folded bias."""
        products = np.abs(self.centred).sum(axis=1) << self.x_bits
        largest = (products + np.abs(self.folded_bias)).max(initial=0)
        dtype = np.float32 if largest < FLOAT32_EXACT else np.float64
        if largest >= FLOAT64_EXACT:
            raise ValueError("weights: partial sums exceed 2^53")
        return np.ascontiguousarray(self.centred.T.astype(dtype))


def accumulate(spec: MatVecSpec, x: ArrayLike) -> Int64:
    """Accumulators (..., rows) of x (..., columns): exact, through float BLAS within its bound."""
    codes = integers(x, "x")
    if codes.size and (int(codes.min()) < 0 or int(codes.max()) >> spec.x_bits):
        raise ValueError(f"x: codes outside 0..{(1 << spec.x_bits) - 1}")
    product: NDArray[Any] = codes.astype(spec._operand.dtype) @ spec._operand
    acc: Int64 = product.astype(np.int64) + spec.folded_bias
    return acc


def matvec(spec: MatVecSpec, x: ArrayLike, clamps: ClampCount | None = None) -> Int64:
    """Codes (..., rows), or the accumulators themselves where the spec has no multiplier."""
    acc = accumulate(spec, x)
    if spec.multiplier is None:
        return acc
    return requantize(acc, spec.multiplier, spec.out_zero_point, spec.out_bits, clamps)


class BatchedMatVec:
    """matvec for one batch size, bit for bit: buffers are allocated once, not at each step.

    Rounding half away from zero is `rint` (half to even) after a multiplication by the float next
    above mantissa * 2^-shift. The exact product y = acc * mantissa * 2^-shift is a float64, and
    every y is a multiple of 2^-shift, as ties are. The product rounds to a float beyond y, away
    from zero, since acc * ulp(multiplier) > ulp(y) / 2: y leaves its tie. It moves by less than
    2 ulp(y) < 2^-shift / 2 while |acc * mantissa| < 2^50: no y reaches a tie.
    """

    def __init__(self, spec: MatVecSpec, batch: int):
        """Raises ValueError for an accumulator times mantissa that may reach 2^50."""
        self.spec = spec
        operand = spec._operand
        self._x = np.empty((batch, operand.shape[0]), operand.dtype)
        self._acc = np.empty((batch, operand.shape[1]), operand.dtype)
        self._bias = spec.folded_bias.astype(operand.dtype)
        if spec.multiplier is not None:
            if not rounds_in_float64(spec):
                raise ValueError("matvec: accumulator times mantissa may reach 2^50")
            exact = np.ldexp(float(spec.multiplier.mantissa), -spec.multiplier.shift)
            self._multiplier = np.nextafter(exact, np.inf)
            self._real, self._saturated = (np.empty(self._acc.shape) for _ in range(2))
            self._clamped = np.empty(self._acc.shape, np.bool_)

    def __call__(self, x: NDArray[Any], out: NDArray[Any], clamps: ClampCount) -> None:
        """matvec of codes x (batch, columns), which must be in range, to out (batch, rows)."""
        np.copyto(self._x, x)
        np.matmul(self._x, self.spec._operand, out=self._acc)
        np.add(self._acc, self._bias, out=self._acc)
        if self.spec.multiplier is None:
            np.copyto(out, self._acc, casting="unsafe")
            return
        np.multiply(self._acc, self._multiplier, out=self._real)
        np.rint(self._real, out=self._real)
        np.add(self._real, float(self.spec.out_zero_point), out=self._real)
        np.clip(self._real, 0.0, float((1 << self.spec.out_bits) - 1), out=self._saturated)
        np.not_equal(self._real, self._saturated, out=self._clamped)
        clamps.clamped += int(np.count_nonzero(self._clamped))
        clamps.seen += out.size
        np.copyto(out, self._saturated, casting="unsafe")


def rounds_in_float64(spec: MatVecSpec) -> bool:
    """Whether BatchedMatVec is exact for the spec."""
    worst = int(max(np.abs(bound).max(initial=0) for bound in spec.bounds))
    return spec.multiplier is None or worst * spec.multiplier.mantissa < TIES_LEAVE


def embedding(table: ArrayLike, index: ArrayLike) -> Int64:
    """Rows of a table of codes (symbols, columns). Raises IndexError outside the table."""
    rows, index = integers(table, "table"), integers(index, "index")
    if index.size and (int(index.min()) < 0 or int(index.max()) >= len(rows)):
        raise IndexError(f"index outside 0..{len(rows) - 1}")
    return rows[index]
