"""irnn_hw.sweep.grid and its units: what the axes span, exact units, bad input refused."""

import json

import pytest
from matplotlib.image import imread
from test_sweep import irnn, results

from golden.errors import InputError
from irnn_hw.sweep.design import LABELS
from irnn_hw.sweep.grid import AXES, FULL, Grid, full


def test_grid_by_hand():
    grid = Grid(pieces=(4, 8), knots=("greedy", "optimal"), targets=("ecp5",))
    labels = [p.labels() for p in grid.points()]
    assert len(labels) == 2 * (2 * 2 * 2 + 1)
    assert len({json.dumps(label) for label in labels}) == len(labels)
    assert full(pieces=(2,)).pieces == (2,)
    assert Grid(targets=("all",)).targets == tuple(AXES["targets"][1])


def test_full_is_the_published_grid():
    """Pieces x bits x bank, search and table x targets, of which tables have no pieces."""
    grid = full()
    assert grid.pieces == (4, 8, 16, 32, 64, 96, 160)
    assert (grid.in_bits, grid.targets) == ((8, 16), ("ecp5", "ice40", "xilinx", "gates"))
    assert len(grid.points()) == 2 * (2 * 7 + 1) * 4
    assert full(units=("mac",)).rows == FULL["rows"]


EXACT = {"mac": 6 * 3, "requantizer": 4 + 3, "divider": 3 + 3 + 1}


@pytest.mark.parametrize("unit", EXACT)
def test_designs_of_an_exact_unit(unit):
    points = Grid(units=(unit,), targets=("ecp5",)).points()
    assert len(points) == len({json.dumps(p.labels()) for p in points})
    variants = dict.fromkeys(p.design.variant for p in points)
    assert len(points) == EXACT[unit]
    assert list(variants) == list(Grid(units=(unit,)).variants)
    assert all(p.labels().keys() == set(LABELS) for p in points)
    assert all(p.design.fit is None for p in points)


def test_reciprocals_are_of_narrow_divisors_alone():
    grid = Grid(units=("divider",), divisor_bits=(8, 32), targets=("ecp5",))
    found = [p.labels() for p in grid.points() if p.design.variant == "reciprocal"]
    assert [(p["divisor_bits"], p["step"]) for p in found] == [(8, None)]


@pytest.mark.slow
def test_place_and_route_adds_the_clock_where_it_can(tmp_path):
    unit = ("--unit", "mac", "--variant", "int8", "--rows", "1", "--columns", "1")
    irnn(*unit, "--target", "ecp5,gates", "--pnr", "-o", tmp_path)
    placed, gates = results(tmp_path)["points"]
    assert 50 < placed["fmax_mhz"] < 400
    assert placed["made_with"]["device"].startswith("LFE5U-25F")
    assert "nextpnr-ecp5" in placed["made_with"]["tools"]
    assert (gates["fmax_mhz"], gates["made_with"]["pnr_sha256"]) == (None, None)
    page = (tmp_path / "index.html").read_text()
    assert placed["made_with"]["pnr_sha256"] in page
    assert f'data-fmax_mhz="{placed["fmax_mhz"]}"' in page


def test_exact_units_by_area_and_cycles(tmp_path):
    units = ("--unit", "mac,requantizer,divider", "--rows", "1,2", "--columns", "1")
    ways = (
        "--variant",
        "int8,ternary,general,pipelined,iterative",
        "--multiplier-bits",
        "8",
        "--step",
        "4",
    )
    shown = irnn(*units, *ways, "--target", "ecp5", "-o", tmp_path)
    found = results(tmp_path)["points"]
    by = {(r["unit"], r["variant"], r["rows"]): r for r in found}
    assert len(by) == len(found) == 2 * 2 + 1 + 2
    assert [by["mac", "int8", n]["interval"] for n in (1, 2)] == [1, 1 / 2]
    assert [by["mac", "int8", n]["area"]["dsp"] for n in (1, 2)] == [1, 2]
    assert (
        by["divider", "iterative", None]["interval"] > by["divider", "pipelined", None]["interval"]
    )
    assert by["requantizer", "general", None]["interval"] == 1
    assert all((r["worst_lsb"], r["error"], r["error_front"]) == (None, None, False) for r in found)
    assert by["mac", "ternary", 2]["area"]["dsp"] == 0
    assert all(r["speed_front"] for r in found)  # the weights of the arrays are not the same
    assert "divider, on a front" in shown
    for unit in ("mac", "requantizer", "divider"):
        assert imread(tmp_path / f"{unit}-size.png").size


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--function", "tan"], "function: 'tan' is none of sigmoid, .*; choose"),
        (["--unit", "pll"], "unit: 'pll' is none of pwl, mac, requantizer, divider; choose"),
        (["--variant", "bank,rom"], "variant: 'rom' is none of bank, search, table, .*; choose"),
        (["--variant", "int8"], "variant: there is no int8 of pwl; add a --unit"),
        (
            ["--unit", "mac,pwl", "--variant", "bank"],
            "variant: none is left of mac; choose of int8, ",
        ),
        (["--unit", "mac", "--pieces", 8], "pieces: is no axis of mac; leave it out, or add a"),
        (["--unit", "mac", "--range", 0, 1], "range: is no axis of mac; leave it out, or add a"),
        (
            ["--unit", "divider", "--variant", "reciprocal", "--divisor-bits", "32"],
            "variant: none is left of divider; choose of iterative, pipelined",
        ),
        (["--unit", "divider", "--step", "3"], "step: 3 is none of 1, 2, 4; choose"),
        (["--target", "gates", "--pnr"], "pnr: target gates is not placed and routed; give"),
        (["--tables", "flash"], "tables: 'flash' is none of constant, loadable; choose"),
        (["--pieces", "4,x"], "pieces: '4,x' is not numbers; give them as 8,16"),
        (["--pieces", "0"], r"pieces: 0 is none of 1..65535; choose"),
        (["--pieces", "4,4"], "pieces: 4 is there twice; give it once"),
        (["--in-bits", "12"], "in-bits: 12 is none of 8, 16; choose"),
        (["--out-bits", "7"], "out-bits: 7 is none of 8, 16; choose"),
        (["--knots", "best"], "knots: 'best' is none of greedy, optimal; choose"),
        (["--target", "asic"], "target: 'asic' is none of ecp5, .*; choose"),
        (["--range", 3, 1], r"range: \[3.0, 1.0\] is empty"),
        (["--range", 0, 1, "--function", "tanh,exp"], "range: is of one function; give one"),
        (["--model", "no.irnn"], "no.irnn: cannot read the model"),
    ],
)
def test_bad_input_names_the_field_and_a_remedy(arguments, says, tmp_path):
    with pytest.raises(InputError, match=says):
        irnn(*arguments, "-o", tmp_path)
    assert not list(tmp_path.iterdir())
