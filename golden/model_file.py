"""The header of a model file, and back: what `docs/model-file.md` and its JSON Schema,
`docs/model.schema.json`, describe.

Reading raises InputError naming the operation and the field; what the schema cannot say, such as
which shapes fit, `golden.model_check` refuses.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from golden.errors import InputError
from golden.fixed import FixedPoint, FixedPoints
from golden.header import (
    at,
    exactly,
    fixed_point,
    integer,
    integers,
    items,
    multiplier,
    optional_text,
    shown,
    text,
    texts,
)
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

_UNPACKED = WeakValueDictionary[tuple[Any, ...], NDArray[np.int8]]()


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
    tensors: dict[str, Tensor] = {}
    for n, item in enumerate(items(header)):
        with at(f"tensors[{n}]"):
            name, *numbers = items(item, 4)
            tensor = Tensor(text(name), *map(integer, numbers))
            if tensor.name in tensors:
                raise InputError(f"{tensor.name}: there are two of this name")
        tensors[tensor.name] = tensor
    return tensors


def read_scan(header: Header, arrays: Arrays, tensors: Mapping[str, Tensor]) -> Scan:
    exactly(header, SCAN_KEYS, "scan")
    with at("scan: sequence"):
        sequence = text(header["sequence"])
    where = f"scan of {sequence}"
    with at(f"{where}: states"):
        states = tuple(State(*texts(s, 2)) for s in items(header["states"]))
    with at(f"{where}: operations"):
        operations = items(header["operations"])
    if not isinstance(header["reverse"], bool):
        raise InputError(f"{where}: reverse: {shown(header['reverse'])} is neither true nor false")
    read = tuple(read_operation(op, arrays, tensors) for op in operations)
    return Scan(sequence, read, states, header["reverse"])


def read_output(header: Any) -> Output:
    with at("outputs"):
        tensor, scale = items(header, 2)
        return Output(text(tensor), fixed_point(scale))


def read_operation(header: Header, arrays: Arrays, tensors: Mapping[str, Tensor]) -> Operation:
    """The operation of a header: each field is read as its name says, or as integers."""
    kind = header.get("op") if isinstance(header, dict) else header
    if not isinstance(kind, str) or kind not in OPERATIONS:
        raise InputError(f"operation {shown(kind)}: none of {', '.join(OPERATIONS)}")
    names = [f.name for f in fields(OPERATIONS[kind])]
    exactly(header, {"op", *names}, f"operation {kind}")
    with at(f"operation {kind}: output"):
        where = f"operation {kind} -> {text(header['output'])}"
    values: dict[str, Any] = {}
    for name in names:
        with at(f"{where}: {name}"):
            values[name] = _field(kind, name, header[name], arrays, tensors)
    if kind == "matvec" and values["weight_format"] is not None:
        with at(f"{where}: weights"):
            values["weights"] = _unpacked(values, tensors)
    make: Callable[..., Operation] = OPERATIONS[kind]
    return make(**values)


def _field(kind: str, name: str, value: Any, arrays: Arrays, tensors: Mapping[str, Tensor]) -> Any:
    if name in ARRAYS:
        return _array(name, value, arrays)
    if kind == "attend" and name in PARTS:
        return _part(name, value, arrays, tensors)
    if kind == "matvec" and name == "multiplier":
        return multiplier(value)
    read: Callable[[Any], Any] = READERS.get(name, integers)
    return read(value)


def _part(name: str, value: Any, arrays: Arrays, tensors: Mapping[str, Tensor]) -> Operation:
    """An operation within attention, which holds none itself: nothing nests deeper."""
    if not isinstance(value, dict) or value.get("op") != PARTS[name]:
        raise InputError(f"operation {PARTS[name]} expected")
    return read_operation(value, arrays, tensors)


def _unpacked(values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> NDArray[np.int8]:
    """The weights of packed ones; of equal ones the same array, so that many operations that name
    it take no more memory than the file did."""
    name, packed = values["weight_format"], values["weights"]
    ends = values["output"], *values["inputs"]
    if name not in FORMATS:
        raise InputError(f"format {shown(name)}: none of {', '.join(FORMATS)}")
    if len(ends) != 2 or not tensors.keys() >= set(ends):
        raise InputError("they lead from one known tensor to another")
    rows, columns = (tensors[n].length for n in ends)
    digest = hashlib.sha256(packed.tobytes()).digest()
    key = name, rows, columns, packed.dtype.name, packed.shape, digest
    weights = _UNPACKED.get(key)
    if weights is None:
        weights = FORMATS[name].unpack(packed, rows * columns).reshape(rows, columns)
        _UNPACKED[key] = weights
    return weights


def _array(name: str, value: Any, arrays: Arrays) -> NDArray[Any]:
    if text(value) not in arrays:
        raise InputError(f"there is no array {value}")
    array = arrays[value]
    if array.dtype.name not in ARRAYS[name]:
        raise InputError(f"{array.dtype}; {' or '.join(ARRAYS[name])} expected")
    return array


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
    "output": text,
    "inputs": texts,
    "mean": text,
    "centred": text,
    "deviation": text,
    "multiplier": fixed_point,
    "mean_multiplier": fixed_point,
    "deviation_multiplier": fixed_point,
    "start": integer,
    "shift": integer,
    "weight_zero_point": integer,
    "weight_format": optional_text,
}
