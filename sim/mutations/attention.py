"""Faults put into attention's context and the softmax in front of it."""

from sim.mutation import Mutation

ATTENTION_MUTATIONS = (
    Mutation(
        "numerator of a context not cleared",
        "context-1",
        "context.py",
        "Mux(first, 0, acc) + product",
        "acc + product",
    ),
    Mutation(
        "weights of a context not cleared",
        "context-2",
        "context.py",
        "Mux(first, 0, total) + weight",
        "total + weight",
    ),
    Mutation(
        "lanes of a context overwritten",
        "context-2",
        "context.py",
        "(left == 0) | (taken & (left == 1))",
        "(left == 0) | taken",
    ),
    Mutation(
        "sum of weights a bit short",
        "softmax-1",
        "context.py",
        "return (self.steps * ((1 << self.spec.exp_bits) - 1)).bit_length()",
        "return (self.steps * ((1 << self.spec.exp_bits) - 1)).bit_length() - 1",
    ),
    Mutation(
        "scores compared as signed",
        "softmax-1",
        "softmax.py",
        "first | (score > so_far)",
        "first | (score.as_signed() > so_far.as_signed())",
    ),
    Mutation(
        "largest score not reset",
        "softmax-1",
        "softmax.py",
        "first | (score > so_far)",
        "score > so_far",
    ),
    Mutation(
        "largest score of the sequence that comes in",
        "softmax-4",
        "softmax.py",
        "with m.If(swapped):\n            m.d.sync += held.eq(so_far)",
        "m.d.comb += held.eq(so_far)",
    ),
    Mutation(
        "scores subtracted the wrong way round",
        "softmax-4",
        "softmax.py",
        "word[:SCORE_BITS] + ~largest",
        "largest + ~word[:SCORE_BITS]",
    ),
    Mutation(
        "last beat of a sequence not sent",
        "softmax-1",
        "softmax.py",
        "m.d.sync += end.eq(index)",
        "m.d.sync += end.eq(Mux(index == 0, 0, index - 1))",
    ),
    Mutation(
        "a sequence written where the one before is read",
        "softmax-1",
        "softmax.py",
        "Cat(address, ~bank)",
        "Cat(address, bank)",
    ),
    Mutation(
        "buffer half as long",
        "softmax-4",
        "softmax.py",
        "max((sizes.steps - 1).bit_length(), 1)",
        "max((sizes.steps - 1).bit_length() - 1, 1)",
    ),
    Mutation(
        "a cycle between sequences",
        "softmax-1",
        "softmax.py",
        "swap = whole & (~sending | last)",
        "swap = whole & ~sending",
    ),
)
