import json

import pytest
from area_designs import Bits, Multiplier, Nested, Pair, Ram

from golden.errors import InputError
from irnn_hw.area import yosys
from irnn_hw.area.targets import TARGETS, target_named
from rtl.emit import verilog_text
from rtl.yosys import YosysError


def test_ecp5_counts_of_a_known_design(tmp_path):
    result = yosys.estimate(Multiplier(), "top", "ecp5", tmp_path)
    assert result["total"] == {"lut": 0, "ff": 16, "dsp": 1, "bram": 0}
    assert result["tool"] == "Yosys"
    assert result["version"] == yosys.YOSYS_VERSION
    assert "synth_ecp5 -top top" in result["script"]["flat"]


def test_gate_counts_of_a_known_design(tmp_path):
    """8 x (NAND2: 4 transistors, register: 16)."""
    result = yosys.estimate(Bits(8), "top", "gates", tmp_path)
    assert result["total"] == {"nand2": 40, "transistors": 160, "ff": 8, "memory_bits": 0}


def test_memory_is_counted_in_bits_apart_from_gates(tmp_path):
    gates = yosys.estimate(Ram(), "top", "gates", tmp_path)["total"]
    assert gates["memory_bits"] == 1024 * 16
    assert yosys.estimate(Ram(), "top", "ecp5", tmp_path)["total"]["bram"] == 1


def test_carry_and_lut_memory_weights():
    cells = {"LUT4": 3, "CCU2C": 5, "TRELLIS_DPR16X4": 7, "PFUMX": 2}
    assert TARGETS["ecp5"].figures(cells, 0)["lut"] == 3 + 2 * 5 + 4 * 7


def test_unknown_cell_is_an_error():
    with pytest.raises(InputError, match=r"cell EHXPLLL is not one of target ecp5"):
        TARGETS["ecp5"].figures({"EHXPLLL": 1}, 0)


def test_units_are_counted_apart_and_copies_together(tmp_path):
    result = yosys.estimate(Pair(), "top", "ecp5", tmp_path, by_unit=True)
    units = {unit.pop("unit"): unit for unit in result["units"]}
    assert units["bits"] == {"instances": 2, "lut": 16, "ff": 16, "dsp": 0, "bram": 0}
    assert units["multiplier"] == {"instances": 1, "lut": 0, "ff": 16, "dsp": 1, "bram": 0}
    assert units["top"]["ff"] == 16
    assert result["units_sum"]["ff"] == sum(unit["ff"] for unit in units.values())


def test_cache_answers_for_equal_content_only(tmp_path, monkeypatch):
    first = yosys.estimate(Bits(8), "top", "gates", tmp_path)
    runs = []
    run_yosys = yosys.run_yosys
    monkeypatch.setattr(yosys, "run_yosys", lambda *a: runs.append(a) or run_yosys(*a))
    assert yosys.estimate(Bits(8), "top", "gates", tmp_path) == first
    assert runs == []
    wider = yosys.estimate(Bits(9), "top", "gates", tmp_path)
    assert wider["total"]["ff"] == 9
    assert wider["sha256"] != first["sha256"]
    assert len(runs) == 1


def test_a_new_process_gives_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        yosys.estimate(Pair(), "top", "gates", tmp_path / folder)
    a, b = (sorted((tmp_path / folder).iterdir()) for folder in ("a", "b"))
    assert [p.name for p in a] == [p.name for p in b]
    assert [p.read_bytes() for p in a] == [p.read_bytes() for p in b]


def test_yosys_error_is_raised_and_leaves_nothing(tmp_path):
    with pytest.raises(YosysError, match="syntax error"):
        yosys.estimate("module top(; endmodule", "top", "ecp5", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unknown_target_is_named(tmp_path):
    with pytest.raises(InputError, match=r"target: asic is not one of ecp5, ice40, up5k, xilinx"):
        yosys.estimate("", "top", "asic", tmp_path)


def test_many_points_come_back_in_order_with_progress(tmp_path):
    source = verilog_text(Bits(4), "top")
    points = [yosys.Point("top", target_named(name), source) for name in ("gates", "ecp5")]
    seen = []
    results = yosys.estimate_many(points, tmp_path, jobs=2, progress=lambda *n: seen.append(n))
    assert [r["target"] for r in results] == ["gates", "ecp5"]
    assert seen == [(1, 2), (2, 2)]
    assert json.loads(json.dumps(results)) == results


def test_units_of_units_are_counted_once_each(tmp_path):
    result = yosys.estimate(Nested(), "top", "gates", tmp_path, by_unit=True)
    units = {unit["unit"]: unit for unit in result["units"]}
    assert units["pair.bits"]["instances"] == 4
    assert units["pair.bits"]["ff"] == 4 * 8
    assert units["pair"]["ff"] == 2 * 16
    assert units["top"]["ff"] == 0
    assert result["units_sum"]["ff"] == 4 * 8 + 2 * 16 + 2 * 16
