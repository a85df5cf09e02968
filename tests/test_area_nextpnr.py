"""Place and route: the harness by its cells, what is refused, and real runs of nextpnr."""

import json
import subprocess
import sys

import pytest
from area_designs import Bits, Multiplier

from golden.errors import InputError
from golden.npu_config import CONFIGS
from irnn_hw import steps
from irnn_hw.area import nextpnr, yosys
from irnn_hw.area.harness import NAME, Port, harness, ports_of
from irnn_hw.area.shown import area_table, caveats
from irnn_hw.area.targets import TARGETS
from rtl.emit import verilog_text

PLACEABLE = ("ecp5", "ice40", "up5k")


def test_the_harness_registers_every_port_of_the_unit(tmp_path):
    """Bits(8) has 16 bits in, 8 out, 8 registers; each shift register has one bit more."""
    source = verilog_text(Bits(8), "top")
    ports = ports_of(source, "top")
    assert {(p.direction, p.width, p.name) for p in ports if p.name != "rst"} == {
        ("input", 1, "clk"), ("input", 8, "a"), ("input", 8, "b"), ("output", 8, "q"),
    }  # fmt: skip
    total = yosys.estimate(source + harness("top", ports), NAME, "ecp5", tmp_path)["total"]
    assert total["ff"] == (16 + 1) + (8 + 1) + 8
    assert total["lut"] == 8 + 8  # the NAND of each bit, and what folds it in


def test_the_harness_connects_each_port_to_bits_of_its_own():
    ports = [Port("input", 3, "x"), Port("input", 1, "clk"), Port("input", 2, "y")]
    text = harness("top", [*ports, Port("output", 4, "z")])
    for connection in (".x(given[0 +: 3])", ".y(given[3 +: 2])", ".z(taken[0 +: 4])", ".clk(clk)"):
        assert connection in text
    assert ".rst" not in text
    assert "reg [5:0] given" in text


def test_the_smallest_device_that_holds_the_design_is_chosen():
    ecp5 = TARGETS["ecp5"]
    assert nextpnr.smallest_device(ecp5, {"lut": 100, "dsp": 28}).name == "LFE5U-25F-6"
    assert nextpnr.smallest_device(ecp5, {"lut": 100, "dsp": 29}).name == "LFE5U-85F-6"
    with pytest.raises(InputError, match=r"pnr: LFE5U-85F-6 is too small.*157 of 156 dsp"):
        nextpnr.smallest_device(ecp5, {"lut": 100, "dsp": 157})


def test_a_target_that_nextpnr_does_not_place_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"pnr: target gates is not placed and routed; .*ecp5"):
        steps.area(["requantizer-8"], ["gates"], CONFIGS["tiny"], tmp_path, seeds=1)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_tool_is_refused_with_what_to_install():
    with pytest.raises(InputError, match=r"nextpnr-none is not installed; .*pip install"):
        nextpnr.tool_version("nextpnr-none")


@pytest.mark.slow
@pytest.mark.parametrize("target", PLACEABLE)
def test_place_and_route_gives_frequencies_by_seed(target, tmp_path):
    source = verilog_text(Multiplier(), "top")
    point = yosys.Point("top", TARGETS[target], source)
    seen = []
    first = nextpnr.place_and_route(
        point, {"lut": 100}, tmp_path / "a", 3, 2, lambda *n: seen.append(n)
    )
    frequencies = first["fmax_mhz_by_seed"]
    assert all(20 < fmax < 600 for fmax in frequencies)
    assert first["fmax_mhz"] == max(frequencies)
    assert first["fmax_median_mhz"] == sorted(frequencies)[1]
    assert first["used_with_harness"]
    assert len(first["critical_path"]) == 2
    assert seen == [(1, 3), (2, 3), (3, 3)]
    again = nextpnr.place_and_route(point, {"lut": 100}, tmp_path / "b", 2)
    assert again["fmax_mhz_by_seed"] == frequencies[:2]
    assert again["sha256"] == first["sha256"]


@pytest.mark.slow
def test_what_was_routed_is_not_routed_again(tmp_path, monkeypatch):
    point = yosys.Point("top", TARGETS["ecp5"], verilog_text(Bits(4), "top"))
    first = nextpnr.place_and_route(point, {}, tmp_path)
    runs, run = [], nextpnr._run
    monkeypatch.setattr(nextpnr, "_run", lambda *a: runs.append(a) or run(*a))
    assert nextpnr.place_and_route(point, {}, tmp_path) == first
    assert runs == []
    assert (
        nextpnr.place_and_route(point, {}, tmp_path, 2)["fmax_mhz_by_seed"][0] == first["fmax_mhz"]
    )
    assert [a[1][-1] for a in runs] == ["--version", "2"]


@pytest.mark.slow
def test_a_design_that_does_not_fit_is_refused_by_nextpnr_too(tmp_path):
    """UP5K has eight multipliers; the figures given here hide that nine are needed."""
    wide = "".join(f"assign p[{32 * n} +: 32] = r{n};" for n in range(9))
    registers = "".join(
        f"reg [31:0] r{n}; always @(posedge clk) r{n} <= a[{16 * n} +: 16] * b[{16 * n} +: 16];"
        for n in range(9)
    )
    source = "module top(input clk, input [143:0] a, input [143:0] b, output [287:0] p);"
    point = yosys.Point("top", TARGETS["up5k"], source + registers + wide + "endmodule")
    with pytest.raises(InputError, match=r"pnr: nextpnr-ice40 stopped: ERROR: .*DSP"):
        nextpnr.place_and_route(point, {}, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_line_shows_frequency_and_both_caveats(tmp_path):
    command = [sys.executable, "-m", "irnn_hw.cli", "area", "pwl-2-in8", "--pnr", "--seeds", "2"]
    done = subprocess.run([*command, "-o", "area.json"], cwd=tmp_path, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "area.json").read_text())
    assert [r["pnr"]["device"] for r in results] == ["LFE5U-25F-6", "iCE40HX8K"]
    shown = " ".join(done.stdout.split())
    for result in results:
        assert f"{result['pnr']['fmax_mhz']:.1f}" in shown
        assert area_table(result).row_count == len(result["figure_units"]) + 1
        assert all(" ".join(text.split()) in shown for text in caveats(result))
