"""Every table of every function on every PWL unit: each code equals golden's answer."""

from collections.abc import Iterable
from functools import cache

import pytest
from rtl_cases import natively

from golden.activation import PwlSpec
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS
from irnn_hw.quant.pwl_methods import fit_by, output_range
from irnn_hw.sweep.units.pwl import RANGES
from rtl.pwl import Pwl, PwlSearch
from rtl.pwl_load import PwlSizes
from rtl.pwl_loadable import LoadablePwl, LoadablePwlSearch
from rtl.units.pwl import every_code, loaded
from rtl.units.unit import Vectors

PIECES = (4, 8, 16, 32, 64, 96, 160)
WIDTHS = ((8, 8), (8, 16), (16, 8), (16, 16))
UNITS = {"bank": (LoadablePwl, 160), "search": (LoadablePwlSearch, 256)}


@cache
def fitted(function: str, pieces: int, bits: tuple[int, int], method: str) -> PwlSpec:
    x = QuantParams.from_range(*RANGES[function], bits[0])
    y = QuantParams.from_range(*output_range(function, x), bits[1])
    return fit_by(method, FUNCTIONS[function], x, y, pieces)


def wrong(select: str, bits: tuple[int, int], specs: Iterable[PwlSpec]) -> str:
    """What is wrong with one loadable unit, into which one table after the other is loaded."""
    unit, pieces = UNITS[select]
    sizes = PwlSizes(pieces, *bits)
    tables = [Vectors(*loaded(sizes.layout(), sizes.words(spec), spec, 0)) for spec in specs]
    return natively(unit(sizes=sizes), tables)


@pytest.mark.parametrize("method", ["greedy", "optimal"])
@pytest.mark.parametrize("select", UNITS)
def test_every_loadable_table_of_8_bits(select, method):
    specs = [fitted(f, pieces, (8, 8), method) for f in FUNCTIONS for pieces in PIECES]
    assert wrong(select, (8, 8), specs) == ""


@pytest.mark.slow
@pytest.mark.parametrize("bits", WIDTHS[1:])
@pytest.mark.parametrize("select", UNITS)
def test_every_loadable_table(select, bits):
    specs = [fitted(f, pieces, bits, "greedy") for f in FUNCTIONS for pieces in PIECES]
    assert wrong(select, bits, specs) == ""


@pytest.mark.slow
@pytest.mark.parametrize("bits", WIDTHS[1:])
@pytest.mark.parametrize("select", UNITS)
def test_optimal_tables_of_16_pieces(select, bits):
    assert wrong(select, bits, [fitted(f, 16, bits, "optimal") for f in FUNCTIONS]) == ""


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("pieces", [16, 96])
@pytest.mark.parametrize("bits", WIDTHS)
def test_constant_tables(bits, pieces, function):
    """A unit a table: of each function those of 16 and 96 pieces."""
    spec = fitted(function, pieces, bits, "greedy")
    for unit in (Pwl(spec=spec), PwlSearch(spec=spec, block=pieces > 16)):
        assert natively(unit, [Vectors(*every_code(spec, 0))]) == ""
