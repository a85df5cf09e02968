"""The matrix-vector product for one batch size, fast: the same bits as `golden.linear.matvec`."""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.fixed import ClampCount, Int64, Multiplier, rescale, saturate
from golden.linear import MatVecSpec

BLOCK = 1 << 16  # accumulators requantized at once: their buffers stay in the cache


class BatchedMatVec:
    """matvec of a batch of vectors; buffers are allocated once, not at each step.

    The bias is the weight of one more input, always 1. Accumulators are requantized in float64
    where `float_factor` proves that exact.
    """

    def __init__(self, spec: MatVecSpec, batch: int):
        self.spec = spec
        columns, rows = spec.operand.shape
        self._x = np.ones((batch, columns), spec.operand.dtype)
        self._acc = np.empty((batch, rows), spec.operand.dtype)
        if spec.multiplier is None:
            return
        self._factor = float_factor(spec, spec.multiplier)
        ends = unclamped(spec, spec.multiplier)
        self._low, self._high = (end.astype(spec.operand.dtype) for end in ends)
        self._clamped, self._above = np.empty((2, batch, rows), np.bool_)
        block = max(1, min(batch, BLOCK // rows))
        self._blocks = [slice(n, min(n + block, batch)) for n in range(0, batch, block)]
        self._scaled = np.empty((block, rows), np.float64)

    def __call__(self, x: NDArray[Any], out: NDArray[Any], clamps: ClampCount | None) -> None:
        """matvec of codes x (batch, columns), which must be in range, to out (batch, rows)."""
        np.copyto(self._x[:, :-1], x)
        np.matmul(self._x, self.spec.operand, out=self._acc)
        if self.spec.multiplier is None:
            np.copyto(out, self._acc, casting="unsafe")
            return
        for block in self._blocks:
            self._requantize(self.spec.multiplier, block, out[block])
        if clamps is not None:
            clamps.tally(self._clamped)

    def _requantize(self, multiplier: Multiplier, block: slice, out: NDArray[Any]) -> None:
        """Accumulators to codes: clamped while they are accumulators, then scaled and rounded.

        A clamped accumulator has the code 0 or the largest, as a factor below 1 skips no code.
        """
        acc, clamped, above = self._acc[block], self._clamped[block], self._above[block]
        np.less(acc, self._low, out=clamped)
        np.greater(acc, self._high, out=above)
        np.logical_or(clamped, above, out=clamped)
        if self._factor is None:
            value = rescale(acc.astype(np.int64), multiplier) + self.spec.out_zero_point
            np.copyto(out, saturate(value, self.spec.out_bits), casting="unsafe")
            return
        if clamped.any():
            np.clip(acc, self._low, self._high, out=acc)
        scaled = self._scaled[: len(acc)]
        np.copyto(scaled, acc)
        scaled *= self._factor
        scaled += self.spec.out_zero_point + 0.5
        np.copyto(out, scaled, casting="unsafe")  # the floor: no value is negative


def reach(spec: MatVecSpec) -> int:
    """The largest magnitude of an accumulator, at least 1."""
    low, high = spec.bounds
    return max(1, int(-low.min(initial=0)), int(high.max(initial=0)))


def unclamped(spec: MatVecSpec, multiplier: Multiplier) -> tuple[Int64, Int64]:
    """Smallest and largest accumulator in reach that no clamp changes, of each row or of all.

    By bisection: rescaling is monotone. Where none is below or above, one out of reach.
    """
    rows = np.atleast_1d(multiplier.mantissa).shape

    def first(code: int) -> Int64:
        """The smallest accumulator whose code, before the clamp, is at least `code`."""
        low, high = (np.full(rows, sign * (reach(spec) + 1), np.int64) for sign in (-1, 1))
        while np.any(low < high):
            middle = (low + high) >> 1
            there = rescale(middle, multiplier) + spec.out_zero_point >= code
            low, high = np.where(there, low, middle + 1), np.where(there, middle, high)
        return low

    return first(0), first(1 << spec.out_bits) - 1


def float_factor(spec: MatVecSpec, multiplier: Multiplier) -> NDArray[np.float64] | None:
    """A factor F < 1 of each row, or of all, for which ``floor(acc F + Z + 1/2)`` in float64 is
    ``rescale(acc) + Z`` at every accumulator in reach; None where there is no proof.

    F is a little more than the multiplier m 2^-f in lowest terms, ``(m + eta) 2^-f``: a tie goes
    away from zero, and all else stays on its side, as it is at least 1 from a tie in units of
    2^-f. With R the reach of the accumulator, eta = 2^-(bits of R + 2) moves a product by at most
    1/4; a tie, a multiple of 2^(f - 1), by more than the three roundings' error, 2^-51 of the
    largest value.
    """
    largest = reach(spec)
    eta = Fraction(1, 1 << (largest.bit_length() + 2))
    factors = []
    for m, f in zip(
        np.atleast_1d(multiplier.mantissa).tolist(),
        np.atleast_1d(multiplier.shift).tolist(),
        strict=True,
    ):
        common = min((m & -m).bit_length() - 1, f)
        m, f = m >> common, f - common
        error = Fraction(largest * m + (((2 * spec.out_zero_point + 2) << f) >> 1), 1 << 51)
        tie = (1 << f) >> 1
        near = 0 < tie <= largest and tie * eta <= 2 * error
        if m >= 1 << f or error >= Fraction(1, 4) or near:
            return None
        factors.append(float((m + eta) / (1 << f)))
    return np.array(factors)
