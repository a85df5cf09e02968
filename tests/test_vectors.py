"""Every case of tests/vectors/; a count keeps each file from emptying."""

import json
from pathlib import Path

import numpy as np
import pytest

from golden.activation import PwlSpec, look_up, pwl, tabulate
from golden.attention import ContextSpec, context
from golden.elementwise import AddSpec, MultiplySpec, add, multiply, subtract_spec
from golden.fixed import FixedPoint, divide_round, requantize
from golden.linear import MatVecSpec, accumulate, matvec
from golden.madnorm import MadNormSpec, madnorm

FOLDER = Path(__file__).parent / "vectors"
COUNTS = {
    "add": 4000,
    "context": 50,
    "divide_round": 4000,
    "fixed_point": 3966,
    "madnorm": 100,
    "matvec": 50,
    "multiply": 4000,
    "pwl": 12,
    "requantize": 7418,
}


def cases(name: str) -> list:
    return json.loads((FOLDER / f"{name}.json").read_text())["cases"]


@pytest.mark.parametrize("name", COUNTS)
def test_no_case_was_lost(name):
    assert len(cases(name)) == COUNTS[name]


def test_every_file_is_counted():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(COUNTS)


def test_requantize():
    for a, mantissa, shift, zero_point, bits, result in cases("requantize"):
        assert requantize(a, FixedPoint(mantissa, shift), zero_point, bits) == result


def test_divide_round():
    for n, shift, d, result in cases("divide_round"):
        assert divide_round(n, shift, d) == result


def test_multiply():
    for a, z_a, b, z_b, mantissa, shift, z_out, bits, result in cases("multiply"):
        spec = MultiplySpec((z_a, z_b), FixedPoint(mantissa, shift), z_out, bits)
        assert multiply(spec, a, b) == result


def test_add():
    for q, zero_points, mantissas, shift, z_out, bits, result in cases("add"):
        spec = AddSpec(tuple(zero_points), tuple(mantissas), shift, z_out, bits)
        assert add(spec, *q) == result


@pytest.mark.parametrize("case", cases("matvec"))
def test_matvec(case):
    spec = MatVecSpec(
        np.array(case["weights"], np.int8),
        np.array(case["bias"], np.int32),
        case["x_zero_point"],
        FixedPoint(case["mantissa"], case["shift"]),
        case["zero_point"],
        out_bits=case["bits"],
        w_zero_point=case["w_zero_point"],
    )
    assert accumulate(spec, case["x"]).tolist() == case["accumulators"]
    assert matvec(spec, case["x"]).tolist() == case["result"]


def test_the_matvec_cases_have_zero_points_of_weights():
    assert sum(case["w_zero_point"] != 0 for case in cases("matvec")) >= 10


@pytest.mark.parametrize("case", cases("pwl"), ids=lambda c: f"{c['function']}-{c['pieces']}")
def test_pwl_on_every_code(case):
    spec = PwlSpec(
        tuple(case["knots"][:-1]),  # the last one closes the last piece
        tuple(case["slopes"]),
        tuple(case["intercepts"]),
        case["shift"],
        case["out_zero_point"],
        case["in_bits"],
        case["out_bits"],
    )
    codes = np.arange(1 << case["in_bits"])
    assert pwl(spec, codes).tolist() == case["result"]
    assert look_up(tabulate(spec), codes).tolist() == case["result"]


@pytest.mark.parametrize("case", cases("madnorm"))
def test_madnorm(case):
    m_mu, f_mu, z_mu, mean_bits = case["mu"]
    m_x, m_c, f_c, z_c, c_bits = case["x_hat"]
    m_d, f_d, deviation_bits = case["d"]
    m_y, f_y, z_y, out_bits = case["y"]
    spec = MadNormSpec(
        len(case["x"]),
        FixedPoint(m_mu, f_mu),
        subtract_spec((case["x_zero_point"], z_mu), (m_x, m_c), f_c, z_c, c_bits),
        FixedPoint(m_d, f_d),
        FixedPoint(m_y, f_y),
        z_y,
        mean_bits=mean_bits,
        deviation_bits=deviation_bits,
        out_bits=out_bits,
    )
    trace, expected = madnorm(spec, case["x"]), case["result"]
    assert (trace.mu.tolist(), trace.d.tolist()) == ([expected["mu"]], [expected["d"]])
    assert trace.x_hat.tolist() == expected["x_hat"]
    assert trace.y.tolist() == expected["y"]


@pytest.mark.parametrize("case", cases("context"))
def test_context(case):
    multiplier = FixedPoint(case["mantissa"], case["f"])
    spec = ContextSpec(case["h_zero_point"], multiplier, case["zero_point"], out_bits=case["bits"])
    assert context(spec, case["e"], case["h"], [len(case["e"])]).tolist() == [case["result"]]
