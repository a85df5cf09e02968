"""A cell library as the target: areas that can be added up by hand, and files that are none."""

import json
import re
import subprocess
import sys
from hashlib import sha256

import pytest
from area_designs import Bits, Nested, Ram

from golden.errors import InputError
from golden.npu_config import CONFIGS
from irnn_hw import steps
from irnn_hw.area import yosys
from irnn_hw.area.targets.liberty import liberty_target

AREAS = {"INV": 1.5, "NAND2": 2.25, "NOR2": 2.5, "DFF": 8.0}

LIBRARY = """
/* A handful of cells; cell (COMMENTED) { area : 1000; } */
library ("handful") {
  comment : "cell (TEXT) counts for nothing";
  cell (INV) { area : 1.5;
    pin (A) { direction : input; }
    pin (Y) { direction : output; function : "!A"; } }
  cell ("NAND2") { area : 2.25;
    pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Y) { direction : output; function : "!(A & B)"; } }
  cell (NOR2) { area : 2.5;
    pin (A) { direction : input; } pin (B) { direction : input; }
    pin (Y) { direction : output; function : "!(A | B)"; } }
  cell (DFF) { area : 8;
    ff (IQ, IQN) { clocked_on : "C"; next_state : "D"; }
    pin (C) { direction : input; clock : true; } pin (D) { direction : input; }
    pin (Q) { direction : output; function : "IQ"; } }
}
"""


def without(cell: str) -> str:
    """The library without one of its cells."""
    return re.sub(rf'  cell \("?{cell}"?\).*?\}} \}}\n', "", LIBRARY, flags=re.DOTALL)


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "handful.lib"
    path.write_text(LIBRARY)
    return path


def test_areas_and_registers_are_read(library):
    cells = liberty_target(library).cells
    assert {name: cells[name]["area"] for name in cells if "area" in cells[name]} == AREAS
    assert [name for name in cells if cells[name].get("ff")] == ["DFF"]


def test_a_nand_and_a_register_a_bit(library, tmp_path):
    total = yosys.estimate(Bits(8), "top", liberty_target(library), tmp_path / "cache")["total"]
    assert total == {"area": 8 * (2.25 + 8), "ff": 8, "memory_bits": 0}


def test_the_area_is_the_sum_over_cells(library, tmp_path):
    (result,) = steps.area(
        ["requantizer-8"], [], CONFIGS["tiny"], tmp_path / "cache", liberty=library
    )
    (cached,) = (tmp_path / "cache").glob("*.json")
    cells = json.loads(cached.read_text())["design"]["num_cells_by_type"]
    assert cells["NAND2"] > 1000
    assert result["total"]["area"] == sum(AREAS.get(cell, 0) * n for cell, n in cells.items())
    assert result["total"]["ff"] == cells["DFF"]


def test_a_result_names_its_library(library, tmp_path):
    result = yosys.estimate(Bits(1), "top", liberty_target(library), tmp_path / "cache")
    assert result["target"] == "liberty"
    assert result["title"] == "cell library handful"
    assert result["library"] == "handful"
    assert result["library_file"] == "handful.lib"
    assert result["library_sha256"] == sha256(library.read_bytes()).hexdigest()


def test_a_library_of_other_areas_is_another_point(library, tmp_path):
    first = yosys.estimate(Bits(4), "top", liberty_target(library), tmp_path / "cache")
    library.write_text(LIBRARY.replace("area : 8", "area : 9"))
    second = yosys.estimate(Bits(4), "top", liberty_target(library), tmp_path / "cache")
    assert second["total"]["area"] == first["total"]["area"] + 4
    assert second["sha256"] != first["sha256"]


def test_memory_bits_are_apart_from_the_area(library, tmp_path):
    total = yosys.estimate(Ram(), "top", liberty_target(library), tmp_path / "cache")["total"]
    assert total["memory_bits"] == 1024 * 16
    assert total["area"] < 16 * (8 + 10)  # at most the register of the read port


def test_units_sum_to_the_area(library, tmp_path):
    target = liberty_target(library)
    result = yosys.estimate(Nested(), "top", target, tmp_path / "cache", by_unit=True)
    units = {unit["unit"]: unit for unit in result["units"]}
    assert units["pair.bits"]["area"] == 4 * 8 * (2.25 + 8)
    assert result["units_sum"]["area"] == sum(unit["area"] for unit in units.values())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"no `library \(NAME\) {`"),
        ("module top; endmodule", r"no `library \(NAME\) {`"),
        (LIBRARY[:-20], r"ends inside pin \(Q\); it is truncated"),
        (LIBRARY + "}", "closes nothing"),
        (re.sub("area : [^;]+;", "", LIBRARY), "no cell of library handful has an area"),
        (LIBRARY.replace("area : 8", "area : 8-8"), "area: 8-8 is not a number"),
    ],
)
def test_a_file_that_is_no_library_is_refused(text, says, library):
    library.write_text(text)
    with pytest.raises(InputError, match=rf"handful\.lib: .*{says}"):
        liberty_target(library)


@pytest.mark.parametrize(
    ("cell", "says"),
    [("DFF", "D flip-flops are not supported"), (r"N\w+2", "Mapping has failed")],
)
def test_a_library_that_lacks_a_cell_is_refused(cell, says, library, tmp_path):
    library.write_text(without(cell))
    says = (
        rf"liberty: Yosys cannot map top to cell library handful \(.*({says}).*\); give a library"
    )
    with pytest.raises(InputError, match=says):
        yosys.estimate(Bits(2), "top", liberty_target(library), tmp_path / "cache")


def test_the_command_line_on_a_library_and_on_none(library, tmp_path):
    def irnn(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "irnn_hw.cli", "area", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = irnn("requantizer-8", "--liberty", library, "-o", "area.json", "--json")
    assert done.returncode == 0, done.stderr
    (figures,) = json.loads(done.stdout)
    assert figures["library"] == "handful"
    assert json.loads((tmp_path / "area.json").read_text()) == [figures]
    done = irnn("requantizer-8", "--liberty", "nowhere.lib", "-o", "other.json")
    assert done.returncode == 2
    assert "nowhere.lib: cannot read the Liberty file" in " ".join(done.stderr.split())
    assert not (tmp_path / "other.json").exists()
