"""The units of the registry for attention: the context, and softmax in front of it."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from amaranth.lib.data import StructLayout

from golden.activation import PwlSpec, pwl
from golden.attention import SCORE_MAX, ContextSpec, context, shifted_scores
from golden.fixed import FixedPoint, Int64
from rtl.context import Context, ContextSizes
from rtl.divider import IterativeDivider
from rtl.pwl import PwlSearch
from rtl.softmax import Softmax, score_layout
from rtl.units.unit import Unit, Vectors

EXP_SHIFT = 20


def context_spec() -> ContextSpec:
    """A context of 8-bit codes that clamps at both ends."""
    return ContextSpec(121, FixedPoint(43690, 15), 117)


def exp_spec(pieces: int = 12, octave: int = 1 << 12) -> PwlSpec:
    """255 at the largest score, half of that each `octave` codes below it, 0 below the last."""
    steps = range(pieces - 1, 0, -1)
    values = [255 << EXP_SHIFT >> k for k in range(pieces)]
    return PwlSpec(
        knots=(0, *(SCORE_MAX - octave * k for k in steps)),
        slopes=(0, *((values[k - 1] - values[k]) // octave for k in steps)),
        intercepts=(0, *(values[k] for k in steps)),
        shift=EXP_SHIFT,
        out_zero_point=0,
        in_bits=16,
    )


def packed(layout: StructLayout, name: str, values: Int64, h: Int64, lengths: Int64) -> list[int]:
    """Beats of sequences one after the other; h: (N, lanes); `name`: the field of the values."""
    last = np.isin(np.arange(len(values)) + 1, np.cumsum(lengths))
    at = {field: layout[field].offset for field in layout.members}
    bits = layout["h"].width // h.shape[1]
    rows = zip(values.tolist(), h.tolist(), last.tolist(), strict=True)
    return [
        value << at[name]
        | sum(code << (at["h"] + bits * k) for k, code in enumerate(codes))
        | end << at["last"]
        for value, codes, end in rows
    ]


def waits(lengths: Sequence[int]) -> int:
    """Cycles in which ShiftedScores keeps its input waiting: the next sequence starts
    max(n, n') cycles after one of n beats, whose own predecessor has n'."""
    before = [0, *lengths[:-2]]
    return sum(max(n, of) - n for n, of in zip(lengths[:-1], before, strict=False))


def context_sequences(spec: ContextSpec, lanes: int, shortest: int, seed: int) -> Vectors:
    """Beats of 40 sequences of `shortest` steps or more: extremes, no weight at all, noise."""
    rng, layout = np.random.default_rng(seed), ContextSizes(spec, lanes).beat()
    lengths = rng.integers(shortest, shortest + 8, 40)
    e, h = rng.integers(0, 256, lengths.sum()), rng.integers(0, 256, (lengths.sum(), lanes))
    ends = np.cumsum(lengths)
    for n, end in enumerate(ends):
        begin = end - lengths[n]
        if n < 8:
            e[begin:end], h[begin:end] = (255, 0, 1, 255)[n % 4], (0, 255)[n // 4]
        elif n % 3 == 0:
            h[begin:end] = np.clip(h[begin : begin + 1] + rng.integers(-20, 20, lanes), 0, 255)
    inputs = packed(layout, "e", e, h, lengths)
    return Vectors(inputs, context(spec, e, h, lengths).ravel().tolist())


def scores(rng: np.random.Generator, lengths: Int64) -> Int64:
    """Of sequences in turn: close together anywhere, all equal, extremes, a largest one at either
    end or twice, one so far above that the others weigh nothing, anything."""
    all_of = []
    for n, length in enumerate(lengths.tolist()):
        spread = (1 << 12, 1, 1 << 14, 1 << 16)[n % 4]
        values = int(rng.integers(0, SCORE_MAX + 2 - spread)) + rng.integers(0, spread, length)
        if n % 5 == 1:
            values = rng.choice((0, SCORE_MAX), length)
        elif n % 5 == 2:
            values[rng.integers(length)] = values[(0, -1)[n % 2]] = values.max()
        elif n % 5 == 3:
            values, values[rng.integers(length)] = values // 8, SCORE_MAX
        all_of.append(values)
    return np.concatenate(all_of)


def softmax_sequences(
    exp: PwlSpec, spec: ContextSpec, lanes: int, shortest: int, longest: int, seed: int
) -> Vectors:
    """Sequences of every length of shortest..longest three times, the longest one last."""
    rng = np.random.default_rng(seed)
    lengths = rng.permutation(np.tile(np.arange(shortest, longest + 1), 3))
    lengths = np.append(lengths, longest)
    e, h = scores(rng, lengths), rng.integers(0, 256, (lengths.sum(), lanes))
    weights = pwl(exp, shifted_scores(e, lengths))
    layout = score_layout(ContextSizes(spec, lanes))
    return Vectors(
        packed(layout, "score", e, h, lengths),
        context(spec, weights, h, lengths).ravel().tolist(),
        waits=waits(lengths.tolist()),
        replay=longest,
    )


_CONTEXT, _EXP = context_spec(), exp_spec()


ATTENTION_UNITS = (
    Unit(
        "context-1",
        "attention's context, 1 lane, pipelined divider",
        partial(Context, sizes=ContextSizes(_CONTEXT)),
        partial(context_sequences, _CONTEXT, 1, 1),
    ),
    # Sequences of 2 x 8 beats or more: the two divisions of one end before the next has ended.
    Unit(
        "context-2",
        "attention's context, 2 lanes, one iterative divider of 2 quotient bits a cycle",
        partial(
            Context,
            sizes=ContextSizes(_CONTEXT, lanes=2),
            divider=partial(IterativeDivider, step=2),
        ),
        partial(context_sequences, _CONTEXT, 2, 16),
    ),
    Unit(
        "softmax-1",
        "softmax and context, 1 lane, up to 24 steps, exp by search, pipelined divider",
        partial(Softmax, exp=_EXP, spec=_CONTEXT, max_steps=24, activation=PwlSearch),
        partial(softmax_sequences, _EXP, _CONTEXT, 1, 1, 24),
    ),
    # Sequences of 4 x 6 beats or more, as above.
    Unit(
        "softmax-4",
        "softmax and context, 4 lanes, up to 32 steps, exp by comparators, iterative divider",
        partial(
            Softmax,
            exp=_EXP,
            spec=_CONTEXT,
            lanes=4,
            max_steps=32,
            divider=partial(IterativeDivider, step=4),
        ),
        partial(softmax_sequences, _EXP, _CONTEXT, 4, 24, 32),
    ),
)
