"""The requantizers and sums of terms of the registry."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from golden import stimulus
from golden.elementwise import AddSpec, add
from golden.fixed import MAX_MULTIPLIER_WIDTH, FixedPoint, requantize
from rtl.requantizer import Requantizer, requantizer_layout
from rtl.term_sum import TermSum, term_sum_layout
from rtl.units.unit import Unit, Vectors, pack


def _requantizer(bits: int, multiplier_width: int, name: str) -> Unit:
    def build() -> Requantizer:
        return Requantizer(multiplier_width=multiplier_width, bits=bits)

    def vectors(seed: int) -> Vectors:
        rng = np.random.default_rng(seed)
        count, width = 4000, min(multiplier_width, MAX_MULTIPLIER_WIDTH)
        mantissa = stimulus.mixed(rng, 1, (1 << width) - 1, count)
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
    return Unit(name, summary, build, vectors)


def _term_sum(name: str, operand_bits: Sequence[int], multiplier_width: int, bits: int) -> Unit:
    sizes = {"operand_bits": operand_bits, "multiplier_width": multiplier_width, "bits": bits}

    def vectors(seed: int) -> Vectors:
        rng = np.random.default_rng(seed)
        shape, largest = term_sum_layout(**sizes), (1 << multiplier_width) - 1
        inputs, outputs = [], []
        for case in range(3000):
            q, z = (
                [int(stimulus.mixed(rng, 0, (1 << b) - 1, 2)[case % 2]) for b in operand_bits]
                for _ in range(2)
            )
            m = stimulus.mixed(rng, -largest, largest, len(q))
            if case < 4:  # the largest sums there are, of both signs
                q, z = ([((1 << b) - 1) * end for b in operand_bits] for end in (1, 0))
                m[:] = (largest, -largest)[case % 2]
            shift = int(rng.integers(0, multiplier_width + max(operand_bits) + 3))
            spec = AddSpec(tuple(z), tuple(m.tolist()), shift, _code(rng, bits), bits)
            fields = {"shift": shift, "zero_point": spec.out_zero_point}
            for n, term in enumerate(zip(q, z, spec.mantissas, strict=True)):
                fields |= dict(zip((f"q_{n}", f"z_{n}", f"m_{n}"), term, strict=True))
            inputs.append(pack(shape, fields))
            outputs.append(int(add(spec, *q)))
        return Vectors(inputs, outputs)

    widths = ", ".join(map(str, operand_bits))
    summary = f"sum of {len(operand_bits)} terms of {widths} bits, rounded once, to {bits} bits"
    return Unit(name, summary, partial(TermSum, **sizes), vectors)


def _code(rng: np.random.Generator, bits: int) -> int:
    return int(rng.integers(0, 1 << bits))


REQUANTIZER_UNITS = (
    _requantizer(8, 16, "requantizer-8"),
    _requantizer(16, 24, "requantizer-16"),
    _requantizer(8, 8, "requantizer-8-by-8"),
    _requantizer(16, 32, "requantizer-16-by-32"),
    _term_sum("sum-3", (8, 8, 8), 16, 8),
    _term_sum("sum-4-mixed", (8, 16, 8, 16), 24, 16),
)
