import pytest
from rtl_cases import complaints, reference

from golden.activation import PwlSpec, pwl
from golden.npu_config import ROUNDER
from golden.stimulus import pwl_spec
from rtl.pwl import Pwl, PwlBank, offsets, signed_width

CASES = [c for c in reference("pwl") if c["in_bits"] == 8]


def spec_of(case: dict) -> PwlSpec:
    """The spec of a reference case, whose knots include the last code."""
    return PwlSpec(
        tuple(case["knots"][:-1]),
        tuple(case["slopes"]),
        tuple(case["intercepts"]),
        case["shift"],
        case["out_zero_point"],
        case["in_bits"],
        case["out_bits"],
    )


@pytest.mark.parametrize("case", CASES[:6], ids=lambda c: f"{c['function']}-{c['pieces']}")
def test_the_reference_vectors_at_every_code(case):
    assert complaints(Pwl(spec=spec_of(case)), range(256), case["result"], ["full rate"]) == ""


@pytest.mark.parametrize(
    ("slope", "intercept", "shift"), [(3, -400, 2), (0, 1 << 25, 0), (-131071, 5, 16), (1, 0, 62)]
)
def test_a_single_piece(slope, intercept, shift):
    spec = PwlSpec((0,), (slope,), (intercept,), shift, 7)
    outputs = pwl(spec, range(256)).tolist()
    assert complaints(Pwl(spec=spec), range(256), outputs, ["full rate"]) == ""


def test_output_bits_may_differ_from_input_bits():
    spec = pwl_spec(3, 5, in_bits=8, out_bits=16)
    outputs = pwl(spec, range(256)).tolist()
    assert complaints(Pwl(spec=spec), range(256), outputs) == ""


def test_latency_composes():
    assert Pwl.LATENCY == PwlBank.LATENCY + 3 + ROUNDER == 7


def test_an_offset_is_the_piece_at_code_zero():
    spec = PwlSpec((0, 10, 200), (5, -7, 0), (1, 2, 3), 0, 0)
    assert offsets(spec) == (1, 72, 3)


@pytest.mark.parametrize(
    ("values", "width"), [([0], 1), ([-1], 1), ([1], 2), ([-2, 1], 2), ([127], 8), ([-129], 9)]
)
def test_signed_width_is_the_narrowest(values, width):
    assert signed_width(values) == width
