"""The header of a model file, and back: what `docs/model-file.md` and its JSON Schema describe."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.fixed import FixedPoint, FixedPoints
from golden.operations import (
    OPERATION_NAMES,
    OPERATIONS,
    MatVec,
    Operation,
    Output,
    Scan,
    State,
    Tensor,
)
from golden.weights import FORMATS

Arrays = Mapping[str, NDArray[Any]]
Header = dict[str, Any]
KEYS = {"tensors", "scans", "outputs", "metadata"}
SCAN_KEYS = {"sequence", "reverse", "states", "operations"}


class Writer:
    """Headers of operations, and the arrays that they name; equal arrays are kept once."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def scan(self, scan: Scan) -> Header:
        return {
            "sequence": scan.sequence,
            "reverse": scan.reverse,
            "states": [[s.name, s.source] for s in scan.states],
            "operations": [self.operation(op) for op in scan.operations],
        }

    def operation(self, op: Operation) -> Header:
        header: Header = {"op": OPERATION_NAMES[type(op)]}
        for name in (f.name for f in fields(op)):
            value = getattr(op, name)
            if isinstance(op, MatVec) and name == "weights" and op.weight_format is not None:
                value = FORMATS[op.weight_format].pack(value)
            header[name] = self._value(f"{op.output}.{name}", value)
        return header

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            key = value.dtype.name, value.shape, value.tobytes()
            kept = self._names.setdefault(key, name)
            self.arrays[kept] = value
            return kept
        if isinstance(value, FixedPoint):
            return [value.mantissa, value.shift]
        if isinstance(value, FixedPoints):
            return [value.mantissa.tolist(), value.shift.tolist()]
        return self.operation(value) if type(value) in OPERATION_NAMES else value


def tensor_header(tensor: Tensor) -> list[Any]:
    return [tensor.name, tensor.length, tensor.bits, tensor.zero_point]


def read_tensors(header: Any) -> dict[str, Tensor]:
    tensors = [Tensor(_text(t[0]), *_integers(t[1:])) for t in map(_items, _items(header))]
    names = {t.name: t for t in tensors}
    if len(names) != len(tensors):
        raise ValueError("tensors: two of the same name")
    return names


def read_scan(header: Header, arrays: Arrays, tensors: Mapping[str, Tensor]) -> Scan:
    _exactly(header, SCAN_KEYS, "scan")
    if not isinstance(header["reverse"], bool):
        raise ValueError(f"scan: reverse: {header['reverse']!r} is neither true nor false")
    return Scan(
        _text(header["sequence"]),
        tuple(read_operation(op, arrays, tensors) for op in _items(header["operations"])),
        tuple(State(*_texts(s)) for s in _items(header["states"])),
        header["reverse"],
    )


def read_output(header: Any) -> Output:
    tensor, scale = _items(header)
    return Output(_text(tensor), FixedPoint(*_integers(scale)))


def read_operation(header: Header, arrays: Arrays, tensors: Mapping[str, Tensor]) -> Operation:
    """The operation of a header: each field is read as its name says, or as integers."""
    kind = _text(header["op"])
    if kind not in OPERATIONS:
        raise ValueError(f"operation {kind}: none of {', '.join(OPERATIONS)}")
    where = f"operation {kind} -> {header.get('output')}"
    _exactly(header, {"op", *(f.name for f in fields(OPERATIONS[kind]))}, where)
    values: dict[str, Any] = {}
    for name, value in header.items():
        try:
            if name in ARRAYS:
                values[name] = _array(name, arrays[_text(value)])
            elif name in PARTS and kind == "attend":
                values[name] = _part(name, value, arrays, tensors)
            elif name != "op":
                read: Callable[[Any], Any] = READERS.get(name, _integers)
                values[name] = read(value)
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{where}: {name}: {error}") from error
    if kind == "matvec" and values["weight_format"] is not None:
        values["weights"] = _unpacked(values, tensors)
    make: Callable[..., Operation] = OPERATIONS[kind]
    return make(**values)


def _part(name: str, value: Any, arrays: Arrays, tensors: Mapping[str, Tensor]) -> Operation:
    """An operation within attention, which holds none itself: nothing nests deeper."""
    if not isinstance(value, dict) or value.get("op") != PARTS[name]:
        raise ValueError(f"{PARTS[name]} expected")
    return read_operation(value, arrays, tensors)


def _unpacked(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> NDArray[np.int8]:
    name = values["weight_format"]
    if name not in FORMATS:
        raise ValueError(f"weight_format: {name!r}: none of {', '.join(FORMATS)}")
    rows, columns = (tensors[n].length for n in (values["output"], *values["inputs"]))
    return FORMATS[name].unpack(values["weights"], rows * columns).reshape(rows, columns)


def _array(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.name not in ARRAYS[name]:
        raise ValueError(f"{array.dtype}; {' or '.join(ARRAYS[name])} expected")
    return array


def _exactly(header: Any, keys: set[str], where: str) -> None:
    if not isinstance(header, dict) or set(header) != keys:
        raise ValueError(f"{where}: fields {', '.join(sorted(keys))} expected")


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


def _fixed_point(value: Any) -> FixedPoint:
    return FixedPoint(*_integers(value))


def _multiplier(value: Any) -> FixedPoint | FixedPoints | None:
    """One, [mantissa, shift]; one a row, [[mantissas], [shifts]]; or none."""
    if value is None or not isinstance(_items(value)[0], list):
        return None if value is None else _fixed_point(value)
    mantissas, shifts = (np.array(_integers(v), np.int64) for v in value)
    return FixedPoints(mantissas, shifts)


def _optional_text(value: Any) -> str | None:
    return None if value is None else _text(value)


# The dtypes of each field that holds the name of an array.
ARRAYS: Mapping[str, tuple[str, ...]] = {
    "weights": ("int8", "uint8"),
    "bias": ("int32",),
    "table": ("uint8", "uint16"),
    "gamma": ("int8", "int16"),
    "beta": ("int64",),
}
PARTS = {"total": "add", "tanh": "pwl", "score": "matvec", "exp": "pwl"}
READERS: Mapping[str, Callable[[Any], Any]] = {
    "output": _text,
    "inputs": _texts,
    "mean": _text,
    "centred": _text,
    "deviation": _text,
    "multiplier": _multiplier,
    "mean_multiplier": _fixed_point,
    "deviation_multiplier": _fixed_point,
    "start": _integer,
    "shift": _integer,
    "weight_zero_point": _integer,
    "weight_format": _optional_text,
}
