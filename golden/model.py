"""IntModel: a recurrent network as a list of typed integer operations on named tensors.

One time step executes the operations in order. A state is a tensor that holds, through a step, what
its source held at the end of the step before (its zero point at first).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import container
from golden.activation import LutSpec, PwlSpec
from golden.elementwise import AddSpec, MultiplySpec
from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.linear import MatVecSpec

KIND = "model"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A vector of `length` codes of `bits` bits. bits 32: accumulators, signed, no zero point."""

    name: str
    length: int
    bits: int = 8
    zero_point: int = 0

    def __post_init__(self) -> None:
        if self.bits not in (8, 16, 32) or self.length < 1:
            raise ValueError(f"tensor {self.name}: length {self.length}, {self.bits} bits")
        if not 0 <= self.zero_point < 1 << self.bits:
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
_OP_NAMES = {cls: name for name, cls in OPERATIONS.items()}


@dataclass(frozen=True, eq=False)
class IntModel:
    """A network whose every operation is defined on integers.

    output: the tensor a step yields. output_scale: the real value of one unit of it, as fixed point
    (bits per character and sampling need it). metadata: free text such as the vocabulary.
    Raises InputError naming operation and field when shapes, widths or constants do not fit.
    """

    tensors: Mapping[str, Tensor]
    states: tuple[State, ...]
    operations: tuple[Operation, ...]
    output: str
    output_scale: FixedPoint
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    @cached_property
    def specs(self) -> tuple[Any, ...]:
        """The golden spec of each operation (None: embedding, slice), from its tensors."""
        return tuple(_spec(op, self.tensors) for op in self.operations)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        arrays: dict[str, NDArray[Any]] = {}
        operations = [_op_header(op, arrays) for op in self.operations]
        header = {
            "tensors": [[t.name, t.length, t.bits, t.zero_point] for t in self.tensors.values()],
            "states": [[s.name, s.source] for s in self.states],
            "operations": operations,
            "output": self.output,
            "output_scale": [self.output_scale.mantissa, self.output_scale.shift],
            "metadata": dict(self.metadata),
        }
        return container.pack(KIND, header, arrays)

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "model") -> "IntModel":
        """The model in `data`. Raises InputError for anything but a sound model."""
        header, arrays = container.unpack(data, KIND, source)
        try:
            return cls(
                tensors={t[0]: Tensor(*t) for t in header["tensors"]},
                states=tuple(State(*s) for s in header["states"]),
                operations=tuple(_read_op(dict(op), arrays) for op in header["operations"]),
                output=header["output"],
                output_scale=FixedPoint(*header["output_scale"]),
                metadata=header["metadata"],
            )
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise InputError(f"{source}: malformed model ({error!r}); export it again") from error

    def save(self, path: Path) -> None:
        container.write_atomic(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "IntModel":
        return cls.from_bytes(container.read_bytes(path, "model"), str(path))


def _op_header(op: Operation, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    header: dict[str, Any] = {"op": _OP_NAMES[type(op)]}
    for name in type(op).__dataclass_fields__:
        value = getattr(op, name)
        if isinstance(value, np.ndarray):
            arrays[f"{op.output}.{name}"] = value
            value = f"{op.output}.{name}"
        elif isinstance(value, FixedPoint):
            value = [value.mantissa, value.shift]
        header[name] = value
    return header


def _read_op(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Operation:
    cls = OPERATIONS[header.pop("op")]
    for name in ("weights", "bias", "table"):
        if isinstance(header.get(name), str):
            header[name] = arrays[header[name]]
    if header.get("multiplier") is not None:
        header["multiplier"] = FixedPoint(*header["multiplier"])
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in header.items()})


def _spec(op: Operation, tensors: Mapping[str, Tensor]) -> Any:
    """The spec dataclass that golden evaluates (and RTL is built from) for this operation."""
    out = tensors[op.output]
    zero_points = tuple(tensors[name].zero_point for name in op.inputs)
    match op:
        case MatVec():
            x = tensors[op.inputs[0]]
            last = op.multiplier is None
            return MatVecSpec(
                op.weights,
                op.bias,
                x.zero_point,
                op.multiplier,
                0 if last else out.zero_point,
                x.bits,
                8 if last else out.bits,
            )
        case Add():
            return AddSpec(zero_points, op.mantissas, op.shift, out.zero_point, out.bits)
        case Multiply():
            a, b = zero_points
            return MultiplySpec((a, b), op.multiplier, out.zero_point, out.bits)
        case Pwl():
            x = tensors[op.inputs[0]]
            return PwlSpec(
                op.knots, op.slopes, op.intercepts, op.shift, out.zero_point, x.bits, out.bits
            )
        case LookUp():
            return LutSpec(op.table, tensors[op.inputs[0]].bits, out.bits)
    return None


def _check(model: IntModel) -> None:
    """Every tensor is known, written once before it is read, and of the shape its use needs."""
    known = {state.name for state in model.states}
    for op in model.operations:
        where = f"operation {_OP_NAMES[type(op)]} -> {op.output}"
        for name in (*op.inputs, op.output):
            if name not in model.tensors:
                raise InputError(f"{where}: unknown tensor {name}")
        for name in op.inputs:
            if name not in known:
                raise InputError(f"{where}: reads {name} before it is written")
        if op.output in known:
            raise InputError(f"{where}: {op.output} is written twice")
        known.add(op.output)
        problem = _shape_problem(op, model.tensors)
        if problem:
            raise InputError(f"{where}: {problem}")
        try:
            _spec(op, model.tensors)
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error
    for state in model.states:
        pair = [model.tensors.get(state.name), model.tensors.get(state.source)]
        if None in pair or state.source not in known:
            raise InputError(f"state {state.name}: {state.source} is never written")
        if len({(t.length, t.bits, t.zero_point) for t in pair if t}) != 1:
            raise InputError(f"state {state.name}: differs from {state.source} in shape")
    if model.output not in known:
        raise InputError(f"output {model.output} is never written")


def _shape_problem(op: Operation, tensors: Mapping[str, Tensor]) -> str | None:
    out, inputs = tensors[op.output], [tensors[name] for name in op.inputs]
    if any(t.bits == 32 for t in inputs):
        return "reads 32-bit accumulators"
    arity = {Embedding: 0, Add: len(inputs) or 1, Multiply: 2}.get(type(op), 1)
    if len(inputs) != arity:
        return f"{len(inputs)} inputs, {arity} expected"
    match op:
        case Embedding():
            if op.table.dtype != np.uint8 or op.table.ndim != 2 or op.table.shape[0] < 1:
                return "table: uint8 matrix expected"
            return None if (op.table.shape[1], 8) == (out.length, out.bits) else "output length"
        case MatVec():
            if op.weights.shape != (out.length, inputs[0].length):
                return f"weights {op.weights.shape} for {inputs[0].length} -> {out.length}"
            return None if (out.bits == 32) == (op.multiplier is None) else "output bits"
        case Slice():
            same = (out.bits, out.zero_point) == (inputs[0].bits, inputs[0].zero_point)
            fits = op.start >= 0 and op.start + out.length <= inputs[0].length
            return None if same and fits else "slice outside its input, or of other parameters"
    return None if all(t.length == out.length for t in inputs) else "operand lengths differ"
