"""Values of a file's header, read strictly: InputError says what is none, short."""

import re
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from golden.errors import InputError
from golden.fixed import FixedPoint, FixedPoints

# What a line of text or a terminal would not show as it is.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

shown = reprlib.repr  # of anything that a file may hold


def is_name(text: str) -> bool:
    """Whether a tensor or a sequence may have this name: no control characters, not empty."""
    return bool(text) and not _UNFIT.search(text)


@contextmanager
def at(where: str) -> Iterator[None]:
    """What is wrong within is told with its place."""
    try:
        yield
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def exactly(header: Any, keys: set[str], where: str) -> None:
    if not isinstance(header, dict) or set(header) != keys:
        raise InputError(f"{where}: fields {', '.join(sorted(keys))} expected")


def text(value: Any) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise InputError(f"{shown(value)} is no name")
    return value


def texts(value: Any, count: int | None = None) -> tuple[str, ...]:
    return tuple(text(v) for v in items(value, count))


def integer(value: Any) -> int:
    if type(value) is not int or not -1 << 63 <= value < 1 << 63:  # a bool is no integer here
        raise InputError(f"{shown(value)} is no integer of 64 bits")
    return value


def integers(value: Any, count: int | None = None) -> tuple[int, ...]:
    return tuple(integer(v) for v in items(value, count))


def items(value: Any, count: int | None = None) -> list[Any]:
    if not isinstance(value, list) or len(value) != (len(value) if count is None else count):
        raise InputError(f"{shown(value)} is no list" + ("" if count is None else f" of {count}"))
    return value


def fixed_point(value: Any) -> FixedPoint:
    mantissa, shift = integers(value, 2)
    return FixedPoint(mantissa, shift)


def multiplier(value: Any) -> FixedPoint | FixedPoints | None:
    """One, [mantissa, shift]; one a row, [[mantissas], [shifts]]; or none."""
    if value is None:
        return None
    if not all(isinstance(v, list) for v in items(value, 2)):
        return fixed_point(value)
    mantissas, shifts = (np.array(integers(v), np.int64) for v in value)
    return FixedPoints(mantissas, shifts)


def optional_text(value: Any) -> str | None:
    return None if value is None else text(value)
