"""IntModel: a recurrent network as a list of typed integer operations on named tensors.

One time step executes the operations in order. A state is a tensor that holds, through a step, what
its source held at the end of the step before (its zero point at first).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import container
from golden.fixed import FixedPoint
from golden.model_check import check, spec_of
from golden.operations import (
    OPERATION_NAMES,
    OPERATIONS,
    Add,
    Embedding,
    LookUp,
    MatVec,
    Multiply,
    Operation,
    Pwl,
    Slice,
    State,
    Tensor,
)

__all__ = [
    "Add",
    "Embedding",
    "IntModel",
    "LookUp",
    "MatVec",
    "Multiply",
    "Operation",
    "Pwl",
    "Slice",
    "State",
    "Tensor",
]

KIND = "model"


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
        check(self.tensors, self.states, self.operations, self.output)

    @cached_property
    def specs(self) -> tuple[Any, ...]:
        """The golden spec of each operation (None: embedding, slice), from its tensors."""
        return tuple(spec_of(op, self.tensors) for op in self.operations)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        arrays: dict[str, NDArray[Any]] = {}
        operations = [_operation_header(op, arrays) for op in self.operations]
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
        with container.reading(source, "malformed model", "export it again"):
            model = cls._read(header, arrays)
            if model.to_bytes() != data:
                raise ValueError("not in the one form that a model has")
        return model

    @classmethod
    def _read(cls, header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "IntModel":
        tensors = [Tensor(_text(t[0]), *_integers(t[1:])) for t in header["tensors"]]
        names = {t.name: t for t in tensors}
        if len(names) != len(tensors):
            raise ValueError("tensors: two of the same name")
        return cls(
            tensors=names,
            states=tuple(State(*_texts(s)) for s in header["states"]),
            operations=tuple(_read_operation(dict(op), arrays) for op in header["operations"]),
            output=_text(header["output"]),
            output_scale=FixedPoint(*_integers(header["output_scale"])),
            metadata=dict(header["metadata"]),
        )

    def save(self, path: Path) -> None:
        container.write_atomic(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "IntModel":
        return cls.from_bytes(container.read_bytes(path, "model"), str(path))


def _operation_header(op: Operation, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    header: dict[str, Any] = {"op": OPERATION_NAMES[type(op)]}
    for name in (f.name for f in fields(op)):
        value = getattr(op, name)
        if isinstance(value, np.ndarray):
            arrays[f"{op.output}.{name}"] = value
            value = f"{op.output}.{name}"
        elif isinstance(value, FixedPoint):
            value = [value.mantissa, value.shift]
        header[name] = value
    return header


def _read_operation(header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Operation:
    """The operation of a header: each field is read as its name says, or as integers."""
    make: Callable[..., Operation] = OPERATIONS[header.pop("op")]
    values: dict[str, Any] = {}
    for name, value in header.items():
        if isinstance(value, str) and name in ("weights", "bias", "table"):
            values[name] = arrays[value]
        else:
            read: Callable[[Any], Any] = _READERS.get(name, _integers)
            values[name] = read(value)
    return make(**values)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no name")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(v) for v in _items(value))


def _integer(value: Any) -> int:
    if type(value) is not int:  # a bool is no integer here
        raise ValueError(f"{value!r} is no integer")
    return value


def _integers(value: Any) -> tuple[int, ...]:
    return tuple(_integer(v) for v in _items(value))


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is no list")
    return value


def _multiplier(value: Any) -> FixedPoint | None:
    return None if value is None else FixedPoint(*_integers(value))


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "output": _text,
    "inputs": _texts,
    "multiplier": _multiplier,
    "start": _integer,
    "shift": _integer,
}
