"""Seeded damage to container files, and a SHA-256 that vouches for it."""

import hashlib
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np

from golden.errors import InputError

PREFIX, DIGEST = 16, 32
# What a field may be replaced by: other types, empty and extreme values.
VALUES = (None, True, -1, 0, 1, 300, 1 << 20, 1 << 70, 1.5, "", "x", "\ud800", [], {}, [0], [[]])


def signed(body: bytes) -> bytes:
    """The file of a body."""
    return body + hashlib.sha256(body).digest()


def attempt(read: Callable[..., Any], *arguments) -> Any:
    """What read returns, or the text of its InputError: any other exception goes on."""
    try:
        return read(*arguments)
    except InputError as error:
        return str(error)


def header_of(data: bytes) -> dict:
    return json.loads(data[PREFIX : PREFIX + int.from_bytes(data[8:PREFIX], "little")])


def with_header(data: bytes, header: dict | str, **dump) -> bytes:
    """The file with another header (its text, or the object), signed."""
    old = int.from_bytes(data[8:PREFIX], "little")
    dump = dump or {"sort_keys": True, "separators": (",", ":")}
    text = header if isinstance(header, str) else json.dumps(header, **dump)
    size = len(text.encode()).to_bytes(8, "little")
    return signed(data[:8] + size + text.encode() + data[PREFIX + old : -DIGEST])


def flipped(data: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """Files with one to four bytes altered; the digest is left as it was."""
    for _ in range(count):
        damaged = bytearray(data)
        for position in rng.integers(len(data), size=rng.integers(1, 5)):
            damaged[position] ^= int(rng.integers(1, 256))
        yield bytes(damaged)


def forged(data: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """Altered files whose digest is right: a few bytes of all or of the arrays, or the header."""
    body, arrays = data[:-DIGEST], PREFIX + int.from_bytes(data[8:PREFIX], "little")
    for n in range(count):
        if n % 4 == 0:
            yield signed(next(flipped(body, rng, 1)))
        elif n % 4 == 1:
            yield signed(body[:arrays] + next(flipped(body[arrays:], rng, 1)))
        else:
            header = header_of(data)
            for _ in range(rng.integers(1, 4)):
                MUTATIONS[rng.integers(len(MUTATIONS))](header, rng)
            yield with_header(data, header)


def _places(value) -> Iterator[tuple]:
    """(parent, key) of every value within a header."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _place(header: dict, rng: np.random.Generator, kind: type = object) -> tuple:
    """(parent, key) of a value of this kind, or, if there is none, of a new one."""
    places = [(p, k) for p, k in _places(header) if isinstance(p[k], kind)]
    if not places:
        header["new"], places = {}, [(header, "new")]
    return places[rng.integers(len(places))]


def _replace(header: dict, rng: np.random.Generator) -> None:
    parent, key = _place(header, rng)
    parent[key] = VALUES[rng.integers(len(VALUES))]


def _nudge(header: dict, rng: np.random.Generator) -> None:
    """An integer by one, by a bit, or to an end of some domain."""
    parent, key = _place(header, rng, int)
    value, bit = parent[key], 1 << int(rng.integers(64))
    ends = bit, bit - 1, -bit, -bit - 1
    choices = (value + 1, value - 1, -value, value ^ bit, *ends) if type(value) is int else ends
    parent[key] = choices[rng.integers(len(choices))]


def _delete(header: dict, rng: np.random.Generator) -> None:
    parent, key = _place(header, rng)
    del parent[key]


def _double(header: dict, rng: np.random.Generator) -> None:
    """A value of a list, once more anywhere in it."""
    parent, key = _place(header, rng)
    if isinstance(parent, list):
        parent.insert(rng.integers(len(parent) + 1), deepcopy(parent[key]))


def _copy(header: dict, rng: np.random.Generator) -> None:
    """A value in place of another: of the same type, or of any."""
    other, where = _place(header, rng)
    kind = type(other[where]) if rng.integers(4) else object
    parent, key = _place(header, rng, kind)
    parent[key] = deepcopy(other[where])


def _swap(header: dict, rng: np.random.Generator) -> None:
    """Two values of one list or object."""
    parent, key = _place(header, rng)
    keys = list(parent) if isinstance(parent, dict) else range(len(parent))
    other = keys[rng.integers(len(keys))]
    parent[key], parent[other] = parent[other], parent[key]


def _clone(header: dict, rng: np.random.Generator) -> None:
    """An operation or whatever else has an output, once more, under a new name."""
    parent, key = _place(header, rng, dict)
    name = parent[key].get("output")
    tensors = header.get("tensors")
    if isinstance(parent, list) and isinstance(name, str) and isinstance(tensors, list):
        parent.insert(rng.integers(len(parent) + 1), parent[key] | {"output": "new"})
        own = [t for t in tensors if isinstance(t, list) and t[:1] == [name]]
        tensors.extend(["new", *t[1:]] for t in own)


MUTATIONS = (_replace, _nudge, _delete, _double, _copy, _swap, _clone)
