"""irnn_hw.quant.pwl_optimal: the smallest worst error, against exhaustive search."""

import itertools

import numpy as np
import pytest

from golden.activation import PwlSpec, pwl, tabulate
from golden.errors import InputError
from golden.fixed import round_shift, saturate
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, fit, ideal_table
from irnn_hw.quant.pwl_methods import fewest_pieces, fit_by, pwl_error
from irnn_hw.quant.pwl_optimal import Problem, fit_optimal

RANGES = {
    "sigmoid": ((-8, 8), (0, 1)),
    "tanh": ((-4, 4), (-1, 1)),
    "exp": ((-10, 0), (0, 1)),
    "gelu": ((-6, 6), (-0.2, 6)),
    "relu": ((-2, 6), (0, 6)),
    "cos": ((-3.2, 3.2), (-1, 1)),
}


def parameters(name, in_bits=8, out_bits=8):
    x, y = RANGES[name]
    return (
        FUNCTIONS[name],
        QuantParams.from_range(*x, in_bits),
        QuantParams.from_range(*y, out_bits),
    )


def errors(spec, name, in_bits=8):
    """LSB off at every code, by golden's own evaluation."""
    f, x, y = parameters(name, in_bits, spec.out_bits)
    return np.abs(pwl(spec, np.arange(1 << in_bits)) - np.array(ideal_table(f, x, y).table))


@pytest.mark.parametrize(
    ("name", "worst"),
    [("sigmoid", (4, 1, 1, 0)), ("tanh", (4, 1, 1, 0)), ("exp", (3, 1, 0, 0))],
)
def test_worst_errors_at_4_8_16_and_32_pieces(name, worst):
    for pieces, bound in zip((4, 8, 16, 32), worst, strict=True):
        spec = fit_optimal(*parameters(name), pieces)
        assert spec.pieces <= pieces
        assert errors(spec, name).max() == bound


@pytest.mark.parametrize(("name", "pieces"), [("sigmoid", 17), ("tanh", 19), ("exp", 16)])
def test_the_table_exactly_in_so_many_pieces_and_no_fewer(name, pieces):
    f, x, y = parameters(name)
    spec = fit_optimal(f, x, y, max_lsb=0)
    assert spec.pieces == pieces
    assert tabulate(spec) == ideal_table(f, x, y)
    with pytest.raises(InputError, match=f"pieces: {pieces - 1} do not reach 0 LSB"):
        fit_optimal(f, x, y, pieces - 1, max_lsb=0)


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("pieces", [1, 3, 5, 12])
def test_never_worse_than_greedy_and_the_widths_hold(name, pieces):
    f, x, y = parameters(name)
    spec = fit_optimal(f, x, y, pieces)
    assert errors(spec, name).max() <= errors(fit(f, x, y, pieces), name).max()
    assert all(-(1 << 17) <= a < 1 << 17 for a in spec.slopes)
    assert all(-(1 << 25) <= b < 1 << 25 for b in spec.intercepts)


def exhaustive(problem, pieces):
    """Smallest worst error: every shift, slope, intercept, and every set of knots."""
    codes = len(problem.targets)
    limit = 1 << (problem.intercept_bits - 1)
    slope_limit = 1 << (problem.slope_bits - 1)
    d = np.arange(codes)
    a, b = np.meshgrid(np.arange(-slope_limit, slope_limit), np.arange(-limit, limit))
    values = a.reshape(-1, 1) * d + b.reshape(-1, 1)
    fits = (values >= -limit) & (values < limit)
    best = 1 << problem.out_bits
    for shift in range(problem.intercept_bits + 2):
        results = saturate(round_shift(values, shift) + problem.zero_point, problem.out_bits)
        worst = {}
        for first, end in itertools.combinations(range(codes + 1), 2):
            part = slice(0, end - first)
            off = np.abs(results[:, part] - problem.targets[first:end])
            off = np.where(problem.weights[first:end] == 0, 0, off).max(axis=1)
            usable = fits[:, part].all(axis=1)
            worst[first, end] = int(off[usable].min())
        for inner in itertools.combinations(range(1, codes), pieces - 1):
            knots = (0, *inner, codes)
            best = min(best, max(worst[pair] for pair in itertools.pairwise(knots)))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_equals_exhaustive_search(seed):
    random = np.random.default_rng(seed)
    targets = np.cumsum(random.integers(-4, 7, 7)) + 5
    weights = random.integers(0, 4, 7).clip(max=1).astype(float)
    zero_point, pieces = int(random.integers(0, 8)), int(random.integers(1, 4))
    problem = Problem(np.clip(targets, 0, 15), weights, zero_point, 4, 4, 6)
    best = exhaustive(problem, pieces)
    assert problem.shift(best, pieces) is not None
    assert best == 0 or problem.shift(best - 1, pieces) is None
    assert best == 0 or problem.relaxed(best).knots(pieces) is not None


def test_bounds_of_a_tie_on_either_side_of_zero():
    problem = Problem(np.arange(6), np.ones(6), 3, 8, 8, 12)
    corridor = problem.corridor(1, 3)
    inside = np.arange(-100, 101)
    for code, target in enumerate(problem.targets):
        allowed = np.abs(saturate(round_shift(inside, 3) + 3, 8) - target) <= 1
        within = (inside >= corridor.low[code]) & (inside <= corridor.high[code])
        assert (allowed == within).all()


def test_sixteen_bit_inputs():
    spec = fit_optimal(*parameters("sigmoid", 16), 9)
    assert errors(spec, "sigmoid", 16).max() == 1
    exact = fit_optimal(*parameters("exp", 16), max_lsb=0)
    assert errors(exact, "exp", 16).max() == 0


def test_spare_pieces_lower_the_mean_error():
    f, x, y = parameters("sigmoid")
    means = [pwl_error(fit_optimal(f, x, y, n), f, x, y).mean for n in (7, 8, 12, 16)]
    assert means == sorted(means, reverse=True)
    assert means[-1] < means[0] / 4


def test_a_histogram_moves_the_error_to_where_nothing_is_read():
    codes = np.arange(256)
    histogram = np.exp(-(((codes - 128) / 20) ** 2)) + 1e-3
    plain = fit_optimal(*parameters("sigmoid"), 6)
    weighted = fit_optimal(*parameters("sigmoid"), 6, weights=histogram)
    assert errors(weighted, "sigmoid").max() == errors(plain, "sigmoid").max()
    before, after = (float(errors(s, "sigmoid") @ histogram) for s in (plain, weighted))
    assert after < before
    seen = (codes >= 96) & (codes < 160)
    partial = fit_optimal(*parameters("sigmoid"), 4, weights=seen.astype(float))
    assert errors(partial, "sigmoid")[seen].max() < errors(plain, "sigmoid").max()


def test_methods_by_name():
    f, x, y = parameters("tanh")
    assert fit_by("greedy", f, x, y, 8) == fit(f, x, y, 8)
    assert fit_by("optimal", f, x, y, 8) == fit_optimal(f, x, y, 8)
    assert isinstance(fit_by("optimal", f, x, y, 8, 16, 24), PwlSpec)
    with pytest.raises(InputError, match="method: 'best' is unknown"):
        fit_by("best", f, x, y, 8)


@pytest.mark.parametrize("method", ["greedy", "optimal"])
@pytest.mark.parametrize("bound", [0, 1, 3])
def test_fewest_pieces(method, bound):
    f, x, y = parameters("exp")
    spec = fewest_pieces(method, f, x, y, bound)
    assert pwl_error(spec, f, x, y).worst <= bound
    fewer = fit_by(method, f, x, y, spec.pieces - 1)
    assert pwl_error(fewer, f, x, y).worst > bound


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "pieces: neither"),
        ({"pieces": 0}, "pieces: 0 is not in 1..255"),
        ({"pieces": 256}, "pieces: 256 is not in 1..255"),
        ({"max_lsb": -1}, "max_lsb: -1 is not in 0..255"),
        ({"pieces": 4, "weights": np.ones(4)}, "weights: not 256 numbers"),
        ({"pieces": 4, "weights": -np.ones(256)}, "weights: not 256 numbers"),
        ({"pieces": 4, "intercept_bits": 8}, "intercepts take 9 to 31 bits"),
        ({"pieces": 4, "slope_bits": 40}, "both of them and the input at most 62"),
    ],
)
def test_bad_input_is_refused(arguments, says):
    with pytest.raises(InputError, match=says):
        fit_optimal(*parameters("tanh"), **arguments)
