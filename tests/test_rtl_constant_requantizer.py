import numpy as np
import pytest
from native_runs import every_pattern, full_rate, load, numbers

from golden import stimulus
from golden.fixed import FixedPoint, requantize
from rtl.constant_requantizer import ConstantRequantizer


def as_words(acc, width):
    return acc.reshape(-1, 1).astype(np.int64).view(np.uint8)[:, :width].copy()


@pytest.mark.parametrize(
    ("multiplier", "zero_point", "bits"),
    [
        (FixedPoint(40000, 23), 130, 8),
        (FixedPoint(65535, 0), 0, 8),
        (FixedPoint(32768, 62), 255, 8),
        (FixedPoint((1 << 24) - 1, 24), 30000, 16),
    ],
)
def test_every_accumulator_of_16_bits(multiplier, zero_point, bits):
    component = ConstantRequantizer(
        acc_width=17, multiplier=multiplier, zero_point=zero_point, bits=bits
    )
    unit, acc = load(component), np.arange(-(1 << 16) + 1, 1 << 16)
    run = full_rate(unit, as_words(acc, unit.input_bytes), len(acc))
    assert (numbers(run, component) == requantize(acc, multiplier, zero_point, bits)).all()
    assert run.taken_at.tolist() == list(range(5, 5 + len(acc)))
    assert component.LATENCY == 5


def test_wide_accumulators_under_every_pattern():
    multiplier, rng, count = FixedPoint(43692, 31), np.random.default_rng(0), 3000
    component = ConstantRequantizer(acc_width=32, multiplier=multiplier, zero_point=99, bits=8)
    unit = load(component)
    acc = stimulus.mixed(rng, 1 - (1 << 31), (1 << 31) - 1, count)
    mantissas, shifts = np.full(count, multiplier.mantissa), np.full(count, multiplier.shift)
    acc[::2] = stimulus.ties(rng, mantissas, shifts, 32)[::2]
    wanted = requantize(acc, multiplier, 99, 8)
    assert len(np.unique(wanted)) > 100
    for run in every_pattern(unit, as_words(acc, unit.input_bytes), count).values():
        assert (numbers(run, component) == wanted).all()
