"""Attention: padding, clamp counts, refusals; its numbers are checked in test_reference_*.py."""

from dataclasses import replace

import numpy as np
import pytest

from golden.attention import (
    AttentionClamps,
    AttentionSpec,
    ContextSpec,
    attend,
    context,
    remember,
    shifted_scores,
)
from golden.elementwise import AddSpec
from golden.fixed import FixedPoint
from golden.linear import ACCUMULATOR_MAX, MatVecSpec
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, fit

TANH = fit(np.tanh, QuantParams.from_range(-4, 4, 16), QuantParams.from_range(-1, 1), 8)
EXP_INPUT = QuantParams(10 / 65535, 65535, 16)
EXP = fit(FUNCTIONS["exp"], EXP_INPUT, QuantParams(1 / 255, 0), 16)
TANH_8 = fit(np.tanh, QuantParams.from_range(-4, 4), QuantParams.from_range(-1, 1), 8)
EXP_8 = fit(FUNCTIONS["exp"], QuantParams(10 / 255, 255), QuantParams(1 / 255, 0), 16)


def matrix(rng, rows, columns, z_x, z_out, shift, out_bits=8):
    return MatVecSpec(
        rng.integers(-127, 128, (rows, columns)).astype(np.int8),
        rng.integers(-3000, 3000, rows).astype(np.int32),
        z_x,
        FixedPoint(int(rng.integers(1 << 15, 1 << 16)), shift),
        z_out,
        out_bits=out_bits,
    )


def attention(seed=0, width=5, exp=EXP):
    rng = np.random.default_rng(seed)
    z_enc, z_q, z_k, z_s = rng.integers(0, 256, 4).tolist()
    mantissas = tuple(rng.integers(1 << 14, 1 << 16, 2).tolist())
    return AttentionSpec(
        AddSpec((z_q, z_k), mantissas, 9, 32768, 16),
        TANH,
        matrix(rng, 1, width, TANH.out_zero_point, 32768, 16, out_bits=16),
        exp,
        ContextSpec(z_enc, FixedPoint(int(rng.integers(1 << 15, 1 << 16)), 15), z_s),
    )


def attention_of_8_bits(seed=0):
    """Of sum and scores."""
    spec, rng = attention(seed), np.random.default_rng(seed)
    total, score = (replace(s, out_bits=8, out_zero_point=int(rng.integers(256)))
                    for s in (spec.total, spec.score))  # fmt: skip
    m = FixedPoint(spec.score.multiplier.mantissa, spec.score.multiplier.shift + 8)
    score = replace(score, multiplier=m, x_zero_point=TANH_8.out_zero_point)
    return replace(spec, total=replace(total, shift=17), tanh=TANH_8, score=score, exp=EXP_8)


@pytest.mark.parametrize(
    ("z_h", "extreme", "distance"), [(0, 255, 255), (255, 0, 255), (128, 0, 128), (100, 255, 155)]
)
def test_the_longest_sequence_of_extremes_stays_in_32_bits(z_h, extreme, distance):
    z_s = 0 if extreme else 255
    spec = ContextSpec(z_h, FixedPoint((1 << 31) - 1, 31), z_s)
    steps = spec.max_steps
    assert steps * 255 * distance <= ACCUMULATOR_MAX < (steps + 1) * 255 * distance
    e, h = np.full(steps + 1, 255), np.full((steps + 1, 1), extreme)
    assert context(spec, e[1:], h[1:], [steps]).tolist() == [[abs(distance - z_s)]]
    with pytest.raises(ValueError, match=rf"^lengths: one is not in 1\.\.{steps}$"):
        context(spec, e, h, [steps + 1])


def test_shifted_scores():
    scores = [5, 9, 9, 0, 65535, 65535, 0, 40000]
    shifted = shifted_scores(scores, [3, 3, 1, 1])
    assert shifted.tolist() == [65531, 65535, 65535, 0, 65535, 65535, 65535, 65535]
    assert shifted_scores([5, 9, 255, 0], [2, 2], 8).tolist() == [251, 255, 255, 0]


def test_padding_changes_nothing_nor_is_counted():
    spec = attention(3)
    rng = np.random.default_rng(9)
    encoder, keys = rng.integers(0, 256, (3, 7, 3)), rng.integers(0, 256, (3, 7, 5))
    query, lengths = rng.integers(0, 256, (3, 5)), np.array([2, 7, 5])
    results = []
    for filler in (0, 255):
        kept = np.arange(7)[:, np.newaxis] < lengths[:, None, None]
        memory = remember(*(np.where(kept, codes, filler) for codes in (keys, encoder)), lengths)
        clamps = AttentionClamps()
        trace = attend(spec, query, memory, clamps)
        results.append((trace.context.tolist(), clamps))
        assert len(np.unique(trace.exp)) > 1
        assert (clamps.total.seen, clamps.tanh.seen) == (14 * 5, 14 * 5)
        assert (clamps.score.seen, clamps.exp.seen, clamps.context.seen) == (14, 14, 9)
    assert results[0] == results[1]
    for i, length in enumerate(lengths):
        part = slice(i, i + 1), slice(length)
        alone = remember(keys[part], encoder[part], [length])
        assert attend(spec, query[i : i + 1], alone).context.tolist() == [results[0][0][i]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tanh": EXP}, "tanh and score"),
        ({"exp": replace(EXP, in_bits=8, knots=(0,), slopes=(0,), intercepts=(0,))}, "widths"),
        ({"exp": replace(EXP, out_zero_point=1)}, "exp and context"),
        ({"total": AddSpec((0, 0), (1, 1), 0, 0, 8)}, "widths"),
        ({"total": AddSpec((0,), (1,), 0, 0, 16)}, "total: the sum of query and key"),
        ({"score": matrix(np.random.default_rng(0), 2, 5, 128, 0, 20, 16)}, "score: one row"),
        ({"score": replace(attention().score, multiplier=None)}, "score: one row"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(change, message):
    with pytest.raises(ValueError, match=f"^attention: {message}"):
        replace(attention(), **change)


def _attend(sequences=2, lengths=(1, 2), queries=2, keys=2):
    memory = remember(np.zeros((sequences, keys, 5), int), np.zeros((sequences, 2, 3), int),
                      lengths)  # fmt: skip
    return attend(attention(), np.zeros((queries, 5), int), memory)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ContextSpec(256, FixedPoint(1, 0), 0), "context input: zero point 256"),
        (lambda: ContextSpec(0, FixedPoint(1, 0), 256), "context output: zero point 256"),
        (lambda: ContextSpec(0, FixedPoint(1, 32), 0), "context: shift 32 leaves no room"),
        (lambda: ContextSpec(0, FixedPoint(1, 0), 0, exp_bits=9), "context weight: 9 bits"),
        (lambda: _attend(lengths=(1, 0)), r"lengths: one is not in 1\.\.2"),
        (lambda: _attend(lengths=(1, 3)), r"lengths: one is not in 1\.\.2"),
        (lambda: _attend(lengths=(1,)), r"lengths: \(1,\) for keys of \(2, 2, 5\) and an"),
        (lambda: _attend(keys=1), r"lengths: \(2,\) for keys of \(2, 1, 5\) and an"),
        (
            lambda: remember(np.zeros((1, 9, 5), int), np.zeros((1, 9, 3), int), [9], 8),
            r"lengths: one is not in 1\.\.8",
        ),
        (lambda: _attend(0, np.zeros(0, int)), r"lengths: one is not in 1\.\.2"),
        (lambda: _attend(queries=3), r"query: \(3, 5\) for 2 sequences"),
        (lambda: shifted_scores([1, 2], [1]), "lengths: 1 in all for 2 rows"),
        (lambda: shifted_scores([65536], [1]), r"scores: codes outside 0\.\.65535"),
        (lambda: shifted_scores([256], [1], 8), r"scores: codes outside 0\.\.255"),
        (lambda: context(ContextSpec(0, FixedPoint(1, 0), 0), [256], [[1]], [1]), "e: codes"),
        (lambda: context(ContextSpec(0, FixedPoint(1, 0), 0), [1], [[256]], [1]), "h: codes"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        build()


def test_floats_are_refused():
    with pytest.raises(TypeError, match="e: expected integers"):
        context(ContextSpec(0, FixedPoint(1, 0), 0), [0.5], [[1]], [1])
    with pytest.raises(TypeError, match="scores: expected integers"):
        shifted_scores([0.5], [1])
