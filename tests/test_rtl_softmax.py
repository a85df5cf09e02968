import functools
import gc
from dataclasses import replace

import numpy as np
import pytest
from native_runs import every_pattern, full_rate, load, numbers

from golden.activation import pwl
from golden.attention import (
    SCORE_MAX,
    AttentionSpec,
    ContextSpec,
    attend,
    context,
    remember,
    shifted_scores,
)
from golden.elementwise import AddSpec
from golden.fixed import FixedPoint
from golden.linear import MatVecSpec
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, fit
from rtl.context import ContextSizes
from rtl.divider import IterativeDivider, PipelinedDivider
from rtl.pwl import Pwl, PwlSearch
from rtl.softmax import Exp, ShiftedScores, Softmax, score_layout
from rtl.units.attention import context_spec, exp_spec, packed, scores
from sim.native import to_words

EXP = fit(FUNCTIONS["exp"], QuantParams(10 / 65535, 65535, 16), QuantParams(1 / 255, 0), 16)
ITERATIVE_4 = functools.partial(IterativeDivider, step=4)


def words_of(unit, sizes, e, h, lengths, field="score"):
    """Packed beats of sequences one after the other. h: (N, lanes)."""
    columns = (np.asarray(column) for column in (e, h, lengths))
    return to_words(packed(score_layout(sizes, field), field, *columns), unit.input_bytes)


def contexts(exp, spec, e, h, lengths):
    """What golden's `attend` does after the scores."""
    return context(spec, pwl(exp, shifted_scores(e, lengths)), h, lengths)


def drawn(lengths, lanes, seed=0):
    rng = np.random.default_rng(seed)
    return scores(rng, np.asarray(lengths)), rng.integers(0, 256, (sum(lengths), lanes))


@pytest.mark.parametrize(
    ("lanes", "max_steps", "activation", "divider"),
    [
        (1, 1, PwlSearch, PipelinedDivider),
        (3, 5, Pwl, functools.partial(PipelinedDivider, step=4)),
        (2, 16, PwlSearch, ITERATIVE_4),
    ],
)
def test_every_code_under_every_pattern(lanes, max_steps, activation, divider):
    """Sequences too short for the division, too: they wait, and nothing is lost."""
    component = Softmax(
        exp=EXP,
        spec=context_spec(),
        lanes=lanes,
        max_steps=max_steps,
        activation=activation,
        divider=divider,
    )
    unit, sizes = load(component), ContextSizes(context_spec(), lanes, max_steps)
    lengths = np.random.default_rng(1).permutation(np.tile(np.arange(max_steps) + 1, 60))[:120]
    e, h = drawn(lengths, lanes)
    wanted = contexts(EXP, context_spec(), e, h, lengths)
    assert len(np.unique(wanted)) > 30
    for run in every_pattern(unit, words_of(unit, sizes, e, h, lengths), wanted.size).values():
        assert (numbers(run, component) == wanted.ravel()).all()


def test_sequences_at_the_ends():
    """All equal, ties of the largest, both extremes, and one step that has all the weight."""
    top, spec, exp = SCORE_MAX, context_spec(), exp_spec()
    sequences = [
        *([v] * n for v in (0, 1, top // 2, top - 1, top) for n in (1, 2, 8)),
        *([0] * n + [top] + [0] * (7 - n) for n in range(8)),
        *([top] * n + [0] * (8 - n) for n in range(1, 9)),
        *([0] * n + [top] * (8 - n) for n in range(8)),
        [32768, 32767, 32768, 32769, 32769, 0, 1, 2],  # signed, 32768 is the least
        [0, 0, 0, 1 << 15, 0],
        [top, 3, 2],
        [3, 2],  # far below the largest of the sequence before
    ]
    lengths = np.array([len(s) for s in sequences])
    e = np.concatenate(sequences)
    h = np.random.default_rng(0).integers(0, 256, (len(e), 1))
    weights = np.split(pwl(exp, shifted_scores(e, lengths)), np.cumsum(lengths)[:-1])
    alone = [np.count_nonzero(w) == 1 and w.max() == 255 for w in weights]
    assert sum(alone) > 10
    component = Softmax(exp=exp, spec=spec, max_steps=8)
    unit, sizes = load(component), ContextSizes(spec, 1, 8)
    run = full_rate(unit, words_of(unit, sizes, e, h, lengths), len(lengths))
    assert (numbers(run, component) == contexts(exp, spec, e, h, lengths).ravel()).all()


@pytest.mark.parametrize(("exp", "activation"), [(EXP, PwlSearch), (exp_spec(), Pwl)])
def test_the_exponential_of_every_shifted_score(exp, activation):
    """Sequences {largest, one below}: each of the 65,536 differences, and every e is told apart."""
    spec = ContextSpec(0, FixedPoint(1 << 15, 9), 0, out_bits=16)
    component = Softmax(exp=exp, spec=spec, max_steps=2, activation=activation)
    unit, sizes = load(component), ContextSizes(spec, 1, 2)
    u = np.arange(SCORE_MAX + 1)
    e = np.stack([np.full(len(u), SCORE_MAX), u], axis=1)
    h = np.tile([0, 255], (len(u), 1))
    e[::2], h[::2] = e[::2, ::-1], h[::2, ::-1]
    lengths = np.full(len(u), 2)
    assert set(shifted_scores(e.ravel(), lengths).tolist()) == set(u.tolist())
    wanted = contexts(exp, spec, e.ravel(), h.reshape(-1, 1), lengths).ravel()
    assert len(np.unique(wanted)) == len(np.unique(pwl(exp, u))) > 150
    run = full_rate(unit, words_of(unit, sizes, e.ravel(), h.reshape(-1, 1), lengths), len(u))
    assert (numbers(run, component) == wanted).all()


def test_attention_of_a_padded_batch():
    """The scores that golden's `attend` finds on its way, and its contexts."""
    rng, width, lanes, steps = np.random.default_rng(3), 6, 5, 9
    tanh = fit(np.tanh, QuantParams.from_range(-4, 4, 16), QuantParams.from_range(-1, 1), 8)
    v = rng.integers(-127, 128, (1, width)).astype(np.int8)
    spec = AttentionSpec(
        AddSpec((120, 130), (40000, 50000), 9, 32768, 16),
        tanh,
        MatVecSpec(v, np.zeros(1, np.int32), 128, FixedPoint(40000, 15), 32768, out_bits=16),
        EXP,
        context_spec(),
    )
    lengths = rng.integers(1, steps + 1, 30)
    key, encoder = (rng.integers(0, 256, (30, steps, n)) for n in (width, lanes))
    memory = remember(key, encoder, lengths)
    trace = attend(spec, rng.integers(0, 256, (30, width)), memory)
    assert len(np.unique(trace.exp)) > 40
    component = Softmax(exp=EXP, spec=spec.context, lanes=lanes, max_steps=steps)
    unit, sizes = load(component), ContextSizes(spec.context, lanes, steps)
    words = words_of(unit, sizes, trace.score, memory.h, lengths)
    run = full_rate(unit, words, trace.context.size)
    assert (numbers(run, component) == trace.context.ravel()).all()


@pytest.mark.parametrize("max_steps", [1, 5])
def test_shifted_scores(max_steps):
    sizes = ContextSizes(context_spec(), 1, max_steps)
    component = ShiftedScores(sizes=sizes)
    unit = load(component)
    lengths = np.random.default_rng(1).permutation(np.tile(np.arange(max_steps) + 1, 40))
    e, h = drawn(lengths, 1)
    words = words_of(unit, sizes, e, h, lengths)
    wanted = packed(score_layout(sizes, "u"), "u", shifted_scores(e, lengths), h, lengths)
    for run in every_pattern(unit, words, len(words)).values():
        assert numbers(run, component).tolist() == wanted


def test_weights_keep_their_codes():
    """Every u, one a cycle."""
    sizes = ContextSizes(context_spec(), 2)
    component = Exp(exp=EXP, sizes=sizes, activation=PwlSearch)
    unit, rng = load(component), np.random.default_rng(0)
    u = rng.permutation(SCORE_MAX + 1)
    h, lengths = rng.integers(0, 256, (len(u), 2)), np.full(1 << 13, 8)
    run = full_rate(unit, words_of(unit, sizes, u, h, lengths, "u"), len(u))
    assert numbers(run, component).tolist() == packed(sizes.beat(), "e", pwl(EXP, u), h, lengths)
    assert run.taken_at.tolist() == list(range(component.LATENCY, component.LATENCY + len(u)))


@pytest.mark.parametrize("length", [1, 2, 7, 300])
@pytest.mark.parametrize(("lanes", "divider"), [(1, PipelinedDivider), (4, ITERATIVE_4)])
def test_cycles_of_a_sequence(length, lanes, divider):
    """From the last beat to the last code: LATENCY + n; the codes are SPACING apart."""
    component = Softmax(exp=EXP, spec=context_spec(), lanes=lanes, max_steps=300, divider=divider)
    unit, sizes = load(component), ContextSizes(context_spec(), lanes, 300)
    e, h = drawn([length], lanes)
    run = full_rate(unit, words_of(unit, sizes, e, h, [length]), lanes)
    assert run.report["last_accepted"] == length - 1
    final = length - 1 + component.LATENCY + length
    spacing = component.SPACING
    assert run.taken_at.tolist() == [final - spacing * (lanes - 1 - k) for k in range(lanes)]
    # 2 + exp + sums, drain, scale, zero point + division, and the other lanes.
    division = 6 if lanes == 4 else 13
    assert 2 + 4 + 7 + division + (lanes - 1) * spacing == component.LATENCY
    assert (numbers(run, component) == contexts(EXP, context_spec(), e, h, [length]).ravel()).all()


def accepted(lengths):
    """The cycle of the last beat: a sequence starts max(n, n') cycles after the one before it."""
    start, before, n = 0, 0, 0
    for length in lengths:
        start, before, n = start + max(n, before), n, length
    return start + n - 1


@pytest.mark.parametrize("seed", range(4))
def test_when_sequences_follow(seed):
    rng, sizes = np.random.default_rng(seed), ContextSizes(context_spec(), 1, 300)
    component = Softmax(exp=EXP, spec=context_spec(), max_steps=300)
    unit, lengths = load(component), rng.integers(1, 13, 40).tolist()
    lengths[:20] = sorted(lengths[:20], reverse=bool(seed % 2))
    for count in range(1, len(lengths) + 1):
        e, h = drawn(lengths[:count], 1)
        run = full_rate(unit, words_of(unit, sizes, e, h, lengths[:count]), count)
        assert run.report["last_accepted"] == accepted(lengths[:count])


@pytest.mark.parametrize(("length", "gap"), [(24, False), (30, False), (23, True), (1, True)])
def test_a_beat_a_cycle(length, gap):
    """Sequences of equal length of lanes * SPACING beats or more do not wait."""
    component = Softmax(exp=EXP, spec=context_spec(), lanes=4, max_steps=300, divider=ITERATIVE_4)
    unit, lengths = load(component), [length] * 40
    e, h = drawn(lengths, 4)
    words = words_of(unit, ContextSizes(context_spec(), 4, 300), e, h, lengths)
    run = full_rate(unit, words, 160)
    assert (run.report["last_accepted"] > len(words) - 1) == gap


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_steps": 0}, "context: 0 steps; 1 to 62847"),
        ({"max_steps": 1 << 16}, "context: 65536 steps; 1 to 62847"),
        ({"lanes": 0}, "context: 0 lanes; at least 1"),
        (
            {"exp": replace(EXP, out_zero_point=3)},
            "softmax: exp of 16 to 8 bits, zero point 3; 16 to 8, 0",
        ),
        (
            {"spec": replace(context_spec(), exp_bits=16)},
            "softmax: exp of 16 to 8 bits, zero point 0; 16 to 16, 0",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(change, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Softmax(**{"exp": EXP, "spec": context_spec()} | change)
    gc.collect()  # what was refused goes here, where its not being used is no fault
