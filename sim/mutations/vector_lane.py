"""Faults of the vector lane."""

from sim.mutation import Mutation


def _fault(name: str, old: str, new: str, unit: str = "vector-lane-complete") -> Mutation:
    return Mutation(name, unit, "vector_lane.py", old, new)


VECTOR_LANE_MUTATIONS = (
    _fault(
        "offset of PWL not added",
        'Mux(delayed(m, pwl, 1, "pwl_scaled"), addend, scaled_b)',
        "scaled_b",
        "vector-lane",
    ),
    _fault(
        "product not taken",
        "Mux(multiply, a * b, one)",
        "one",
        "vector-lane",
    ),
    _fault(
        "beta as narrow as a scaled code",
        "addend = Signal.like(offset)",
        "addend = Signal.like(scaled_b)",
        "vector-lane-16",
    ),
    _fault("beta a cycle late", "addend.eq(offset)", 'addend.eq(delayed(m, offset, 1, "beta"))'),
    _fault("sum not started anew", "Mux(alone, 0, total)", "total"),
    _fault("sum not accumulated", "Mux(alone, 0, total)", "0"),
    _fault("sum accumulates gaps", "with m.If(valid[3]):", "with m.If(valid[3:].any()):"),
    _fault("sums of a maximum", "i.first | i.maximum", "i.first"),
    _fault("every beat a result", "valid[-1] & last", "valid[-1]"),
    _fault("larger operand for the smaller", "smaller & flags", "~smaller & flags"),
    _fault("minimum of unsigned distances", "smaller = rival < a", "smaller = rival[:-1] < a[:-1]"),
    _fault("maximum not started anew", '~smaller & ~flags["first"]', "~smaller"),
    _fault(
        "largest code lost in a gap",
        "valid[1] if self._complete",
        "valid[2] if self._complete",
        "vector-lane-16",
    ),
    _fault(
        "magnitude of the first operand alone",
        "for v in (a, b))",
        "if v is a else v for v in (a, b))",
    ),
    _fault("magnitude off by one", "(flipped + negate)", "flipped", "vector-lane-16"),
)
