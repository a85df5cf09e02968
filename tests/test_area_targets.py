"""The cell tables of the targets, by designs whose cells are known."""

import re
from pathlib import Path

import pyosys
import pytest
from area_designs import EVERYTHING, Bits, Multiplier, Nested

from golden.errors import InputError
from golden.npu_config import CONFIGS
from irnn_hw import steps
from irnn_hw.area import yosys
from irnn_hw.area.targets import TARGETS
from rtl.units import UNITS

SHARE = Path(pyosys.__file__).parent / "share"


@pytest.mark.parametrize(
    ("target", "exact", "some"),
    [
        ("ecp5", {"dsp": 1, "bram": 1}, ("lut", "ff")),
        ("ice40", {"bram": 4}, ("lut", "carry", "ff")),
        ("up5k", {"bram": 4, "dsp": 1}, ("lut", "carry", "ff")),
        # A RAM32M is four LUTs of six bits by 32; the delay of twelve is an SRL16E.
        ("xilinx", {"bram": 1, "dsp": 1, "carry": 4, "lutram": 5}, ("lut", "ff")),
    ],
)
def test_everything_that_an_fpga_has_is_counted(target, exact, some, tmp_path):
    total = yosys.estimate(EVERYTHING, "top", target, tmp_path)["total"]
    assert {figure: total[figure] for figure in exact} == exact
    assert all(total[figure] > 0 for figure in some)


@pytest.mark.parametrize("target", ["ecp5", "ice40", "up5k"])
def test_a_nand_and_a_register_a_bit(target, tmp_path):
    total = yosys.estimate(Bits(8), "top", target, tmp_path)["total"]
    assert {name for name, count in total.items() if count} == {"lut", "ff"}
    assert total["lut"] == total["ff"] == 8


def test_a_multiplier_is_logic_where_there_is_none(tmp_path):
    assert yosys.estimate(Multiplier(), "top", "up5k", tmp_path)["total"]["dsp"] == 1
    hx = yosys.estimate(Multiplier(), "top", "ice40", tmp_path)["total"]
    assert "dsp" not in hx
    assert hx["lut"] > 64  # of each partial product at least one


def test_names_of_array_elements_do_not_stop_the_mapper(tmp_path):
    """The fields of this unit's payload are arrays, of which each element is a wire."""
    (result,) = steps.area(["mac-array-2x2"], ["up5k"], CONFIGS["tiny"], tmp_path)
    assert result["total"]["dsp"] == 4


def test_a_memory_that_asks_for_luts_gets_registers_where_luts_are_none(tmp_path):
    asking = EVERYTHING.replace("reg [5:0] few", '(* ram_style = "distributed" *) reg [5:0] few')
    assert asking != EVERYTHING
    plain = yosys.estimate(EVERYTHING, "top", "up5k", tmp_path)["total"]
    assert yosys.estimate(asking, "top", "up5k", tmp_path)["total"] == plain
    assert plain["ff"] > 16 * 6


@pytest.mark.parametrize("target", ["ice40", pytest.param("xilinx", marks=pytest.mark.slow)])
def test_units_are_counted_apart(target, tmp_path):
    result = yosys.estimate(Nested(), "top", target, tmp_path, by_unit=True)
    units = {unit["unit"]: unit for unit in result["units"]}
    assert units["pair.bits"]["instances"] == 4
    assert units["pair.bits"]["ff"] == units["pair.bits"]["lut"] == 4 * 8
    assert result["units_sum"]["ff"] == sum(unit["ff"] for unit in units.values())


def test_carries_and_memories_of_xilinx_weigh_what_they_take():
    cells = {"LUT1": 1, "LUT6": 2, "INV": 3, "RAM64M": 5, "SRLC32E": 7, "RAMB36E1": 11}
    figures = TARGETS["xilinx"].figures({**cells, "RAMB18E1": 13, "MUXF8": 17, "CARRY4": 19}, 0)
    expected = {"lut": 1 + 2 + 3 + 4 * 5 + 7, "lutram": 4 * 5 + 7, "bram": 2 * 11 + 13}
    assert figures == {**expected, "mux": 17, "carry": 19, "ff": 0, "dsp": 0}


def test_every_register_and_memory_that_yosys_maps_to_ice40_is_in_the_table():
    text = "".join(SHARE.joinpath("ice40", f"{name}_map.v").read_text() for name in ("ff", "brams"))
    cells = set(re.findall(r"\bSB_\w+", text))
    assert len(cells) == 24
    assert cells <= TARGETS["ice40"].cells.keys()


@pytest.mark.parametrize("target", TARGETS)
def test_an_unknown_cell_is_an_error_that_names_it(target):
    with pytest.raises(InputError, match=rf"area: cell PLL is not one of target {target}, "):
        TARGETS[target].figures({"PLL": 1}, 0)


def test_a_result_says_of_what_and_how(tmp_path):
    config = CONFIGS["tiny"]
    (result,) = steps.area(["requantizer-8"], ["up5k"], config, tmp_path)
    assert result["parameters"]["unit"] == "requantizer-8"
    assert result["parameters"]["summary"] == UNITS["requantizer-8"].summary
    assert result["script"]["flat"].count("synth_ice40 -device u -dsp -top requantizer_8") == 1
    assert result["version"] == yosys.YOSYS_VERSION
    assert re.fullmatch("[0-9a-f]{64}", result["sha256"])
    (other,) = steps.area(["requantizer-8"], ["ecp5"], config, tmp_path)
    assert other["sha256"] != result["sha256"]


@pytest.mark.slow
@pytest.mark.parametrize("unit", [*UNITS, "npu"])
def test_every_unit_maps_to_known_cells_of_every_target(unit, tmp_path):
    targets = ["ice40", "up5k", "xilinx"] if unit == "npu" else list(TARGETS)  # demo: the others
    figures = steps.area([unit], targets, CONFIGS["tiny"], tmp_path)
    assert [figure["target"] for figure in figures] == targets
    assert all(next(iter(figure["total"].values())) > 0 for figure in figures)
