import math

import numpy as np
import pytest

from golden.errors import InputError
from golden.weights import EXPONENTIAL, POWER_OF_TWO, TERNARY, WeightFormat
from irnn_hw.quant.weight_formats import nearest_weights, stochastic_weights, weight_scale

THREE = [TERNARY, POWER_OF_TWO, EXPONENTIAL]


def gaussian(seed=0, sigma=0.07, shape=(200, 300)):
    return np.random.default_rng(seed).normal(0, sigma, shape)


def printed(form, w):
    """Ott et al. on one weight in units of the scale, its exponent kept within the format."""
    if form.zero and abs(w) <= 0.5:
        return 0
    exponent = math.floor(math.log2(abs(w)) + 0.5) if w else 0
    return int(math.copysign(1, w)) * 2 ** min(max(exponent, 0), form.exponents - 1)


@pytest.mark.parametrize("form", THREE, ids=str)
def test_nearest_weights_as_printed(form):
    w = np.concatenate([np.arange(-200, 201) / 8, 2.0 ** np.arange(-3, 9), gaussian(1, 20, 500)])
    values = nearest_weights(form, w * 0.3, 0.3)
    assert values.dtype == np.int8
    assert values.tolist() == [printed(form, v * 0.3 / 0.3) for v in w.tolist()]
    assert set(values.tolist()) <= set(form.grid.tolist())


@pytest.mark.parametrize("form", THREE, ids=str)
@pytest.mark.parametrize("sigma", [1e-4, 0.05, 3.0])
def test_the_threshold_follows_the_mean_magnitude(form, sigma):
    """The same values at every size of the weights: a fixed threshold of 0.5 loses small ones."""
    w = gaussian()
    values = nearest_weights(form, w, weight_scale(form, w))
    scaled = w * (sigma / 0.07)
    assert weight_scale(form, scaled) == pytest.approx(weight_scale(form, w) * sigma / 0.07)
    assert np.mean(values != nearest_weights(form, scaled, weight_scale(form, scaled))) < 1e-4
    zeros = float(np.mean(values == 0))
    expected = {TERNARY: 0.42, POWER_OF_TWO: 0.03, EXPONENTIAL: 0.0}[form]
    assert zeros == pytest.approx(expected, abs=0.01)


def test_the_ternary_scale_is_nearly_the_best_one():
    w = gaussian()
    own = weight_scale(TERNARY, w)

    def error(scale):
        return float(np.square(w - scale * nearest_weights(TERNARY, w, scale)).mean())

    assert error(own) < 1.02 * min(error(own * k) for k in np.arange(0.5, 2, 0.01))


def test_more_exponents_lose_less():
    """Signal to noise of Gaussian weights, in dB, from the best of three levels to that of octaves.

    Three levels at most: 7.21 (Lloyd, Max); 0.7 of the mean, which suits uniform weights as
    well, gives 7.11. Octaves, for u uniform in [-1/2, 1/2]:
    E[(2^u - 1)^2] / E[4^u], 14.13.
    """
    w = gaussian()
    snr = []
    for exponents in (1, 3, 5, 7):
        form = WeightFormat(exponents, zero=True)
        scale = weight_scale(form, w)
        noise = np.square(w - scale * nearest_weights(form, w, scale)).mean()
        snr.append(10 * math.log10(np.square(w).mean() / noise))
    assert snr == sorted(snr)
    assert snr[0] == pytest.approx(7.11, abs=0.05)
    assert snr[-1] == pytest.approx(14.13, abs=0.5)


@pytest.mark.parametrize("form", THREE, ids=str)
def test_stochastic_weights_have_the_weight_as_their_mean(form):
    w = np.concatenate([[-1.0, 0.0, 1.0], gaussian(2, 0.6, 20).clip(-1, 1)])
    rng = np.random.default_rng(3)
    draws = np.stack([stochastic_weights(form, w, 1.0, rng) for _ in range(5_000)])
    assert draws.dtype == np.int8
    assert np.abs(draws.mean(axis=0) - w).max() < 4 / math.sqrt(5_000)  # 4 sigma of a sign
    neighbours = [form.grid[np.abs(form.grid - v) < (1 if form.zero else 2)] for v in w]
    for column, allowed in zip(draws.T, neighbours, strict=True):
        assert set(column.tolist()) <= set(allowed.tolist())


def test_ternary_draws_are_bernoulli_of_the_magnitude():
    w = np.full(100_000, -0.3)
    drawn = stochastic_weights(TERNARY, w, 1.0, np.random.default_rng(4))
    assert set(drawn.tolist()) == {-1, 0}
    assert float(np.mean(drawn == -1)) == pytest.approx(0.3, abs=0.006)


@pytest.mark.parametrize("form", THREE, ids=str)
def test_draws_are_seeded_clipped_and_exact_on_the_grid(form):
    w = gaussian(5, 30, (7, 11))
    first, second = (stochastic_weights(form, w, 0.5, np.random.default_rng(6)) for _ in range(2))
    assert np.array_equal(first, second)
    beyond = stochastic_weights(form, [1e9, -1e9], 0.5, np.random.default_rng(7))
    assert beyond.tolist() == [form.grid[-1], form.grid[0]]
    on_grid = stochastic_weights(form, form.grid * 0.5, 0.5, np.random.default_rng(8))
    assert np.array_equal(on_grid, form.grid)
    assert np.array_equal(nearest_weights(form, form.grid * 0.5, 0.5), form.grid)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.0, 0.0], "weights: all are zero; train them first"),
        ([], "weights: all are zero; train them first"),
        ([1.0, math.nan], "weights: one is not finite; train at a lower learning rate"),
        ([1.0, math.inf], "weights: one is not finite; train at a lower learning rate"),
    ],
)
def test_weights_without_a_scale_are_refused(weights, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        weight_scale(TERNARY, weights)
