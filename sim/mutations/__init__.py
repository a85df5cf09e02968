"""Faults put into the units on purpose, each of which the check of its unit must find."""

from sim.mutations.attention import ATTENTION_MUTATIONS
from sim.mutations.division import DIVISION_MUTATIONS
from sim.mutations.handshake import HANDSHAKE_MUTATIONS
from sim.mutations.mac_array import MAC_ARRAY_MUTATIONS
from sim.mutations.pwl import PWL_MUTATIONS
from sim.mutations.requantizer import REQUANTIZER_MUTATIONS
from sim.mutations.vector_lane import VECTOR_LANE_MUTATIONS

MUTATIONS = (
    *REQUANTIZER_MUTATIONS,
    *HANDSHAKE_MUTATIONS,
    *MAC_ARRAY_MUTATIONS,
    *VECTOR_LANE_MUTATIONS,
    *PWL_MUTATIONS,
    *DIVISION_MUTATIONS,
    *ATTENTION_MUTATIONS,
)
