"""Faults of the MAC array."""

from sim.mutation import Mutation

MAC_ARRAY_MUTATIONS = (
    Mutation(
        "accumulator not cleared",
        "mac-array-2x2",
        "mac_array.py",
        "m.d.sync += acc.eq(total)",
        "m.d.sync += acc.eq(acc + total)",
    ),
    Mutation(
        "sum of products one bit short",
        "mac-array-8x8",
        "mac_array.py",
        "signed(16 + self._columns.bit_length())",
        "signed(14 + self._columns.bit_length())",
    ),
    Mutation(
        "weights unsigned",
        "mac-array-2x2",
        "mac_array.py",
        "ArrayLayout(signed(8), columns)",
        "ArrayLayout(unsigned(8), columns)",
    ),
)
