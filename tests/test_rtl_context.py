import functools
import gc

import numpy as np
import pytest
from native_runs import every_pattern, full_rate, load, numbers
from rtl_cases import reference

from golden.attention import ContextSpec, context
from golden.fixed import FixedPoint
from rtl.context import Context, ContextSizes
from rtl.divider import IterativeDivider, PipelinedDivider, ReciprocalDivider
from rtl.units.attention import context_spec, packed
from sim.native import to_words

# name -> (variant, cycles of a division, cycles from one to the next)
DIVIDERS = {
    "pipelined": (PipelinedDivider, 13, 1),
    "iterative-1": (IterativeDivider, 12, 12),
    "iterative-2": (functools.partial(IterativeDivider, step=2), 8, 8),
    "iterative-4": (functools.partial(IterativeDivider, step=4), 6, 6),
}


def beats(unit, sizes, e, h, lengths):
    """Packed beats of sequences one after the other. h: (N, lanes)."""
    columns = (np.asarray(column) for column in (e, h, lengths))
    return to_words(packed(sizes.beat(), "e", *columns), unit.input_bytes)


def sequences(lanes, shortest, count=80, seed=0):
    """Extremes, weights of nothing and of one step alone, and noise."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest, shortest + 9, count)
    e = rng.integers(0, 256, lengths.sum())
    h = rng.integers(0, 256, (lengths.sum(), lanes))
    ends = np.cumsum(lengths)
    for n, (begin, end) in enumerate(zip(ends - lengths, ends, strict=True)):
        if n % 4 == 0:
            e[begin:end] = (0, 255, 1, 0)[n // 4 % 4]
            h[begin:end] = (0, 255)[n // 8 % 2]
        if n % 16 == 12:
            e[rng.integers(begin, end)] = 200  # one step has all the weight
    return e, h, lengths


@pytest.mark.parametrize(
    ("divider", "lanes"),
    [
        ("pipelined", 1),
        ("pipelined", 3),
        ("iterative-1", 1),
        ("iterative-2", 4),
        ("iterative-4", 2),
    ],
)
@pytest.mark.parametrize("shortest", [1, 30])
def test_every_code_under_every_pattern(divider, lanes, shortest):
    spec, sizes = context_spec(), ContextSizes(context_spec(), lanes)
    component = Context(sizes=sizes, divider=DIVIDERS[divider][0])
    e, h, lengths = sequences(lanes, shortest)
    wanted = context(spec, e, h, lengths)
    assert len(np.unique(wanted)) > 30
    unit = load(component)
    runs = every_pattern(unit, beats(unit, sizes, e, h, lengths), wanted.size)
    for run in runs.values():
        assert (numbers(run, component).reshape(wanted.shape) == wanted).all()


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("divider", DIVIDERS)
def test_cycles_of_a_sequence(divider, lanes):
    """A beat a cycle; 7 cycles and a division later the first element, then one each SPACING."""
    variant, cycles, interval = DIVIDERS[divider]
    sizes = ContextSizes(context_spec(), lanes)
    component = Context(sizes=sizes, divider=variant)
    unit, steps = load(component), 5
    e, h = np.arange(steps) + 1, np.arange(steps * lanes).reshape(steps, lanes)
    run = full_rate(unit, beats(unit, sizes, e, h, [steps]), lanes)
    assert run.report["last_accepted"] == steps - 1
    assert run.taken_at.tolist() == [steps - 1 + 7 + cycles + interval * k for k in range(lanes)]
    assert run.taken_at[-1] - run.report["last_accepted"] == component.LATENCY


@pytest.mark.parametrize(("divider", "lanes"), [("iterative-2", 4), ("pipelined", 3)])
def test_long_sequences_follow_one_another_without_a_gap(divider, lanes):
    sizes, (variant, _, interval) = ContextSizes(context_spec(), lanes), DIVIDERS[divider]
    component = Context(sizes=sizes, divider=variant)
    unit, enough = load(component), lanes * interval
    assert interval == component.SPACING
    for length, waits in ((enough, False), (enough - 1, True)):
        lengths = np.full(40, length)
        e, h = np.ones(lengths.sum(), int), np.zeros((lengths.sum(), lanes), int)
        words = beats(unit, sizes, e, h, lengths)
        run = full_rate(unit, words, 40 * lanes)
        assert (run.report["last_accepted"] > len(words) - 1) == waits


@pytest.mark.parametrize("limit", [None, 1, 100])
def test_the_longest_sequences_of_extremes(limit):
    """Numerators and a divisor of all their bits."""
    spec, sizes = context_spec(), ContextSizes(context_spec(), max_steps=limit)
    component = Context(sizes=sizes, divider=DIVIDERS["iterative-4"][0])
    steps = limit or spec.max_steps
    assert (steps * 255).bit_length() == sizes.divisor_bits
    assert (steps * 255 * 134).bit_length() + 1 == sizes.numerator_bits <= 32
    unit = load(component)
    e, h = np.full(2 * steps, 255), np.repeat((0, 255), steps)[:, np.newaxis]
    run = full_rate(unit, beats(unit, sizes, e, h, [steps, steps]), 2)
    wanted = context(spec, e, h, [steps, steps])
    assert numbers(run, component).tolist() == wanted[:, 0].tolist()


def test_the_reference_cases():
    cases = [c for c in reference("context") if c["bits"] == 8 and len(c["h"][0]) <= 16][:3]
    assert len(cases) == 3
    for case in cases:
        multiplier = FixedPoint(case["mantissa"], case["f"])
        spec = ContextSpec(case["h_zero_point"], multiplier, case["zero_point"])
        lanes = len(case["h"][0])
        sizes = ContextSizes(spec, lanes)
        component = Context(sizes=sizes, divider=DIVIDERS["iterative-1"][0])
        unit = load(component)
        words = beats(unit, sizes, case["e"], case["h"], [len(case["e"])])
        run = full_rate(unit, words, lanes)
        assert numbers(run, component).tolist() == case["result"]


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ContextSizes(context_spec(), 0), "context: 0 lanes; at least 1"),
        (lambda: ContextSizes(context_spec(), max_steps=0), "context: 0 steps; 1 to 62847"),
        (lambda: ContextSizes(context_spec(), 1, 62848), "context: 62848 steps; 1 to 62847"),
        (
            lambda: Context(sizes=ContextSizes(context_spec()), divider=ReciprocalDivider),
            "reciprocal: divisors of 24 bits; the table is of at most 8",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        build()
    gc.collect()  # what was refused goes here, where its not being used is no fault
