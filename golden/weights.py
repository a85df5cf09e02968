"""Weight formats without multipliers: ternary, power of two, exponential (Ott et al., 2016).

A weight of these formats is an integer as any other: ``linear.MatVecSpec`` takes the values.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.fixed import Int64, integers

MAX_EXPONENTS = 7  # 2^6 is the largest power of two of a symmetric 8-bit weight


@dataclass(frozen=True)
class WeightFormat:
    """The values +-2^e, 0 <= e < exponents, and 0 where `zero` is set.

    A code is a sign above the index of a magnitude: with zero, index 0 is 0 and index i is
    2^(i-1); without, index i is 2^i. There is one zero: its negative is no code.
    """

    exponents: int
    zero: bool

    def __post_init__(self) -> None:
        if not 1 <= self.exponents <= MAX_EXPONENTS:
            raise ValueError(f"exponents: {self.exponents} is not in 1..{MAX_EXPONENTS}")

    @property
    def magnitude_bits(self) -> int:
        """Bits of a magnitude's index."""
        return (self.exponents + self.zero - 1).bit_length()

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return 1 + self.magnitude_bits

    @cached_property
    def magnitudes(self) -> Int64:
        """The magnitude of each index, ascending."""
        powers = np.int64(1) << np.arange(self.exponents, dtype=np.int64)
        return np.concatenate([np.zeros(int(self.zero), np.int64), powers])

    @cached_property
    def grid(self) -> Int64:
        """Every value of the format, ascending."""
        return np.unique(np.concatenate([-self.magnitudes, self.magnitudes]))

    def decode(self, codes: ArrayLike) -> NDArray[np.int8]:
        """The weights of codes, any shape. Raises ValueError for what is no code."""
        code = integers(codes, "codes")
        sign, index = code >> self.magnitude_bits, code & ((1 << self.magnitude_bits) - 1)
        bad = (sign < 0) | (sign > 1) | (index >= len(self.magnitudes))
        bad |= (sign == 1) & (index == 0) & self.zero
        if np.any(bad):
            raise ValueError(f"codes: {int(code[bad].flat[0])} is none of this format")
        values: NDArray[np.int8] = (self.magnitudes[index] * (1 - 2 * sign)).astype(np.int8)
        return values

    def encode(self, values: ArrayLike) -> NDArray[np.uint8]:
        """The codes of weights, any shape. Raises ValueError for a value not of this format."""
        value = integers(values, "values")
        bad = ~np.isin(value, self.grid)
        if np.any(bad):
            raise ValueError(f"values: {int(value[bad].flat[0])} is none of this format")
        index = np.searchsorted(self.magnitudes, np.abs(value))
        return (((value < 0).astype(np.int64) << self.magnitude_bits) | index).astype(np.uint8)

    def pack(self, values: ArrayLike) -> NDArray[np.uint8]:
        """Bytes of the codes of weights, any shape: the first code in a byte's lowest bits."""
        codes = self.encode(values).ravel()
        bits = (codes[:, np.newaxis] >> np.arange(self.bits, dtype=np.uint8)) & 1
        return np.packbits(bits.ravel(), bitorder="little")

    def unpack(self, packed: NDArray[np.uint8], count: int) -> NDArray[np.int8]:
        """`count` weights of the bytes that `pack` made. Raises ValueError for other bytes."""
        if packed.dtype != np.uint8 or packed.shape != (-(-count * self.bits // 8),):
            raise ValueError(f"packed weights: {packed.shape} bytes for {count} weights")
        bits = np.unpackbits(packed, bitorder="little", count=count * self.bits)
        codes = bits.reshape(count, self.bits) @ (1 << np.arange(self.bits))
        return self.decode(codes)


TERNARY = WeightFormat(1, zero=True)
POWER_OF_TWO = WeightFormat(MAX_EXPONENTS, zero=True)
EXPONENTIAL = WeightFormat(MAX_EXPONENTS, zero=False)
FORMATS = {"ternary": TERNARY, "power of two": POWER_OF_TWO, "exponential": EXPONENTIAL}
