"""The registry of units: unit tests, co-simulation and area iterate over it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.lib import data

from golden import stimulus
from golden.activation import pwl, tabulate
from golden.elementwise import AddSpec, MultiplySpec, add, multiply
from golden.fixed import FixedPoint, requantize
from golden.linear import MatVecSpec, accumulate
from rtl.division_vectors import DIVISION_UNITS
from rtl.mac_array import MacArray, mac_layout
from rtl.pipeline import Pipeline
from rtl.pwl import Pwl, PwlSearch
from rtl.pwl_constants import offsets
from rtl.pwl_load import PwlSizes
from rtl.pwl_loadable import LoadablePwl, LoadablePwlSearch
from rtl.pwl_table import LoadablePwlTable, PwlTable, table_layout, table_words
from rtl.pwl_vectors import every_code, loaded
from rtl.requantizer import Requantizer, requantizer_layout
from rtl.vector_lane import VectorLane, lane_layout


@dataclass(frozen=True)
class Vectors:
    """Packed payloads: what goes in, and what golden says comes out.

    preamble: how many of the first inputs load the unit and have no output; the words of a table
    go through the stream of the codes, so that one test bench serves all units.
    """

    inputs: list[int]
    outputs: list[int]
    preamble: int = 0


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


def _requantizer(bits: int, multiplier_width: int) -> Unit:
    def build() -> Requantizer:
        return Requantizer(multiplier_width=multiplier_width, bits=bits)

    def vectors(seed: int) -> Vectors:
        rng = np.random.default_rng(seed)
        count = 4000
        mantissa = stimulus.mixed(rng, 1, (1 << multiplier_width) - 1, count)
        shift = stimulus.mixed(rng, 0, 62, count)
        acc = stimulus.mixed(rng, -(1 << 31), (1 << 31) - 1, count)
        acc[::3] = stimulus.ties(rng, mantissa, np.minimum(shift, 50), 32)[::3]
        z = stimulus.mixed(rng, 0, (1 << bits) - 1, count)
        rows = zip(acc.tolist(), mantissa.tolist(), shift.tolist(), z.tolist(), strict=True)
        shape = requantizer_layout(32, multiplier_width, bits)
        inputs, outputs = [], []
        for a, m, s, zero_point in rows:
            fields = {"acc": a, "mantissa": m, "shift": s, "zero_point": zero_point}
            inputs.append(pack(shape, fields))
            outputs.append(int(requantize(a, FixedPoint(m, s), zero_point, bits)))
        return Vectors(inputs, outputs)

    summary = f"32-bit accumulator x {multiplier_width}-bit multiplier -> {bits} bits"
    return Unit(f"requantizer-{bits}", summary, build, vectors)


def _pwl(pieces: int, in_bits: int, search: bool = False) -> Unit:
    spec = stimulus.pwl_spec(pieces, pieces, in_bits)

    def build() -> Pipeline:
        return PwlSearch(spec=spec, block=pieces > 16) if search else Pwl(spec=spec)

    name = f"pwl-{'search-' if search else ''}{pieces}-in{in_bits}"
    summary = f"constant PWL of {pieces} pieces, {in_bits}-bit input, every code"
    return Unit(name, summary, build, lambda seed: Vectors(*every_code(spec, seed)))


def _pwl_load(pieces: int, in_bits: int, out_bits: int, search: bool = False) -> Unit:
    """The table loaded has three quarters of the pieces that the unit holds."""
    spec = stimulus.pwl_spec(pieces, pieces * 3 // 4, in_bits, out_bits)
    sizes = PwlSizes(pieces, in_bits, out_bits)

    def vectors(seed: int) -> Vectors:
        return Vectors(*loaded(sizes.layout(), sizes.words(spec), spec, seed))

    unit = LoadablePwlSearch if search else LoadablePwl
    name = f"pwl-load-{'search-' if search else ''}{pieces}-in{in_bits}"
    summary = f"loadable PWL of {pieces} pieces, {in_bits}-bit input, every code"
    return Unit(name, summary, lambda: unit(sizes=sizes), vectors)


def _table_load(in_bits: int) -> Unit:
    spec = tabulate(stimulus.pwl_spec(in_bits, 16, in_bits))

    def vectors(seed: int) -> Vectors:
        return Vectors(*loaded(table_layout(in_bits, 8), table_words(spec), spec, seed))

    summary = f"loadable table, {in_bits}-bit input, every code"
    name = f"pwl-load-table-in{in_bits}"
    return Unit(name, summary, lambda: LoadablePwlTable(in_bits=in_bits), vectors)


def _table() -> Unit:
    spec = tabulate(stimulus.pwl_spec(8, 16))
    summary = "constant table, 8-bit input, every code"
    return Unit(
        "pwl-table-in8",
        summary,
        lambda: PwlTable(spec=spec),
        lambda seed: Vectors(*every_code(spec, seed)),
    )


def _mac_array(rows: int, columns: int) -> Unit:
    def build() -> MacArray:
        return MacArray(rows=rows, columns=columns)

    def vectors(seed: int) -> Vectors:
        rng = np.random.default_rng(seed)
        shape = mac_layout(rows, columns)
        inputs, outputs = [], []
        for tile in range(60):
            beats = int(rng.integers(1, 9))
            x = stimulus.mixed(rng, 0, 255, beats * columns)
            w = stimulus.mixed(rng, -127, 127, rows * beats * columns).reshape(rows, -1)
            if tile < 4:  # the largest sums there are, of both signs
                x[:], w[:] = 255, (127, -127)[tile % 2]
            spec = MatVecSpec(w.astype(np.int8), np.zeros(rows, np.int32), 0, None)
            acc = accumulate(spec, x)
            for n in range(beats):
                chunk = slice(n * columns, (n + 1) * columns)
                fields = {"x": x[chunk], "w": w[:, chunk], "first": n == 0, "last": n == beats - 1}
                inputs.append(pack(shape, fields))
            outputs.append(sum((int(a) & 0xFFFFFFFF) << (32 * r) for r, a in enumerate(acc)))
        return Vectors(inputs, outputs)

    summary = f"{rows} x {columns} MACs, int8 weights, 32-bit accumulators"
    return Unit(f"mac-array-{rows}x{columns}", summary, build, vectors)


def _lane_case(rng: np.random.Generator, mode: str) -> tuple[Mapping[str, int], int]:
    """One payload of the vector lane in `mode`, and golden's answer."""
    a, b, z_a, z_b, z_out = (int(v) for v in stimulus.mixed(rng, 0, 255, 5))
    fields = {"a": a, "b": b, "z_a": z_a, "z_b": z_b, "z_out": z_out}
    if mode == "multiply":
        m, shift = int(rng.integers(1 << 15, 1 << 16)), int(rng.integers(0, 32))
        spec = MultiplySpec((z_a, z_b), FixedPoint(m, shift), z_out)
        fields |= {"multiply": 1, "m_a": m, "shift": shift}
        return fields, int(multiply(spec, a, b))
    if mode == "add":
        m_a, m_b = (int(v) for v in stimulus.mixed(rng, -65535, 65535, 2))
        shift = int(rng.integers(0, 26))
        fields |= {"m_a": m_a, "m_b": m_b, "shift": shift}
        return fields, int(add(AddSpec((z_a, z_b), (m_a, m_b), shift, z_out), a, b))
    spec = stimulus.pwl_spec(int(rng.integers(1 << 30)), 4)
    i = sum(a >= knot for knot in spec.knots[1:])
    fields |= {"z_a": 0, "pwl": 1, "slope": spec.slopes[i], "offset": offsets(spec)[i]}
    fields |= {"shift": spec.shift, "z_out": spec.out_zero_point}
    return fields, int(pwl(spec, a))


def _vector_lane() -> Unit:
    def vectors(seed: int) -> Vectors:
        rng = np.random.default_rng(seed)
        shape = lane_layout(bits=8, scale_bits=18)
        cases = [_lane_case(rng, mode) for mode in ("multiply", "add", "pwl") * 1500]
        return Vectors([pack(shape, c[0]) for c in cases], [c[1] for c in cases])

    return Unit("vector-lane", "multiply, 2-term add and PWL, 8 bits", VectorLane, vectors)


def _division(name: str, summary: str, build: Callable[[], Pipeline], words: Any) -> Unit:
    return Unit(name, summary, build, lambda seed: Vectors(*words(seed)))


UNITS: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        _requantizer(8, 16),
        _requantizer(16, 24),
        _pwl(2, 8),
        _pwl(16, 8),
        _pwl(16, 16),
        _pwl(16, 8, search=True),
        _pwl(96, 16, search=True),
        _pwl_load(16, 8, 8),
        _pwl_load(16, 16, 16),
        _pwl_load(16, 8, 16, search=True),
        _pwl_load(128, 16, 8, search=True),
        _table(),
        _table_load(8),
        _table_load(16),
        _mac_array(2, 2),
        _mac_array(8, 8),
        _vector_lane(),
        *(_division(*row) for row in DIVISION_UNITS),
    )
}
