"""irnn_hw.quant.pwl: Algorithm 1 and Eq. 24."""

import json
from pathlib import Path

import numpy as np
import pytest

from golden.activation import pwl, tabulate
from golden.errors import InputError
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, fit, greedy, ideal_table, to_fixed

CASES = json.loads((Path(__file__).parent / "vectors/pwl.json").read_text())["cases"]
RANGES = {
    "sigmoid": ((-8, 8), (0, 1)),
    "tanh": ((-4, 4), (-1, 1)),
    "exp": ((-10, 0), (0, 1)),
    "gelu": ((-6, 6), (-0.2, 6)),
    "relu": ((-2, 6), (0, 6)),
    "cos": ((-3.2, 3.2), (-1, 1)),
}


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['function']}-{c['pieces']}")
def test_reference_vectors(case):
    x = QuantParams.from_range(*case["range"], case["in_bits"])
    y = QuantParams.from_range(*case["out_range"], case["out_bits"])
    pieces = greedy(FUNCTIONS[case["function"]], x, case["pieces"])
    assert list(pieces.knots) == case["knots"]
    spec = to_fixed(pieces, x, y, slope_bits=32, intercept_bits=32, shift=case["shift"])
    assert list(spec.slopes) == case["slopes"]
    assert list(spec.intercepts) == case["intercepts"]
    assert pwl(spec, np.arange(256)).tolist() == case["result"]


def _literal(f, x, pieces):
    """Algorithm 1 as printed: recompute everything after every removal."""
    codes = np.arange(x.high + 1)
    while len(codes) - 1 > pieces:
        reals = x.dequantize(codes)
        slopes = np.diff(f(reals)) / np.diff(reals)
        codes = np.delete(codes, 1 + int(np.argmin(np.abs(slopes[:-1] - slopes[1:]))))
    return codes.tolist()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("pieces", [1, 5, 16, 255])
def test_greedy_is_the_algorithm_as_printed(name, pieces):
    x = QuantParams.from_range(*RANGES[name][0])
    assert list(greedy(FUNCTIONS[name], x, pieces).knots) == _literal(FUNCTIONS[name], x, pieces)


def test_the_first_knot_goes_on_a_tie():
    x = QuantParams(1.0, 0)
    line = greedy(lambda r: r, x, 3)  # every difference is 0
    assert line.knots == (0, 253, 254, 255)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_pieces_equal_the_look_up_table(name):
    x, y = (QuantParams.from_range(*r) for r in RANGES[name])
    f = FUNCTIONS[name]
    spec = fit(f, x, y, pieces=255)
    assert spec.shift >= 12
    assert tabulate(spec) == ideal_table(f, x, y)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_shift_is_the_largest_whose_constants_fit(name):
    x, y = (QuantParams.from_range(*r) for r in RANGES[name])
    pieces = greedy(FUNCTIONS[name], x, 16)
    spec = to_fixed(pieces, x, y)
    assert all(-(1 << 17) <= a < 1 << 17 for a in spec.slopes)
    assert all(-(1 << 25) <= b < 1 << 25 for b in spec.intercepts)
    with pytest.raises(InputError, match="constants need more than 18-bit slopes"):
        to_fixed(pieces, x, y, shift=spec.shift + 1)


def test_sixteen_bit_inputs_fit_in_seconds():
    x, y = QuantParams.from_range(-8, 8, 16), QuantParams.from_range(0, 1)
    spec = fit(FUNCTIONS["sigmoid"], x, y, 96)
    assert spec.pieces == 96
    error = pwl(spec, np.arange(1 << 16)) - np.array(ideal_table(FUNCTIONS["sigmoid"], x, y).table)
    assert np.abs(error).max() <= 1


@pytest.mark.parametrize("pieces", [0, 256])
def test_an_impossible_number_of_pieces_is_refused(pieces):
    with pytest.raises(InputError, match=f"pieces: {pieces} is not in 1..255"):
        greedy(np.tanh, QuantParams.from_range(-4, 4), pieces)


def test_a_function_that_is_not_finite_is_refused():
    with np.errstate(divide="ignore"), pytest.raises(InputError, match="not finite"):
        greedy(lambda r: 1 / r, QuantParams.from_range(-4, 4), 8)


def test_extreme_inputs_raise_no_warning():
    values = FUNCTIONS["sigmoid"](np.array([-1e4, 0.0, 1e4]))
    assert values.tolist() == [0.0, 0.5, 1.0]
