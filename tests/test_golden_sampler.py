from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.errors import InputError
from golden.executor import Executor
from golden.fixed import FixedPoint
from golden.sampler import EXP2, SCALE_BITS, WEIGHT_BITS, Sampler, converse
from golden.zoo import lstm

MODEL = lstm(3, 6, 4, 4)
LOG2_E = np.log2(np.e)


def scale_of(value: float, bits: int = 16) -> FixedPoint:
    shift = bits - 1 - int(np.floor(np.log2(value)))
    return FixedPoint(round(value * 2**shift), shift)


def test_the_table_of_powers_is_exact():
    getcontext().prec = 60
    for i, entry in enumerate(EXP2.tolist()):
        power = Decimal(2) ** (Decimal(WEIGHT_BITS) - Decimal(i) / 256)
        assert entry == int(power.to_integral_value())
        assert abs(entry - power) < Decimal("0.5")


def test_weights_follow_the_exponential():
    """Each within a unit of 2^15 exp(x - max), and the resolution of 2^(1/256)."""
    logits = np.arange(-4004, 1, 7)
    scale = scale_of(LOG2_E / 500)
    expected = 2.0**WEIGHT_BITS * np.exp(logits / 500)
    weights = Sampler(scale).weights(logits)
    assert np.all(np.abs(weights - expected) <= 1 + expected * 2 ** (1 / 512) - expected)
    assert weights[-1] == 1 << WEIGHT_BITS


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_draws_are_distributed_as_softmax(temperature):
    logits, unit = np.array([300, 0, -200, 700, 650]), 0.004
    sampler = Sampler(scale_of(LOG2_E * unit / temperature), seed=5)
    count = 20000
    drawn = np.bincount([sampler.draw(logits) for _ in range(count)], minlength=5)
    p = np.exp(logits * unit / temperature)
    p /= p.sum()
    chi_squared = float(np.sum((drawn - count * p) ** 2 / (count * p)))
    assert chi_squared < 18.5  # four degrees of freedom: exceeded once in a thousand


def test_the_same_seed_draws_the_same_and_another_does_not():
    def draws(seed):
        sampler = Sampler(FixedPoint(1, 3), seed)
        return [sampler.draw([0, 1, 2, 3, 4, 5, 6, 7]) for _ in range(50)]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_no_seed_sticks_the_generator():
    """The seed that would make the state 0, the one fixed point of xorshift."""
    seed = -pow(0x9E3779B97F4A7C15, -1, 1 << 64) % (1 << 64)
    sampler = Sampler(FixedPoint(1, 3), seed)
    assert len({sampler.draw([0] * 64) for _ in range(20)}) > 5


@given(st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=1, max_size=9),
       st.integers(1, (1 << SCALE_BITS) - 1), st.integers(0, 62))  # fmt: skip
def test_any_logits_and_any_scale(logits, mantissa, shift):
    sampler = Sampler(FixedPoint(mantissa, shift))
    weights = sampler.weights(logits)
    assert weights[np.argmax(logits)] == 1 << WEIGHT_BITS
    order = np.argsort(logits)
    assert np.all(np.diff(weights[order]) >= 0)
    exponents = [(max(logits) - x) * mantissa / 2.0**shift for x in logits]
    for weight, exponent in zip(weights.tolist(), exponents, strict=True):
        assert abs(weight - 2.0 ** (WEIGHT_BITS - min(exponent, 100))) <= 1 + weight / 300
    assert 0 <= sampler.draw(logits) < len(logits)


def test_a_cold_sampler_takes_the_largest():
    sampler = Sampler(FixedPoint(1, 0))
    assert {sampler.draw([0, 100, 50]) for _ in range(30)} == {1}


def test_a_scale_too_wide_is_refused():
    with pytest.raises(InputError, match=r"^scale: mantissa 1073741824 exceeds 30 bits$"):
        Sampler(FixedPoint(1 << 30, 0))


def test_floats_are_refused():
    with pytest.raises(TypeError, match=r"^logits: expected integers"):
        Sampler(FixedPoint(1, 0)).weights([0.5])


def test_a_conversation_feeds_on_itself():
    scale = FixedPoint(1 << 15, 26)
    talk = converse(MODEL, [1, 4], 10, Sampler(scale, 3))
    assert len(talk.symbols) == 12
    assert talk.symbols[:2] == [1, 4]
    logits = Executor(MODEL).run([talk.symbols])["logits"][0]
    assert np.array_equal(talk.traces["logits"], logits)
    sampler = Sampler(scale, 3)
    assert talk.symbols[2:] == [sampler.draw(row) for row in logits[1:-1]]
    assert talk.traces["h.next"].shape == (12, 4)


def test_a_conversation_without_writing_reads():
    talk = converse(MODEL, [1, 4, 0], 0, Sampler(FixedPoint(1, 0)))
    assert talk.symbols == [1, 4, 0]
    assert len(talk.traces["logits"]) == 3


def test_a_bad_passage_is_refused():
    sampler = Sampler(FixedPoint(1, 0))
    with pytest.raises(InputError, match=r"^passage: empty; give at least one symbol"):
        converse(MODEL, [], 3, sampler)
    with pytest.raises(InputError, match=r"^passage: symbol 6: index outside 0\.\.5$"):
        converse(MODEL, [1, 6], 3, sampler)
