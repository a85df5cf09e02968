"""Faults of the vector lane."""

from sim.mutation import Mutation

VECTOR_LANE_MUTATIONS = (
    Mutation(
        "offset of PWL not added",
        "vector-lane",
        "vector_lane.py",
        'Mux(delayed(m, pwl, 1, "pwl_scaled"), addend, scaled_b)',
        "scaled_b",
    ),
)
