"""Theorems 1 and 2 of the paper: MadNorm in real numbers."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

# Distribution: a sampler, its mean, and its mean absolute deviation in closed form.
DISTRIBUTIONS = {
    "normal": (lambda rng, n: rng.normal(3, 2, n), 3.0, 2 * math.sqrt(2 / math.pi)),
    "uniform": (lambda rng, n: rng.uniform(0, 1, n), 0.5, 0.25),
    "exponential": (lambda rng, n: rng.exponential(1, n), 1.0, 2 / math.e),
    "laplace": (lambda rng, n: rng.laplace(-1, 0.5, n), -1.0, 0.5),
    "coin": (lambda rng, n: rng.integers(0, 2, n).astype(float), 0.5, 0.5),
    # Integrable, but without a variance: the standard deviation of LayerNorm has no limit here.
    "student, 2 degrees": (lambda rng, n: rng.standard_t(2, n), 0.0, math.sqrt(2)),
}

samples = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=60)


def deviation(x: list[int]) -> tuple[Fraction, Fraction]:
    """Mean and mean absolute deviation of the distribution uniform on x, exactly (Eq. 25)."""
    mu = Fraction(sum(x), len(x))
    return mu, sum((abs(v - mu) for v in x), Fraction(0)) / len(x)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_scale_convergence(name):
    """Theorem 1: D_n, here with the sample's own mean as hardware takes it, goes to sigma."""
    sample, mu, sigma = DISTRIBUTIONS[name]
    rng = np.random.default_rng(1)
    errors = {}
    for n in (10, 1_000, 100_000):
        rows = sample(rng, (10_000_000 // n // 10, n) if n < 100_000 else (10, n))
        true_mean = np.abs(rows - mu).mean(axis=1)
        own_mean = np.abs(rows - rows.mean(axis=1, keepdims=True)).mean(axis=1)
        errors[n] = [float(np.median(np.abs(d - sigma))) for d in (true_mean, own_mean)]
    for small, large in ((10, 1_000), (1_000, 100_000)):
        assert all(b <= a / 3 for a, b in zip(errors[small], errors[large], strict=True))
    assert max(errors[100_000]) < 0.01 * sigma


def test_pairwise_independence_is_enough():
    """i * a + b mod p for i < p: any two are independent, and two determine all the others."""
    p = 65_537
    rng = np.random.default_rng(2)
    for a, b in zip(rng.integers(1, p, 20), rng.integers(0, p, 20), strict=True):
        x = (np.arange(p) * a + b) % p
        assert np.abs(x - (p - 1) / 2).mean() == pytest.approx((p * p - 1) / (4 * p))


@given(samples, st.fractions(Fraction(1, 100), 100))
def test_concentration(x, k):
    """Theorem 2 for every finite distribution: P(|X - mu| < k sigma) >= 1 - 1/k, exactly."""
    mu, sigma = deviation(x)
    assume(sigma > 0)
    inside = sum(abs(v - mu) < k * sigma for v in x)
    assert Fraction(inside, len(x)) >= 1 - 1 / k


@pytest.mark.parametrize("k", [2, 5, 50])
def test_the_bound_is_reached(k):
    """mu +- k sigma with probability 1/(2k) each, else mu: no smaller bound would hold."""
    x = [-k, k] + [0] * (2 * k - 2)
    mu, sigma = deviation(x)
    inside = sum(abs(v - mu) < k * sigma for v in x)
    assert (mu, sigma) == (0, 1)
    assert Fraction(inside, len(x)) == 1 - Fraction(1, k)


@given(samples, st.integers(-50, 50).filter(bool), st.integers(-1000, 1000))
def test_a_row_normalized_has_mean_0_deviation_1_and_no_unit(x, scale, offset):
    """Eq. 26: what the 8-bit range of y is chosen for; scale and offset of x do not matter."""
    mu, sigma = deviation(x)
    assume(sigma > 0)
    y = [(v - mu) / sigma for v in x]
    assert sum(y) == 0
    assert sum(map(abs, y)) == len(y)
    assert max(map(abs, y)) <= Fraction(len(y), 2)  # the positive half weighs what the other does
    moved = [scale * v + offset for v in x]
    mu_moved, sigma_moved = deviation(moved)
    sign = 1 if scale > 0 else -1
    assert [sign * (v - mu_moved) / sigma_moved for v in moved] == y


def test_a_gaussian_row_needs_gamma_times_the_square_root_of_2_over_pi():
    """What a LayerNorm gamma becomes: for Gaussian data MAD is 0.798 of the standard deviation."""
    x = np.random.default_rng(3).normal(0, 1, 1_000_000)
    ratio = np.abs(x - x.mean()).mean() / x.std()
    assert ratio == pytest.approx(math.sqrt(2 / math.pi), rel=1e-3)
