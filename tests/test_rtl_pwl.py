import gc

import numpy as np
import pytest
from rtl_cases import complaints, natively, reference_pwl

from golden.activation import LutSpec, PwlSpec, pwl, tabulate
from golden.stimulus import pwl_spec
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS
from irnn_hw.quant.pwl_methods import fit_by
from rtl.pwl import Pwl, PwlBank, PwlSearch, offsets
from rtl.pwl_constants import FloorForm, floor_form
from rtl.pwl_table import PwlTable
from rtl.units.pwl import every_code
from rtl.units.unit import Vectors

# Components that are only looked at, or refused.
unused = pytest.mark.filterwarnings("ignore:.*created but never used")

UNITS = {
    "bank": lambda spec: Pwl(spec=spec),
    "search": lambda spec: PwlSearch(spec=spec),
    "search, block RAM": lambda spec: PwlSearch(spec=spec, block=True),
}
TABLES = {
    "4 pieces of 16": pwl_spec(4, 4, 16),
    "16 pieces of 16 to 16": pwl_spec(16, 16, 16, 16),
    "96 pieces of 16": pwl_spec(96, 96, 16),
    "160 pieces of 16": pwl_spec(160, 160, 16),
    "160 pieces of 8": pwl_spec(160, 160, 8),
    "corner knots": PwlSpec((0, 1, 65535), (5, -70, 9), (7, 900, 3), 2, 100, 16, 8),
    "falling": PwlSpec((0, 20000, 40000), (-9, -70, -1), (900000, 700000, -5), 13, 65535, 16, 16),
}


def fitted(function: str, bits: int, out_bits: int, pieces: int) -> PwlSpec:
    x = QuantParams.from_range(-6, 6, bits)
    return fit_by("greedy", FUNCTIONS[function], x, QuantParams.from_range(-1, 1, out_bits), pieces)


def value_of(form: FloorForm, codes, out_bits: int):
    """The form by its definition, and its sums."""
    i = np.searchsorted(form.knots[1:], codes, side="right")
    total = np.asarray(form.slopes)[i] * codes + np.asarray(form.offsets)[i]
    return np.clip(total >> form.shift, 0, (1 << out_bits) - 1), total


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("case", reference_pwl()[:4], ids=lambda case: case[0])
def test_the_reference_vectors_at_every_code(unit, case):
    _, spec, result = case
    assert complaints(UNITS[unit](spec), range(256), result, ["full rate"]) == ""
    table = PwlTable(spec=LutSpec(tuple(result)))
    assert complaints(table, range(256), result, ["full rate"]) == ""


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", TABLES)
def test_every_code(unit, name):
    spec = TABLES[name]
    assert natively(UNITS[unit](spec), [Vectors(*every_code(spec, 0))]) == ""


@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
@pytest.mark.parametrize("unit", UNITS)
def test_fitted_tables(unit, function):
    spec = fitted(function, 16, 16, 96)
    assert natively(UNITS[unit](spec), [Vectors(*every_code(spec, 0))]) == ""


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("slope", "intercept", "shift"), [(3, -400, 2), (0, 1 << 25, 0), (-131071, 5, 16), (1, 0, 62)]
)
def test_a_single_piece(unit, slope, intercept, shift):
    spec = PwlSpec((0,), (slope,), (intercept,), shift, 7)
    outputs = pwl(spec, range(256)).tolist()
    assert complaints(UNITS[unit](spec), range(256), outputs, ["full rate"]) == ""


@pytest.mark.parametrize("unit", UNITS)
def test_output_bits_may_differ_from_input_bits(unit):
    spec = pwl_spec(3, 5, in_bits=8, out_bits=16)
    outputs = pwl(spec, range(256)).tolist()
    assert complaints(UNITS[unit](spec), range(256), outputs) == ""


def test_a_constant_table():
    spec = tabulate(pwl_spec(3, 5, in_bits=8, out_bits=16))
    assert complaints(PwlTable(spec=spec), range(256), spec.table) == ""


@unused
@pytest.mark.parametrize(
    ("pieces", "search"), [(1, 4), (2, 4), (3, 5), (16, 7), (17, 8), (96, 10), (160, 11)]
)
def test_latency_composes(pieces, search):
    spec = pwl_spec(1, pieces, 16)
    latencies = {}
    for name, build in UNITS.items():
        latencies[name] = build(spec).LATENCY
    assert latencies == {"bank": 4, "search": search, "search, block RAM": search}
    gc.collect()
    assert PwlBank.LATENCY == PwlTable.LATENCY == 1


def test_an_offset_is_the_piece_at_code_zero():
    spec = PwlSpec((0, 10, 200), (5, -7, 0), (1, 2, 3), 0, 0)
    assert offsets(spec) == (1, 72, 3)


@pytest.mark.parametrize("seed", range(40))
def test_the_floor_form_is_the_table(seed):
    """Every width and shift, ties included."""
    rng = np.random.default_rng(seed)
    in_bits, out_bits = (int(v) for v in rng.choice([8, 16], 2))
    slope_bits = int(rng.integers(3, 19))
    drawn = pwl_spec(seed, int(rng.integers(1, 40)), in_bits, out_bits, slope_bits, slope_bits + 8)
    shift = int(rng.integers(0, 24))
    constants = drawn.knots, drawn.slopes, drawn.intercepts
    spec = PwlSpec(*constants, shift, drawn.out_zero_point, in_bits, out_bits)
    codes = np.arange(1 << in_bits)
    form = floor_form(spec)
    values, sums = value_of(form, codes, out_bits)
    assert values.tolist() == pwl(spec, codes).tolist()
    assert (form.low, form.high) == (sums.min(), sums.max())


def test_ties_about_zero_have_a_floor_form():
    """Halves away from zero on either side: no floor of the same slope does that."""
    spec = PwlSpec((0,), (1,), (-100,), 1, 100)
    values, _ = value_of(floor_form(spec), np.arange(256), 8)
    assert values.tolist() == pwl(spec, range(256)).tolist()


def test_a_fitted_function_needs_no_clamp_and_narrow_constants():
    form = floor_form(fitted("sigmoid", 8, 8, 8))
    assert form.low >= 0
    assert form.high < 256 << form.shift
    assert form.slope.width + form.shift < 30
