"""The typed operations of an integer model, and the tensors they read and write."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.fixed import FixedPoint

MAX_LENGTH = 1 << 20


@dataclass(frozen=True, slots=True)
class Tensor:
    """A vector of `length` codes of `bits` bits. bits 32: accumulators, signed, no zero point."""

    name: str
    length: int
    bits: int = 8
    zero_point: int = 0

    def __post_init__(self) -> None:
        if self.bits not in (8, 16, 32) or not 1 <= self.length <= MAX_LENGTH:
            raise ValueError(f"tensor {self.name}: length {self.length}, {self.bits} bits")
        codes = 1 if self.bits == 32 else 1 << self.bits
        if not 0 <= self.zero_point < codes:
            raise ValueError(f"tensor {self.name}: zero point {self.zero_point}")


@dataclass(frozen=True, slots=True)
class State:
    """Tensor `name` holds through a step what `source` held at the end of the last one."""

    name: str
    source: str


@dataclass(frozen=True, eq=False, slots=True)
class Embedding:
    """output = table[token]; table: uint8 (symbols, columns)."""

    output: str
    table: NDArray[np.uint8]
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class MatVec:
    """output = weights x + bias, requantized unless multiplier is None (then 32-bit)."""

    output: str
    inputs: tuple[str, ...]
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: FixedPoint | None


@dataclass(frozen=True, slots=True)
class Slice:
    """output = input[start : start + length of output]: a view."""

    output: str
    inputs: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Add:
    """output = sum of mantissa_i * input_i, one shift, one rounding."""

    output: str
    inputs: tuple[str, ...]
    mantissas: tuple[int, ...]
    shift: int


@dataclass(frozen=True, slots=True)
class Multiply:
    """output = input_0 * input_1, requantized."""

    output: str
    inputs: tuple[str, ...]
    multiplier: FixedPoint


@dataclass(frozen=True, slots=True)
class Pwl:
    """output = PWL(input): pieces start at knots; constants at 2**-shift of an output LSB."""

    output: str
    inputs: tuple[str, ...]
    knots: tuple[int, ...]
    slopes: tuple[int, ...]
    intercepts: tuple[int, ...]
    shift: int


@dataclass(frozen=True, slots=True)
class LookUp:
    """output = table[input]."""

    output: str
    inputs: tuple[str, ...]
    table: tuple[int, ...]


Operation = Embedding | MatVec | Slice | Add | Multiply | Pwl | LookUp
OPERATIONS: dict[str, type[Operation]] = {
    "embedding": Embedding,
    "matvec": MatVec,
    "slice": Slice,
    "add": Add,
    "multiply": Multiply,
    "pwl": Pwl,
    "lookup": LookUp,
}
OPERATION_NAMES = {cls: name for name, cls in OPERATIONS.items()}
