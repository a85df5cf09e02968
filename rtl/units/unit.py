"""A unit of the registry, and its payloads as words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.lib import data

from rtl.pipeline import Pipeline


@dataclass(frozen=True)
class Vectors:
    """Packed payloads: what goes in, and what golden says comes out.

    preamble: how many of the first inputs load the unit and have no output; the words of a table
    go through the stream of the codes, so that one test bench serves all units.
    waits: cycles in which the inputs wait at full rate, beyond INTERVAL. replay: cycles by which
    the last output comes later than LATENCY after the last input.
    """

    inputs: list[int]
    outputs: list[int]
    preamble: int = 0
    waits: int = 0
    replay: int = 0


@dataclass(frozen=True)
class Unit:
    """One unit under test.

    build: the component. vectors: seed -> stimulus with golden's answer, exhaustive where the input
    has at most 16 bits, corners and random values beyond.
    """

    name: str
    summary: str
    build: Callable[[], Pipeline]
    vectors: Callable[[int], Vectors]


def pack(shape: Any, value: Any) -> int:
    """The bits of a payload given as an int, a sequence (array) or a mapping (struct)."""
    if isinstance(shape, data.StructLayout):
        return sum(
            pack(field.shape, value[name]) << field.offset for name, field in shape if name in value
        )
    if isinstance(shape, data.ArrayLayout):
        width = data.Layout.cast(shape).size // shape.length
        return sum(pack(shape.elem_shape, v) << (width * n) for n, v in enumerate(value))
    width = shape if isinstance(shape, int) else shape.width
    return int(value) & ((1 << width) - 1)


def unpack(shape: Any, word: int) -> Any:
    """The inverse of pack, for messages: ints, lists and dicts."""
    if isinstance(shape, data.StructLayout):
        return {n: unpack(f.shape, word >> f.offset) for n, f in shape}
    if isinstance(shape, data.ArrayLayout):
        width = data.Layout.cast(shape).size // shape.length
        return [unpack(shape.elem_shape, word >> (width * n)) for n in range(shape.length)]
    width = shape if isinstance(shape, int) else shape.width
    value = word & ((1 << width) - 1)
    is_signed = not isinstance(shape, int) and shape.signed
    return value - (1 << width) if is_signed and value >> (width - 1) else value
