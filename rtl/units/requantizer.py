"""The requantizers of the registry."""

import numpy as np

from golden import stimulus
from golden.fixed import FixedPoint, requantize
from rtl.requantizer import Requantizer, requantizer_layout
from rtl.units.unit import Unit, Vectors, pack


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


REQUANTIZER_UNITS = (_requantizer(8, 16), _requantizer(16, 24))
