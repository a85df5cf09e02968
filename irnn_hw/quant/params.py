"""Quantization parameters: floats to codes and back (Eq. 1-3)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.errors import InputError

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]
Bytes = NDArray[Any]  # of codes of 8 bits: uint8, or int8 of signed ones

BLOCK = 1 << 15  # numbers that are quantized at once: they stay in the cache


def round_half_away(x: ArrayLike) -> Int64:
    """sign(x) * floor(|x| + 1/2), any shape: the rounding of every conversion to integers."""
    rounded: Int64 = _rounded(np.asarray(x, np.float64)).astype(np.int64)
    return rounded


def _rounded(x: Float64) -> Float64:
    whole: Float64 = np.asarray(np.trunc(x))
    rest = x - whole  # exact, where |x| + 1/2 would round up what lies below a tie
    whole += rest >= 0.5
    whole -= rest <= -0.5
    return whole


@dataclass(frozen=True, slots=True)
class QuantParams:
    """The real number of a code is ``scale * (q - zero_point)`` (Eq. 2).

    Unsigned codes 0..2^bits - 1, or, for weights, signed symmetric ones -(2^(bits-1) - 1)..
    2^(bits-1) - 1 with zero point 0. The scale exists before export only.
    """

    scale: float
    zero_point: int
    bits: int = 8
    signed: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 32:
            raise InputError(f"bits: {self.bits} is not in 2..32")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"scale: {self.scale} is not a positive number")
        if not self.low <= self.zero_point <= self.high or (self.signed and self.zero_point):
            raise InputError(f"zero point: {self.zero_point} is not in {self.low}..{self.high}")

    @property
    def low(self) -> int:
        """The smallest code."""
        return -self.high if self.signed else 0

    @property
    def high(self) -> int:
        """The largest code."""
        return (1 << (self.bits - 1 if self.signed else self.bits)) - 1

    @classmethod
    @lru_cache(maxsize=1024)  # with frozen ranges most are the same at every step of training
    def from_range(cls, lo: float, hi: float, bits: int = 8) -> "QuantParams":
        """Unsigned parameters of [lo, hi], widened so that it holds 0 (Eq. 3).

        Raises InputError for a range that is empty, infinite or NaN.
        """
        if not (math.isfinite(lo) and math.isfinite(hi)):
            raise InputError(f"range: [{lo}, {hi}] is not finite; train longer or clip the values")
        if lo > hi or lo == hi == 0:
            raise InputError(f"range: [{lo}, {hi}] is empty; gather ranges on real data first")
        lo, hi = min(float(lo), 0.0), max(float(hi), 0.0)
        scale = (hi - lo) / ((1 << bits) - 1)
        if not (math.isfinite(scale) and scale > 0):
            raise InputError(f"range: [{lo}, {hi}] has no representable scale at {bits} bits")
        return cls(scale, int(round_half_away(-lo / scale)), bits)

    @classmethod
    def symmetric(cls, max_abs: float, bits: int = 8) -> "QuantParams":
        """Signed parameters of [-max_abs, max_abs]; the most negative code is never used."""
        if not (math.isfinite(max_abs) and max_abs > 0):
            raise InputError(f"range: largest magnitude {max_abs} is not a positive number")
        return cls(float(max_abs) / ((1 << (bits - 1)) - 1), 0, bits, signed=True)

    def quantize(self, x: ArrayLike) -> Int64:
        """Codes of x, any shape: ``clamp(round(x / scale) + zero_point)``, half away from zero."""
        x = np.asarray(x, np.float64)
        if np.isnan(x).any():
            raise InputError("values: NaN has no code")
        codes = np.empty(x.shape, np.int64)
        reals, flat = x.reshape(-1), codes.reshape(-1)
        for start in range(0, len(reals), BLOCK):
            part = slice(start, start + BLOCK)
            # Clamping first keeps large numbers exact, and changes no result.
            steps = np.clip(reals[part] / self.scale, self.low - self.high - 1, 2 * self.high + 1)
            flat[part] = np.clip(_rounded(steps) + self.zero_point, self.low, self.high)
        return codes

    def dequantize(self, q: ArrayLike) -> Float64:
        """Real numbers of the codes q, any shape (Eq. 2)."""
        return self.scale * (np.asarray(q, np.float64) - self.zero_point)


def byte_codes(x: NDArray[Any], params: QuantParams, scales: Float64 | None = None) -> Bytes:
    """Codes of 8 bits, any shape, a byte each. scales (rows,): of each row, in place of that of
    params."""
    if scales is None:
        codes = params.quantize(x)
    else:
        codes = replace(params, scale=1.0).quantize(x / scales[:, np.newaxis])
    return codes.astype(np.int8 if params.signed else np.uint8)


# The codes of `byte_codes`, and these about their zero point.
Coder = Callable[[NDArray[Any], QuantParams, Float64 | None], tuple[Bytes, Float32]]
