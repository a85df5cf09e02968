"""Seeded damage to container files, and a SHA-256 that vouches for it."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from golden.errors import InputError

PREFIX, DIGEST = 16, 32
# What a field may be replaced by: other types, empty and extreme values.
VALUES = (None, True, -1, 0, 1, 3, 300, 1 << 40, 1 << 70, 1.5, "", "x", "h.next", [], {}, [0], [[]])


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
    """Altered files whose digest is right: bytes of the body, or one value of the header."""
    for damaged in flipped(data[:-DIGEST], rng, count // 2):
        yield signed(damaged)
    for _ in range(count - count // 2):
        header = header_of(data)
        places = list(_places(header))
        parent, key = places[rng.integers(len(places))]
        if rng.integers(5) == 0:
            del parent[key]
        elif rng.integers(5) == 0 and isinstance(parent, list):
            parent.append(parent[key])
        elif rng.integers(3) == 0:
            other, where = places[rng.integers(len(places))]
            parent[key] = other[where]
        else:
            parent[key] = VALUES[rng.integers(len(VALUES))]
        try:
            yield with_header(data, header)
        except ValueError:  # a value now holds itself
            continue


def _places(value) -> Iterator[tuple]:
    """(parent, key) of every value within a header."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)
