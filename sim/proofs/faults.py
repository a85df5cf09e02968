"""Faults of the mutation tests that a proof must find, too."""

from sim.mutation import Mutation
from sim.mutations import MUTATIONS


def mutations(*names: str) -> tuple[Mutation, ...]:
    """The mutations of these names. Raises KeyError for a name that none has."""
    by_name = {mutation.name: mutation for mutation in MUTATIONS}
    return tuple(by_name[name] for name in names)
