"""irnn_hw.evaluate: streams, golden runs, bits per character, exact comparison."""

import math

import numpy as np
import pytest

from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.operations import Embedding, MatVec, Tensor
from golden.sampler import Sampler
from irnn_hw.data.corpus import Corpus
from irnn_hw.evaluate import (
    bits_per_character,
    count_differences,
    run_golden,
    sampler_scale,
)
from irnn_hw.held_out import held_out_streams

CORPUS = Corpus("letters", "abc" * 10, "abcabcabcab", "abc\N{REPLACEMENT CHARACTER}")


@pytest.fixture
def bigram():
    """Predicts the next of three symbols from this one: logits are 100 times a permutation."""
    table = np.eye(4, dtype=np.uint8)
    weights = (100 * np.roll(np.eye(4, dtype=np.int8), 1, axis=0)).astype(np.int8)
    return IntModel.single(
        {"x": Tensor("x", 4), "y": Tensor("y", 4, 32)},
        (),
        (
            Embedding("x", table),
            MatVec("y", ("x",), weights, np.zeros(4, np.int32), None),
        ),
        "y",
        FixedPoint(1 << 15, 20),
    )


def test_streams_cover_the_text_in_order():
    inputs, targets = held_out_streams(CORPUS, 2)
    assert inputs.tolist() == [[0, 1, 2, 0, 1], [2, 0, 1, 2, 0]]
    assert targets.tolist() == [[1, 2, 0, 1, 2], [0, 1, 2, 0, 1]]


def test_a_text_shorter_than_its_streams_is_refused():
    with pytest.raises(InputError, match="held-out text: 11 characters for 11 streams"):
        held_out_streams(CORPUS, 11)


def test_the_golden_run_and_its_bits(bigram):
    inputs, targets = held_out_streams(CORPUS, 2)
    seen = []
    run = run_golden(bigram, inputs, lambda done, steps: seen.append((done, steps)))
    assert seen == [(5, 5)]
    assert run.logits.shape == (2, 5, 4)
    right = targets == (inputs + 1) % 4
    logit = 100 * 2.0**-5
    total = math.exp(logit) + 3
    expected = -np.where(right, logit - math.log(total), -math.log(total)).mean() / math.log(2)
    assert bits_per_character(run.logits, targets, bigram.output_scale) == pytest.approx(expected)


def test_uniform_logits_cost_the_entropy():
    targets = np.zeros((3, 7), np.int64)
    assert bits_per_character(np.full((3, 7, 32), 5.5), targets) == pytest.approx(5)
    assert bits_per_character(np.full((3, 7, 32), 1 << 30), targets, FixedPoint(1, 0)) == 5
    with pytest.raises(InputError, match="targets: shape"):
        bits_per_character(np.zeros((3, 6, 32)), targets)


def test_differences_are_counted_exactly():
    a = np.arange(12).reshape(3, 4)
    b = a.copy()
    assert count_differences(a, b) == (12, 0)
    b[1, 2] += 1
    assert count_differences(a, b) == (12, 1)
    with pytest.raises(InputError, match="cannot be compared"):
        count_differences(a, b[:2])
    with pytest.raises(InputError, match="integers are compared"):
        count_differences(a, b.astype(float))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_sampler_draws_from_the_softmax(temperature):
    unit = FixedPoint(12345678, 36)
    logits = np.array([10_000, 0, 5_000, -20_000, 9_999])
    weights = Sampler(sampler_scale(unit, temperature)).weights(logits).astype(float)
    real = logits * unit.mantissa * 2.0**-unit.shift / temperature
    softmax = np.exp(real - real.max())
    assert np.allclose(weights / weights.max(), softmax, atol=0.004)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_a_bad_temperature_is_refused(temperature):
    with pytest.raises(InputError, match="temperature"):
        sampler_scale(FixedPoint(12345678, 36), temperature)
