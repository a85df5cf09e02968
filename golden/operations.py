"""The typed operations of an integer model, and the tensors they read and write.

Bits and zero points stand with the tensors; an operation holds what is left: its constants.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from golden.fixed import FixedPoint, Multiplier

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


@dataclass(frozen=True, slots=True)
class Input:
    """output = codes from outside, one vector a step."""

    output: str
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Embedding:
    """output = table[token]; table: uint8 (symbols, columns)."""

    output: str
    table: NDArray[np.uint8]
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class MatVec:
    """output = weights x + bias, requantized unless multiplier is None (then 32-bit).

    weights: int8, or uint8 about weight_zero_point. weight_format: a name of
    `golden.weights.FORMATS`, of which every weight is a value; None: any int8.
    """

    output: str
    inputs: tuple[str, ...]
    weights: NDArray[np.int8] | NDArray[np.uint8]
    bias: NDArray[np.int32]
    multiplier: Multiplier | None
    weight_zero_point: int = 0
    weight_format: str | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """output = input[start : start + length of output]: a view."""

    output: str
    inputs: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Concatenate:
    """output = the inputs one after another; they share their parameters."""

    output: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Add:
    """output = sum of mantissa_i * input_i, one shift, one rounding; a negative one subtracts."""

    output: str
    inputs: tuple[str, ...]
    mantissas: tuple[int, ...]
    shift: int


@dataclass(frozen=True, slots=True)
class OneMinus:
    """output = 1 - input, one shift, one rounding. mantissas: of the constant 1, of the input."""

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
class Minimum:
    """output = the smaller of two inputs; all three share their parameters."""

    output: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Affine:
    """output = gamma * input + beta, one rounding.

    gamma: int8 or int16 (length,). beta: int64 (length,), in 2**-shift of an output LSB.
    """

    output: str
    inputs: tuple[str, ...]
    gamma: NDArray[np.int8] | NDArray[np.int16]
    beta: NDArray[np.int64]
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


@dataclass(frozen=True, eq=False, slots=True)
class LookUp:
    """output = table[input]; table: uint8 or uint16, as the output's bits."""

    output: str
    inputs: tuple[str, ...]
    table: NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class MadNorm:
    """output = MadNorm(input) (Eq. 27-30), over as many rows as the tensor `mean` is long.

    mean, centred, deviation: tensors of mu, x_hat and d. mantissas: of x and mu, at `shift`.
    """

    output: str
    inputs: tuple[str, ...]
    mean: str
    centred: str
    deviation: str
    mean_multiplier: FixedPoint
    mantissas: tuple[int, ...]
    shift: int
    deviation_multiplier: FixedPoint
    multiplier: FixedPoint


@dataclass(frozen=True, slots=True)
class Attend:
    """output = context of a query over the memory of another sequence (Eq. 19-21).

    inputs: query, and of the other sequence key and memory. Each encoder step in turn: total of
    query and key, its tanh, the score; then exp of the shifted scores. multiplier: S_h / S_s.
    """

    output: str
    inputs: tuple[str, ...]
    total: Add
    tanh: Pwl
    score: MatVec
    exp: Pwl
    multiplier: FixedPoint

    @property
    def parts(self) -> tuple[Add, Pwl, MatVec, Pwl]:
        """What an encoder step takes."""
        return self.total, self.tanh, self.score, self.exp


Operation = (
    Input | Embedding | MatVec | Slice | Concatenate | Add | OneMinus | Multiply | Minimum
    | Affine | Pwl | LookUp | MadNorm | Attend
)  # fmt: skip
OPERATIONS: dict[str, type[Operation]] = {
    "input": Input,
    "embedding": Embedding,
    "matvec": MatVec,
    "slice": Slice,
    "concatenate": Concatenate,
    "add": Add,
    "one minus": OneMinus,
    "multiply": Multiply,
    "minimum": Minimum,
    "affine": Affine,
    "pwl": Pwl,
    "lookup": LookUp,
    "madnorm": MadNorm,
    "attend": Attend,
}
OPERATION_NAMES = {cls: name for name, cls in OPERATIONS.items()}


def stepwise(op: Operation) -> tuple[str, ...]:
    """The tensors that an operation writes once a step; those within attention have a vector for
    each encoder step instead."""
    return (op.output,) if isinstance(op, Attend) else written(op)


def written(op: Operation) -> tuple[str, ...]:
    """Every tensor that an operation writes, its output last."""
    match op:
        case MadNorm():
            return op.mean, op.centred, op.deviation, op.output
        case Attend():
            return *(part.output for part in op.parts), op.output
    return (op.output,)


@dataclass(frozen=True, slots=True)
class Scan:
    """One walk along a sequence, first step to last or in reverse; a step executes the operations
    in order. A tensor that an earlier scan of the same sequence wrote is read at the same step."""

    sequence: str
    operations: tuple[Operation, ...]
    states: tuple[State, ...] = ()
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor that the network yields. scale: the real value of one unit of it."""

    tensor: str
    scale: FixedPoint
