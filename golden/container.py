"""The file container of models and programs: a JSON header, integer arrays, a SHA-256.

Layout, all little-endian: magic ``IRNN``, uint32 schema version, uint64 header length, header
(UTF-8 JSON with sorted keys), array bytes, then SHA-256 of everything before it. The header's
``arrays`` gives dtype, shape and offset of each array, one after another in the order of their
names. Equal content gives equal bytes; reading takes memory in proportion to the file.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.errors import InputError

MAGIC = b"IRNN"
SCHEMA_VERSION = 2
DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")
_PREFIX = len(MAGIC) + 4 + 8
_DIGEST = 32

Arrays = Mapping[str, NDArray[Any]]


def pack(kind: str, header: Mapping[str, Any], arrays: Arrays) -> bytes:
    """The container's bytes. Raises TypeError for a float anywhere: a file holds integers only."""
    _refuse_floats(header, "header")
    index, parts, size = {}, list[bytes](), 0
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        if array.dtype.name not in DTYPES:
            raise TypeError(f"{name}: {array.dtype} is not an integer type of the container")
        index[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "offset": size}
        parts.append(array.astype(array.dtype.newbyteorder("<")).tobytes())
        size += array.nbytes
    text = json.dumps(
        {**header, "kind": kind, "arrays": index}, sort_keys=True, separators=(",", ":")
    ).encode()
    body = MAGIC + SCHEMA_VERSION.to_bytes(4, "little") + len(text).to_bytes(8, "little")
    body += text + b"".join(parts)
    return body + hashlib.sha256(body).digest()


def unpack(data: bytes, kind: str, source: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and arrays of a container of this kind. Raises InputError naming source and field."""
    if data[: len(MAGIC)] != MAGIC:
        raise InputError(f"{source}: not an irnn file (no IRNN magic); write it with `irnn`")
    if len(data) < _PREFIX + _DIGEST:
        raise InputError(f"{source}: truncated at {len(data)} bytes; write it again")
    version = int.from_bytes(data[4:8], "little")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{source}: schema version {version}, this release reads {SCHEMA_VERSION}; "
            "write it again with this release"
        )
    if hashlib.sha256(data[:-_DIGEST]).digest() != data[-_DIGEST:]:
        raise InputError(f"{source}: SHA-256 differs: truncated or altered; write it again")
    length = int.from_bytes(data[8:_PREFIX], "little")
    with reading(source, "malformed header", "write it again"):
        header = json.loads(
            data[_PREFIX : _PREFIX + length].decode(),
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
        found = header.pop("kind")
        if not isinstance(found, str) or not found.isalpha():
            raise ValueError(f"kind {found!r}")
        arrays = _read_arrays(header.pop("arrays"), data[_PREFIX + length : -_DIGEST])
    if found != kind:
        raise InputError(f"{source}: holds a {found}, a {kind} was expected")
    return header, arrays


@contextmanager
def reading(source: str, problem: str, remedy: str) -> Iterator[None]:
    """Whatever goes wrong with content from outside becomes an InputError that names the source."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{source}: {problem} ({error!r}); {remedy}") from error
    except RecursionError as error:
        raise InputError(f"{source}: {problem} (nested too deeply); {remedy}") from error


def _refuse_number(text: str) -> None:
    raise ValueError(f"a float ({text}) in an integer-only file")


def _read_arrays(index: Mapping[str, Any], blob: bytes) -> dict[str, NDArray[Any]]:
    """Every byte of the blob is of one array: what is allocated is no larger than the file."""
    arrays, end = {}, 0
    for name, entry in index.items():
        if entry.keys() != {"dtype", "shape", "offset"}:
            raise ValueError(f"array {name}: dtype, offset, shape expected")
        shape, offset = entry["shape"], entry["offset"]
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"array {name}: dtype {entry['dtype']}")
        if not all(type(n) is int and n >= 0 for n in (*shape, offset)):
            raise ValueError(f"array {name}: shape {shape} at offset {offset}")
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        data = blob[offset : offset + math.prod(shape) * dtype.itemsize]
        array = np.frombuffer(data, dtype).reshape(shape)  # raises where the blob ends too early
        if offset != end:
            raise ValueError(f"array {name}: offset {offset}, the one before ends at {end}")
        arrays[name] = array.astype(entry["dtype"])
        end += array.nbytes
    if end != len(blob):
        raise ValueError(f"arrays: they end at {end}, the file's at {len(blob)}")
    return arrays


def _refuse_floats(value: Any, where: str) -> None:
    if isinstance(value, float):
        raise TypeError(f"{where}: a float ({value}) in an integer-only file")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_floats(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            _refuse_floats(item, f"{where}[{i}]")


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write to a temporary file in the same folder, then rename: never a half-written file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_bytes(path: Path, what: str) -> bytes:
    """The file's bytes, or an InputError that says what was expected there."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the {what}: {error.strerror}") from error
