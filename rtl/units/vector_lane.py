"""The vector lanes of the registry."""

from collections.abc import Mapping

import numpy as np

from golden import stimulus
from golden.activation import pwl
from golden.elementwise import AddSpec, MultiplySpec, add, multiply
from golden.fixed import FixedPoint
from rtl.pwl_constants import offsets
from rtl.units.unit import Unit, Vectors, pack
from rtl.vector_lane import VectorLane, lane_layout


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


LANE_UNITS = (_vector_lane(),)
