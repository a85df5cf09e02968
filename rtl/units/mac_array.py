"""The MAC arrays of the registry."""

from functools import partial
from typing import Any

import numpy as np

from golden import stimulus
from golden.fixed import Int64
from golden.linear import MatVecSpec, accumulate
from golden.weights import FORMATS
from rtl.mac_array import MacArray, mac_layout
from rtl.units.unit import Unit, Vectors, pack


def weight_values(weight_format: str) -> list[int]:
    """Every weight of a format, ascending."""
    return [*range(-127, 128)] if weight_format == "int8" else FORMATS[weight_format].grid.tolist()


def weight_codes(values: Int64, weight_format: str) -> Int64:
    """What the array's port w carries for weights."""
    return values if weight_format == "int8" else FORMATS[weight_format].encode(values)


def _weights(rng: np.random.Generator, weight_format: str, count: int) -> Int64:
    if weight_format == "int8":
        return stimulus.mixed(rng, -127, 127, count)
    return stimulus.choose(rng, weight_values(weight_format), count)


def _mac_array(rows: int, columns: int, suffix: str = "", **parameters: Any) -> Unit:
    weight_format = parameters.get("weight_format", "int8")

    def build() -> MacArray:
        return MacArray(rows=rows, columns=columns, **parameters)

    kind = f"{weight_format} weights"
    if "packed" in parameters:
        kind += f", two to an operand of {parameters['packed']} bits"
    summary = f"{rows} x {columns} MACs, {kind}, 32-bit accumulators"
    vectors = partial(_vectors, rows, columns, weight_format)
    return Unit(f"mac-array-{rows}x{columns}{suffix}", summary, build, vectors)


def _vectors(rows: int, columns: int, weight_format: str, seed: int) -> Vectors:
    rng = np.random.default_rng(seed)
    shape = mac_layout(rows, columns, weight_format)
    largest = weight_values(weight_format)[-1]
    inputs, outputs = [], []
    for tile in range(60):
        beats = int(rng.integers(1, 9))
        x = stimulus.mixed(rng, 0, 255, beats * columns)
        w = _weights(rng, weight_format, rows * beats * columns).reshape(rows, -1)
        if tile < 4:  # the largest sums there are, of both signs
            x[:], w[:] = 255, (largest, -largest)[tile % 2]
        spec = MatVecSpec(w.astype(np.int8), np.zeros(rows, np.int32), 0, None)
        acc = accumulate(spec, x)
        inputs += _beats(shape, x, weight_codes(w, weight_format), columns)
        outputs.append(sum((int(a) & 0xFFFFFFFF) << (32 * r) for r, a in enumerate(acc)))
    return Vectors(inputs, outputs)


def _beats(shape: Any, x: Int64, codes: Int64, columns: int) -> list[int]:
    """A tile of rows of codes, beat by beat."""
    chunks = [slice(n, n + columns) for n in range(0, len(x), columns)]
    last = len(chunks) - 1
    return [
        pack(shape, {"x": x[c], "w": codes[:, c], "first": n == 0, "last": n == last})
        for n, c in enumerate(chunks)
    ]


MAC_UNITS = (
    _mac_array(2, 2),
    _mac_array(8, 8),
    _mac_array(4, 4, "-ternary", weight_format="ternary"),
    _mac_array(4, 4, "-power-of-two", weight_format="power of two"),
    _mac_array(4, 4, "-packed", packed=24),
    _mac_array(3, 4, "-packed-18", packed=18),
)
