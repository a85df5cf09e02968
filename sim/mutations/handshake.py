"""Faults of the handshake that all units share."""

from sim.mutation import Mutation

HANDSHAKE_MUTATIONS = (
    Mutation(
        "latency off by one",
        "pwl-2-in8",
        "pipeline.py",
        "self.o.valid.eq(valid[-1])",
        "self.o.valid.eq(valid[-2])",
    ),
    Mutation(
        "stages do not wait",
        "pwl-2-in8",
        "pipeline.py",
        "EnableInserter(advance)(stages)",
        "stages",
    ),
    Mutation(
        "valid waits for ready",
        "mac-array-2x2",
        "pipeline.py",
        "advance.eq(self.o.ready | ~self.o.valid)",
        "advance.eq(self.o.ready)",
    ),
)
