"""Faults put into the units on purpose, each of which the check of its unit must find."""

from sim.division_mutations import DIVISION_MUTATIONS
from sim.mutation import Mutation
from sim.pwl_mutations import PWL_MUTATIONS

_ARITHMETIC = (
    Mutation(
        "rounding bit dropped",
        "requantizer-8",
        "fixed.py",
        "rounded = ((shifted + 1) >> 1) + zero_point",
        "rounded = (shifted >> 1) + zero_point",
    ),
    Mutation(
        "ties upwards, not away from zero",
        "requantizer-8",
        "fixed.py",
        "negative = p.as_signed()[-1]",
        "negative = Const(0, 1)",
    ),
    Mutation(
        "upper clamp dropped",
        "requantizer-16",
        "fixed.py",
        "Mux(overflow, Const(-1, signed(bits)), value[:bits])",
        "value[:bits]",
    ),
    Mutation(
        "lower clamp dropped",
        "pwl-16-in16",
        "fixed.py",
        "Mux(value[-1], Const(0, bits), ",
        "Mux(Const(0, 1), Const(0, bits), ",
    ),
    Mutation(
        "early saturation dropped",
        "requantizer-8",
        "fixed.py",
        "fits = ~top.any() | top.all()",
        "fits = Const(1, 1)",
    ),
    Mutation(
        "early saturation two bits short",
        "requantizer-8",
        "fixed.py",
        "narrow(halves >> shift, bits + 3)",
        "narrow(halves >> shift, bits + 1)",
    ),
    Mutation(
        "zero point a cycle early",
        "requantizer-8",
        "rounder.py",
        "delayed(m, self.zero_point, 2,",
        "delayed(m, self.zero_point, 1,",
    ),
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
    Mutation(
        "offset of PWL not added",
        "vector-lane",
        "vector_lane.py",
        'Mux(delayed(m, pwl, 1, "pwl_scaled"), addend, scaled_b)',
        "scaled_b",
    ),
)

MUTATIONS = (*_ARITHMETIC, *PWL_MUTATIONS, *DIVISION_MUTATIONS)
