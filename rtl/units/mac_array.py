"""The MAC arrays of the registry."""

import numpy as np

from golden import stimulus
from golden.linear import MatVecSpec, accumulate
from rtl.mac_array import MacArray, mac_layout
from rtl.units.unit import Unit, Vectors, pack


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


MAC_UNITS = (_mac_array(2, 2), _mac_array(8, 8))
