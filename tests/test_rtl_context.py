import functools
import gc

import numpy as np
import pytest
from native_runs import broken_rules, every_pattern, full_rate, load, numbers
from rtl_cases import reference

from golden.attention import ContextSpec, context
from golden.fixed import FixedPoint
from rtl.context import Context, context_layout, weight_sum_bits
from rtl.divider import IterativeDivider, PipelinedDivider, ReciprocalDivider
from rtl.units.division import context_spec
from sim.streams import patterns

# name -> (variant, cycles of a division, cycles from one to the next)
DIVIDERS = {
    "pipelined": (PipelinedDivider, 13, 1),
    "iterative-1": (IterativeDivider, 12, 12),
    "iterative-2": (functools.partial(IterativeDivider, step=2), 8, 8),
    "iterative-4": (functools.partial(IterativeDivider, step=4), 6, 6),
}


def beats(component, spec, lanes, e, h, lengths):
    """Packed beats of sequences one after the other. h: (N, lanes)."""
    layout = context_layout(spec, lanes)
    last = np.isin(np.arange(len(e)), np.cumsum(lengths) - 1)
    words = [
        int(a) << layout["e"].offset
        | sum(int(v) << (spec.h_bits * k) for k, v in enumerate(row)) << layout["h"].offset
        | int(end) << layout["last"].offset
        for a, row, end in zip(e, h, last, strict=True)
    ]
    width = (layout.size + 7) // 8
    width = width if width <= 2 else -(-width // 4) * 4
    text = b"".join(word.to_bytes(width, "little") for word in words)
    return np.frombuffer(text, np.uint8).reshape(len(words), width)


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
    spec = context_spec()
    component = Context(spec=spec, lanes=lanes, divider=DIVIDERS[divider][0])
    e, h, lengths = sequences(lanes, shortest)
    wanted = context(spec, e, h, lengths)
    assert len(np.unique(wanted)) > 30
    unit = load(component)
    runs = every_pattern(unit, beats(component, spec, lanes, e, h, lengths), wanted.size)
    for run in runs.values():
        assert (numbers(run, component).reshape(wanted.shape) == wanted).all()


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("divider", DIVIDERS)
def test_cycles_of_a_sequence(divider, lanes):
    """A beat a cycle; 7 cycles and a division later the first element, then one each INTERVAL."""
    variant, cycles, interval = DIVIDERS[divider]
    spec = context_spec()
    component = Context(spec=spec, lanes=lanes, divider=variant)
    unit, steps = load(component), 5
    e, h = np.arange(steps) + 1, np.arange(steps * lanes).reshape(steps, lanes)
    run = full_rate(unit, beats(component, spec, lanes, e, h, [steps]), lanes)
    assert run.report["last_accepted"] == steps - 1
    assert run.taken_at.tolist() == [steps - 1 + 7 + cycles + interval * k for k in range(lanes)]
    assert run.taken_at[-1] - run.report["last_accepted"] == component.LATENCY


@pytest.mark.parametrize(("divider", "lanes"), [("iterative-2", 4), ("pipelined", 3)])
def test_long_sequences_follow_one_another_without_a_gap(divider, lanes):
    spec, (variant, _, interval) = context_spec(), DIVIDERS[divider]
    component = Context(spec=spec, lanes=lanes, divider=variant)
    unit, enough = load(component), lanes * interval
    for length, waits in ((enough, False), (enough - 1, True)):
        lengths = np.full(40, length)
        e, h = np.ones(lengths.sum(), int), np.zeros((lengths.sum(), lanes), int)
        words = beats(component, spec, lanes, e, h, lengths)
        run = full_rate(unit, words, 40 * lanes)
        assert (run.report["last_accepted"] > len(words) - 1) == waits


def test_the_longest_sequences_of_extremes():
    """Numerators of 31 bits and a sign, a divisor of all its bits."""
    spec = context_spec()
    component = Context(spec=spec, divider=DIVIDERS["iterative-4"][0])
    steps = spec.max_steps
    assert steps * 255 < 1 << weight_sum_bits(spec) <= 2 * steps * 255
    unit, always = load(component), patterns(0)["full rate"]
    e = np.full(2 * steps, 255)
    h = np.repeat((0, 255), steps)[:, np.newaxis]
    last = np.isin(np.arange(2 * steps), (steps - 1, 2 * steps - 1))
    layout = context_layout(spec, 1)
    words = e << layout["e"].offset | h[:, 0] << layout["h"].offset
    words |= last.astype(np.int64) << layout["last"].offset
    packed = words[:, np.newaxis].view(np.uint8)[:, : unit.input_bytes]
    run = unit.run(packed, 2, always.offer, always.take)
    assert broken_rules(run, 2 * steps, 2) == []
    wanted = context(spec, e, h, [steps, steps])
    assert numbers(run, component).tolist() == wanted[:, 0].tolist()


def test_the_reference_cases():
    cases = [c for c in reference("context") if c["bits"] == 8 and len(c["h"][0]) <= 16][:3]
    assert len(cases) == 3
    for case in cases:
        multiplier = FixedPoint(case["mantissa"], case["f"])
        spec = ContextSpec(case["h_zero_point"], multiplier, case["zero_point"])
        lanes = len(case["h"][0])
        component = Context(spec=spec, lanes=lanes, divider=DIVIDERS["iterative-1"][0])
        words = beats(component, spec, lanes, case["e"], case["h"], [len(case["e"])])
        run = full_rate(load(component), words, lanes)
        assert numbers(run, component).tolist() == case["result"]


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Context(spec=context_spec(), lanes=0), "context: 0 lanes; at least 1"),
        (
            lambda: Context(spec=context_spec(), divider=ReciprocalDivider),
            "reciprocal: divisors of 24 bits; the table is of at most 8",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        build()
    gc.collect()  # what was refused goes here, where its not being used is no fault
