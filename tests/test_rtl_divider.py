import functools
import gc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_runs import every_pattern, full_rate, load, numbers, packed
from rtl_cases import complaints, reference

from golden import stimulus
from golden.fixed import divide_round
from rtl.divider import (
    IterativeDivider,
    PipelinedDivider,
    ReciprocalDivider,
    ZeroPoint,
    reciprocals,
)

# name -> (variant, cycles from a division to its result, cycles from one division to the next)
VARIANTS = {
    "iterative-1": (functools.partial(IterativeDivider, step=1), 12, 12),
    "iterative-2": (functools.partial(IterativeDivider, step=2), 8, 8),
    "iterative-4": (functools.partial(IterativeDivider, step=4), 6, 6),
    "pipelined-1": (functools.partial(PipelinedDivider, step=1), 13, 1),
    "pipelined-2": (functools.partial(PipelinedDivider, step=2), 9, 1),
    "pipelined-4": (functools.partial(PipelinedDivider, step=4), 7, 1),
    "reciprocal": (ReciprocalDivider, 6, 1),
}
RESTORING = [name for name in VARIANTS if name != "reciprocal"]
WIDE = {"n_bits": 48, "d_bits": 32}
# Multipliers of 16 bits and shifts: quotients of all sizes, none shifted out, most overflowing.
SCALES = [(65535, 9), (32768, 15), (40000, 14), (51111, 24), (33333, 0), (1, 0), (65535, 31)]


def exact(n, shift, d, bits=8):
    """Half away from zero by rational arithmetic, d = 0 taken as 1, saturated."""
    ratio = Fraction(abs(n), max(d, 1) << shift)
    magnitude = min((2 * ratio.numerator + ratio.denominator) // (2 * ratio.denominator), 2**bits)
    return min(magnitude, 2**bits - 1) * (-1 if n < 0 else 1)


def golden(n, shift, d, bits=8):
    top = (1 << bits) - 1
    return np.clip(divide_round(n, shift, np.maximum(d, 1)), -top, top)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_pair_of_a_normalization(name):
    """All 511 differences from a zero point, by all 256 deviations: 0 is taken as 1."""
    variant, latency, interval = VARIANTS[name]
    component = variant()
    unit = load(component)
    x, d = (a.ravel() for a in np.meshgrid(np.arange(-255, 256), np.arange(256)))
    for mantissa, shift in SCALES:
        n = x * mantissa
        words = packed(component, {"n": n, "shift": shift, "d": d}, unit.input_bytes)
        run = full_rate(unit, words, len(n))
        assert (numbers(run, component) == golden(n, shift, d)).all()
        assert run.taken_at[0] == latency == component.LATENCY
        assert set(np.diff(run.taken_at).tolist()) == {interval} == {component.INTERVAL}


def test_the_reciprocal_is_exact_for_all_numerators_and_divisors():
    d = np.arange(1, 256)
    table = np.array(reciprocals(8, 8))
    error = table[1:] * d - (1 << 24)
    assert table[0] == table[1]
    assert 0 <= error.min() <= error.max() == 254
    assert (error * 65535 < 1 << 24).all()
    component = ReciprocalDivider(n_bits=18)
    unit = load(component)
    # (n + d) >> 1 is t: every t of 16 bits that a numerator reaches, smaller ones give 0 anyway.
    for divisor in range(256):
        t = np.arange(1 << 16)
        n = 2 * t - (max(divisor, 1) & ~1)
        kept = n >= 0
        words = packed(component, {"n": n[kept], "shift": 1, "d": np.full(kept.sum(), divisor)}, 4)
        assert unit.input_bytes == 4
        run = full_rate(unit, words, int(kept.sum()))
        wanted = np.minimum(t[kept] // max(divisor, 1), 255)
        assert (numbers(run, component) == wanted).all(), divisor


def test_a_smaller_table_is_not_exact():
    """k = 23 is wrong for 46 divisors, 27 of them within a code of 8 bits."""
    t, wrong, wrong_codes = np.arange(1 << 16), 0, 0
    for d in range(1, 256):
        got, wanted = t * -(-(1 << 23) // d) >> 23, t // d
        wrong += bool((got != wanted).any())
        wrong_codes += bool((np.minimum(got, 255) != np.minimum(wanted, 255)).any())
    assert (wrong, wrong_codes) == (46, 27)


@pytest.mark.parametrize("shift", [0, 1, 9, 30])
def test_a_constant_shift(shift):
    component = IterativeDivider(n_bits=25, d_bits=8, shift=shift)
    unit, rng, count = load(component), np.random.default_rng(shift), 3000
    n = stimulus.mixed(rng, -(1 << 24), (1 << 24) - 1, count)
    n[::2] >>= rng.integers(0, 24, len(n[::2]))
    d = stimulus.mixed(rng, 0, 255, count)
    run = full_rate(unit, packed(component, {"n": n, "d": d}, unit.input_bytes), count)
    assert (numbers(run, component) == golden(n, shift, d)).all()


@pytest.mark.parametrize("name", VARIANTS)
def test_stalls_and_gaps_change_no_quotient(name):
    component = VARIANTS[name][0]()
    unit, rng, count = load(component), np.random.default_rng(1), 3000
    n = stimulus.mixed(rng, -(1 << 24), (1 << 24) - 1, count)
    shift, d = stimulus.mixed(rng, 0, 62, count), stimulus.mixed(rng, 0, 255, count)
    shift[::2] = stimulus.mixed(rng, 8, 20, len(shift[::2]))
    wanted = [exact(*row) for row in zip(n.tolist(), shift.tolist(), d.tolist(), strict=True)]
    words = packed(component, {"n": n, "shift": shift, "d": d}, unit.input_bytes)
    for run in every_pattern(unit, words, count).values():
        assert numbers(run, component).tolist() == wanted


@functools.cache
def wide(name):
    component = VARIANTS[name][0](**WIDE)
    return component, load(component)


def wide_quotients(name, rows):
    component, unit = wide(name)
    n, shift, d = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    words = packed(component, {"n": n, "shift": shift, "d": d}, unit.input_bytes)
    return numbers(full_rate(unit, words, len(rows)), component).tolist()


NUMERATORS = st.integers(-(1 << 47), (1 << 47) - 1)
DIVISORS = st.integers(0, (1 << 32) - 1)
NEAR = st.builds(  # n close to a tie, to a whole quotient or to the first that saturates
    lambda q, d, shift, offset, sign: (
        sign * min(abs((q * d << shift) // 2 + offset), (1 << 47) - 1),
        shift,
        d,
    ),
    st.one_of(st.integers(0, 514), st.integers(508, 514)),
    st.integers(1, (1 << 32) - 1),
    st.integers(0, 20),
    st.integers(-2, 2),
    st.sampled_from((-1, 1)),
)


@pytest.mark.parametrize("name", RESTORING)
def test_wide_divisions(name):
    @settings(derandomize=True, deadline=None, max_examples=60)
    @given(st.lists(st.tuples(NUMERATORS, st.integers(0, 63), DIVISORS) | NEAR, min_size=1))
    def check(rows):
        assert wide_quotients(name, rows) == [exact(*row) for row in rows]

    check()


@pytest.mark.parametrize("name", RESTORING)
def test_wide_corners(name):
    numerators = stimulus.corners(-(1 << 47), (1 << 47) - 1)
    divisors = [d for d in stimulus.corners(0, (1 << 32) - 1) if d.bit_length() % 4 in (0, 1)]
    rows = [(n, shift, d) for n in numerators[::2] for d in divisors for shift in (0, 1, 15, 63)]
    rows += [(s * d, shift, d) for d in divisors for s in (-1, 1) for shift in (0, 1, 2)]
    assert wide_quotients(name, rows) == [exact(*row) for row in rows]


@pytest.mark.parametrize("name", ["iterative-2", "pipelined-4"])
def test_codes_of_16_bits(name):
    component = VARIANTS[name][0](n_bits=40, d_bits=16, bits=16)
    unit, rng, count = load(component), np.random.default_rng(2), 4000
    n = stimulus.mixed(rng, -(1 << 39), (1 << 39) - 1, count)
    shift, d = stimulus.mixed(rng, 0, 20, count), stimulus.mixed(rng, 0, 65535, count)
    wanted = [exact(*r, bits=16) for r in zip(n.tolist(), shift.tolist(), d.tolist(), strict=True)]
    assert len(set(wanted)) > 1000
    words = packed(component, {"n": n, "shift": shift, "d": d}, unit.input_bytes)
    assert numbers(full_rate(unit, words, count), component).tolist() == wanted


def test_the_reference_vectors():
    cases = [c for c in reference("divide_round") if abs(c[0]) < 1 << 47 and c[2] < 1 << 32]
    assert len(cases) > 50
    rows = [tuple(case[:3]) for case in cases]
    wanted = [max(min(case[3], 255), -255) for case in cases]
    for name in RESTORING:
        assert wide_quotients(name, rows) == wanted


@pytest.mark.parametrize("zero_point", [0, 77, 255])
def test_a_quotient_becomes_a_code(zero_point):
    quotients = [*range(-255, 256)]
    codes = [min(max(q + zero_point, 0), 255) for q in quotients]
    unit = ZeroPoint(zero_point=zero_point, bits=8)
    assert complaints(unit, quotients, codes) == ""


def test_saturated_quotients_lose_no_code():
    """2^bits - 1 is enough: with any zero point, a larger quotient gives the same code."""
    for z in (0, 1, 254, 255):
        for q in (256, -256, 300, 1 << 40, -(1 << 40)):
            short = max(min(q, 255), -255)
            assert min(max(q + z, 0), 255) == min(max(short + z, 0), 255)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PipelinedDivider(step=3), "divider: 3 quotient bits a cycle; 1, 2 or 4"),
        (lambda: IterativeDivider(step=0), "divider: 0 quotient bits a cycle; 1, 2 or 4"),
        (
            lambda: ReciprocalDivider(d_bits=9),
            "reciprocal: divisors of 9 bits; the table is of at most 8",
        ),
        (
            lambda: IterativeDivider(n_bits=1),
            "divider: no division of 1 by 8 to 8 bits",
        ),
        (lambda: PipelinedDivider(d_bits=0), "divider: no division of 25 by 0 to 8 bits"),
    ],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        build()
    gc.collect()  # what was refused goes here, where its not being used is no fault


def test_the_documentation_names_these_cycles():
    page = (Path(__file__).parents[1] / "docs" / "units.md").read_text()
    for name, (_, latency, interval) in VARIANTS.items():
        assert page.count(f"| {name} | {latency} | {interval} |") == 1 + (name in RESTORING)
