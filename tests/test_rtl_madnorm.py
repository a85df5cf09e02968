import functools
import gc
from dataclasses import replace

import numpy as np
import pytest
from native_runs import every_pattern, full_rate, load, numbers
from rtl_cases import complaints, reference

from golden.elementwise import affine, subtract_spec
from golden.fixed import FixedPoint
from golden.madnorm import MadNormSpec, madnorm
from rtl.divider import IterativeDivider, PipelinedDivider, ReciprocalDivider
from rtl.madnorm import MadNorm, MadNormDivisions
from rtl.units.division import affine_spec, madnorm_spec

# name -> (variant, cycles of a division, cycles from one to the next)
DIVIDERS = {
    "pipelined": (PipelinedDivider, 13, 1),
    "reciprocal": (ReciprocalDivider, 6, 1),
    "iterative-1": (IterativeDivider, 12, 12),
    "iterative-4": (functools.partial(IterativeDivider, step=4), 6, 6),
}


def rows_of(length, count, seed=0, bits=8):
    """Extremes, constants, one that differs, alternations and noise of all sizes, shuffled."""
    rng, top = np.random.default_rng(seed), (1 << bits) - 1
    rows = [np.full(length, v) for v in (0, top, 1, top // 2, 130)]
    rows += [np.arange(length) % 2 * top, np.where(np.arange(length) < length // 2, 0, top)]
    rows += [np.eye(1, length, k % length, dtype=int)[0] * top for k in (0, 1, length - 1)]
    while len(rows) < count:
        centre, size = rng.integers(0, top + 1), rng.integers(1, top + 1)
        rows.append(np.clip(centre + rng.integers(-size, size + 1, length), 0, top))
    return rng.permutation(np.array(rows))


def as_words(x, width=1):
    return x.reshape(-1, 1).astype(np.int64).view(np.uint8)[:, :width].copy()


# 27 codes and the five behind them fill their ring; 28 need a larger one.
LENGTHS = {"pipelined": (1, 2, 27, 28), "reciprocal": (28,), "iterative-4": (1, 27, 28)}


@pytest.mark.parametrize(
    ("divider", "length"), [(name, n) for name, lengths in LENGTHS.items() for n in lengths]
)
def test_every_code_under_every_pattern(divider, length):
    component = MadNorm(spec=madnorm_spec(length), divider=DIVIDERS[divider][0])
    unit, x = load(component), rows_of(length, max(16, 400 // length))
    wanted = madnorm(madnorm_spec(length), x).y
    for run in every_pattern(unit, as_words(x), x.size).values():
        assert (numbers(run, component) == wanted.ravel()).all()


@pytest.mark.parametrize("divider", ["pipelined", "iterative-4"])
def test_many_rows_of_200(divider):
    component = MadNorm(spec=madnorm_spec(200), divider=DIVIDERS[divider][0])
    unit, x = load(component), rows_of(200, 300)
    trace = madnorm(madnorm_spec(200), x)
    assert len(np.unique(trace.y)) > 200
    assert trace.d.min() == 0
    run = full_rate(unit, as_words(x), x.size)
    assert (numbers(run, component) == trace.y.ravel()).all()


@pytest.mark.parametrize(("divider", "length"), [("pipelined", 2), *((d, 28) for d in DIVIDERS)])
def test_cycles_of_a_row(divider, length):
    """n cycles in; the first code 20 + n + a division later; then one each SPACING."""
    variant, cycles, interval = DIVIDERS[divider]
    component = MadNorm(spec=madnorm_spec(length), divider=variant)
    unit, row = load(component), rows_of(length, 12)[:1]
    run = full_rate(unit, as_words(row), length)
    assert run.report["last_accepted"] == length - 1
    first = length + 19 + cycles + 1
    assert run.taken_at[0] == length - 1 + first
    assert set(np.diff(run.taken_at).tolist()) == {interval}
    assert first + (length - 1) * interval == component.LATENCY
    assert run.taken_at[-1] - run.report["last_accepted"] == component.LATENCY


@pytest.mark.parametrize("divider", DIVIDERS)
def test_rows_follow_one_another_without_a_gap(divider):
    variant, _, interval = DIVIDERS[divider]
    component = MadNorm(spec=madnorm_spec(28), divider=variant)
    assert interval == component.SPACING
    x = rows_of(28, 40)
    run = full_rate(load(component), as_words(x), x.size)
    assert set(np.diff(run.taken_at).tolist()) == {interval}


def test_numerators_and_deviations():
    spec, x = madnorm_spec(28), rows_of(28, 40)
    component = MadNormDivisions(spec=spec)
    assert component.LATENCY == 2 * 28 + 18
    words = numbers(full_rate(load(component), as_words(x), x.size), component)
    trace, layout = madnorm(spec, x), component.o.payload.shape()
    n, d = (words >> layout[name].offset for name in ("n", "d"))
    numerators = (trace.x_hat - spec.centre.out_zero_point) * spec.quotient.mantissa
    assert (n & 0x1FFFFFF == numerators.ravel() & 0x1FFFFFF).all()
    assert (d.reshape(-1, 28) == trace.d).all()


@pytest.mark.parametrize("divider", ["pipelined", "iterative-4"])
def test_the_reference_rows(divider):
    cases = [c for c in reference("madnorm") if len(c["x"]) < 100][:6]
    assert cases
    for case in cases:
        (m, s, z_mu, mu_bits), (d_m, d_s, d_bits) = case["mu"], case["d"]
        m_x, m_mu, shift, z_xh, xh_bits = case["x_hat"]
        y_m, y_s, z_y, y_bits = case["y"]
        spec = MadNormSpec(
            len(case["x"]),
            FixedPoint(m, s),
            subtract_spec((case["x_zero_point"], z_mu), (m_x, m_mu), shift, z_xh, xh_bits),
            FixedPoint(d_m, d_s),
            FixedPoint(y_m, y_s),
            z_y,
            8 if max(case["x"]) < 256 else 16,
            mu_bits,
            d_bits,
            y_bits,
        )
        component = MadNorm(spec=spec, divider=DIVIDERS[divider][0])
        traffic = ["full rate"] if component.SPACING == 1 else []
        words, codes = case["x"], case["result"]["y"]
        assert complaints(component, words, codes, [*traffic, "gaps and back-pressure"]) == ""


@pytest.mark.parametrize("divider", ["reciprocal", "iterative-4"])
def test_gamma_and_beta_over_two_rows(divider):
    """Each of two gates normalized apart, gamma and beta over both."""
    spec, scale = madnorm_spec(28), affine_spec(56)
    component = MadNorm(spec=spec, divider=DIVIDERS[divider][0], affine=scale)
    x = rows_of(28, 40).reshape(20, 56)
    wanted = affine(scale, madnorm(spec, x).y).ravel()
    for run in every_pattern(load(component), as_words(x), x.size).values():
        assert (numbers(run, component) == wanted).all()
    plain = MadNorm(spec=spec, divider=DIVIDERS[divider][0])
    assert load(plain).input_bytes == 1
    assert plain.LATENCY + 7 == component.LATENCY


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: MadNorm(spec=madnorm_spec(28), affine=affine_spec(30)),
            "madnorm: 30 of gamma for rows of 28",
        ),
        (
            lambda: MadNorm(
                spec=replace(madnorm_spec(28), deviation_bits=16), divider=ReciprocalDivider
            ),
            "reciprocal: divisors of 16 bits; the table is of at most 8",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        build()
    gc.collect()  # what was refused goes here, where its not being used is no fault
