"""Faults of rounding, shift and saturation."""

from sim.mutation import Mutation

REQUANTIZER_MUTATIONS = (
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
)
