"""The vector lanes of the registry."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from golden import stimulus
from golden.activation import pwl
from golden.elementwise import (
    AddSpec,
    AffineSpec,
    MultiplySpec,
    add,
    affine,
    minimum,
    multiply,
    one_minus,
    subtract_spec,
)
from golden.fixed import FixedPoint
from golden.madnorm import MadNormSpec, deviation, mean
from rtl.pwl_constants import offsets
from rtl.units.unit import Unit, Vectors, pack
from rtl.vector_lane import VectorLane, lane_layout

Beats = list[Mapping[str, int]]
Case = tuple[Beats, int]  # payloads of one result, and golden's answer


class Draw(NamedTuple):
    """What the cases of a lane are drawn from: its widths, and a generator."""

    rng: np.random.Generator
    bits: int
    scale_bits: int

    def codes(self, count: int) -> list[int]:
        return stimulus.mixed(self.rng, 0, (1 << self.bits) - 1, count).tolist()

    def scales(self, count: int, least: int | None = None) -> list[int]:
        """Multipliers, of both signs where no least one is given."""
        most = (1 << (self.scale_bits - 1)) - 1
        return stimulus.mixed(self.rng, -most if least is None else least, most, count).tolist()

    def shift(self, operands: int = 1) -> int:
        """Up to the width of a product with so many operands, and beyond."""
        return int(self.rng.integers(0, operands * self.bits + self.scale_bits))


def terms(
    q: Sequence[int], z: Sequence[int], m: Sequence[int], **shared: int
) -> list[dict[str, int]]:
    """The beats of ``sum m (q - z)``, two terms a beat."""
    rows = list(zip(q, z, m, strict=True))
    rows += [(0, 0, 0)] * (len(rows) % 2)
    beats = [
        dict(zip(("a", "z_a", "m_a", "b", "z_b", "m_b"), (*a, *b), strict=True)) | shared
        for a, b in zip(rows[::2], rows[1::2], strict=True)
    ]
    return ends(beats)


def ends(beats: Sequence[Mapping[str, int]]) -> list[dict[str, int]]:
    """The beats of one result, marked."""
    last = len(beats) - 1
    return [{**beat, "first": n == 0, "last": n == last} for n, beat in enumerate(beats)]


def multiplied(draw: Draw) -> Case:
    (a, b, z_a, z_b, z_out), (m,) = draw.codes(5), draw.scales(1, 1)
    spec = MultiplySpec((z_a, z_b), FixedPoint(m, draw.shift(2)), z_out, draw.bits)
    beat = {"a": a, "b": b, "z_a": z_a, "z_b": z_b, "m_a": m, "multiply": 1}
    beat |= {"shift": spec.multiplier.shift, "z_out": z_out}
    return ends([beat]), int(multiply(spec, a, b))


def added(draw: Draw, most: int = 8) -> Case:
    count = int(draw.rng.integers(2, most + 1))
    q, z, m, (z_out,) = draw.codes(count), draw.codes(count), draw.scales(count), draw.codes(1)
    spec = AddSpec(tuple(z), tuple(m), draw.shift(), z_out, draw.bits)
    return terms(q, z, m, shift=spec.shift, z_out=z_out), int(add(spec, *q))


def activated(draw: Draw) -> Case:
    (a,) = draw.codes(1)
    seed = int(draw.rng.integers(1 << 30))
    spec = stimulus.pwl_spec(seed, 4, draw.bits, draw.bits, intercept_bits=18 + draw.bits)
    i = sum(a >= knot for knot in spec.knots[1:])
    beat = {"a": a, "b": draw.codes(1)[0], "pwl": 1, "slope": spec.slopes[i]}
    beat |= {"offset": offsets(spec)[i], "shift": spec.shift, "z_out": spec.out_zero_point}
    return ends([beat]), int(pwl(spec, a))


def complemented(draw: Draw) -> Case:
    x, z_x, z_out = draw.codes(3)
    spec = subtract_spec((0, z_x), tuple(draw.scales(2, 1)), draw.shift(), z_out, draw.bits)
    beats = terms(
        ((1 << draw.bits) - 1, x), spec.zero_points, spec.mantissas, shift=spec.shift, z_out=z_out
    )
    return beats, int(one_minus(spec, x, draw.bits))


def normalized(draw: Draw) -> Case:
    """gamma is signed: the lane takes it as a code about the middle one."""
    (y, z_y, z_out), (m,) = draw.codes(3), draw.scales(1, 1)
    half, shift = 1 << (draw.bits - 1), draw.shift(2)
    gamma = stimulus.mixed(draw.rng, 1 - half, half - 1, 1).astype(f"int{draw.bits}")
    most = 1 << (2 * draw.bits + draw.scale_bits - int(draw.rng.integers(draw.bits)))
    beta = stimulus.mixed(draw.rng, -most, most - 1, 1)
    spec = AffineSpec(gamma, beta, z_y, FixedPoint(m, shift), z_out, draw.bits)
    beat = {"a": y, "b": int(gamma[0]) + half, "z_a": z_y, "z_b": half, "multiply": 1, "pwl": 1}
    beat |= {"slope": m, "offset": int(beta[0]), "shift": shift, "z_out": z_out}
    return ends([beat]), int(affine(spec, [y])[0])


def smaller(draw: Draw) -> Case:
    a, b, z = draw.codes(3)
    beat = {"a": a, "b": b, "z_a": z, "z_b": z, "z_out": z, "m_a": 1, "minimum": 1}
    return ends([beat]), int(minimum(a, b))


def largest(draw: Draw) -> Case:
    row, (z, b) = draw.codes(int(draw.rng.integers(1, 9))), draw.codes(2)
    shared = {"b": b, "z_a": z, "z_out": z, "m_a": 1, "maximum": 1}
    return ends([{"a": code, **shared} for code in row]), int(np.max(row))


def summed(draw: Draw, magnitudes: bool) -> Case:
    """Eq. 27, and with magnitudes Eq. 29."""
    row, (z, z_out), (m,) = draw.codes(int(draw.rng.integers(1, 13))), draw.codes(2), draw.scales(1)
    scale, z_out = FixedPoint(abs(m) + (m == 0), draw.shift()), 0 if magnitudes else z_out
    centre = AddSpec((z, z_out), (1, -1), 0, z, draw.bits)
    widths = dict.fromkeys(("x_bits", "mean_bits", "deviation_bits", "out_bits"), draw.bits)
    spec = MadNormSpec(len(row), scale, centre, scale, FixedPoint(1, 0), 0, **widths)
    count = len(row)
    shared = {"shift": scale.shift, "z_out": z_out, "magnitudes": int(magnitudes)}
    beats = terms(row, [z] * count, [scale.mantissa] * count, **shared)
    return beats, int((deviation if magnitudes else mean)(spec, row))


ENGINE = (multiplied, partial(added, most=2), activated)
COMPLETE = (
    *(multiplied, added, activated, complemented, normalized, smaller, largest),
    *(partial(summed, magnitudes=False), partial(summed, magnitudes=True)),
)


def _vector_lane(
    name: str,
    summary: str,
    operations: Sequence[Callable[[Draw], Case]],
    count: int,
    **sizes: int,
) -> Unit:
    def vectors(seed: int) -> Vectors:
        lane = {"bits": 8, "scale_bits": 18, **sizes}
        draw = Draw(np.random.default_rng(seed), lane["bits"], lane["scale_bits"])
        cases = [operation(draw) for operation in operations * count]
        layout = lane_layout(**lane)
        inputs = [pack(layout, beat) for beats, _ in cases for beat in beats]
        return Vectors(inputs, [answer for _, answer in cases])

    return Unit(name, summary, partial(VectorLane, **sizes), vectors)


_EVERY = "every element-wise operation, reduction and PWL"
LANE_UNITS = (
    _vector_lane("vector-lane", "multiply, 2-term add and PWL, 8 bits", ENGINE, 1500),
    _vector_lane("vector-lane-complete", f"{_EVERY}, 8 bits", COMPLETE, 200, complete=True),
    _vector_lane(
        "vector-lane-16", f"{_EVERY}, 16 bits", COMPLETE, 200, bits=16, scale_bits=25, complete=True
    ),
)
