"""irnn sweep: every point measured, what is done kept, failures shown, bad input refused."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from golden.activation import tabulate
from golden.errors import InputError
from irnn_hw.cli import app
from irnn_hw.quant.pwl import FUNCTIONS
from irnn_hw.sweep.design import Design, Fit
from irnn_hw.sweep.point import emit_fitted, fit_table, spec_of, table_bits
from irnn_hw.sweep.records import first_of_equal, pareto
from irnn_hw.sweep.units.pwl import RANGES

SMALL = ("--pieces", "4,16", "--in-bits", "8", "--variant", "bank,table", "--target", "ecp5")
COMMAND = (sys.executable, "-m", "irnn_hw.cli", "sweep")


def irnn(*arguments, code=0):
    done = CliRunner().invoke(app, ["sweep", *map(str, arguments)])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return folder, irnn(*SMALL, "-o", folder)


def results(folder):
    return json.loads((folder / "sweep.json").read_text())


def test_each_point_is_there_with_its_figures(swept):
    rows = results(swept[0])["points"]
    assert [(r["variant"], r["pieces"]) for r in rows] == [
        ("bank", 4),
        ("bank", 16),
        ("table", None),
    ]
    assert [r["worst_lsb"] for r in rows] == [4, 1, 0]
    assert all(r["error"] is None and r["lut_bits"] == 2048 for r in rows)
    assert rows[0]["area"]["lut"] < rows[1]["area"]["lut"]
    assert rows[0]["area"]["dsp"] == 1
    assert rows[2]["area"]["dsp"] == 0
    assert rows[2]["latency"] < rows[0]["latency"]
    assert "no other is as good" in swept[1]


def test_files_hold_the_same_points(swept):
    folder, _ = swept
    rows = results(folder)["points"]
    with (folder / "sweep.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [int(line["area_lut"]) for line in lines] == [r["area"]["lut"] for r in rows]
    assert [line["verilog_sha256"] for line in lines] == [
        r["made_with"]["verilog_sha256"] for r in rows
    ]
    for kind in ("error", "pieces"):
        image = imread(folder / f"sigmoid-{kind}.png")
        assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 50
    page = (folder / "index.html").read_text()
    assert page.count("<tbody data-") == 3
    assert all(r["made_with"]["verilog_sha256"] in page for r in rows)


def test_a_second_run_computes_nothing_and_gives_the_same_bytes(swept):
    folder, _ = swept
    names = ("sweep.json", "sweep.csv", "index.html", "sigmoid-error.png")
    before = [(folder / name).read_bytes() for name in names]
    start = time.perf_counter()
    assert "0 steps computed" in irnn(*SMALL, "-o", folder)
    assert time.perf_counter() - start < 5
    assert [(folder / name).read_bytes() for name in names] == before


def test_json_is_the_file(swept):
    folder, _ = swept
    assert json.loads(irnn(*SMALL, "-o", folder, "--json")) == results(folder)


def test_a_failing_point_is_recorded_and_the_others_go_on(swept, tmp_path):
    folder, _ = swept
    arguments = ("--pieces", "16,300", *SMALL[2:], "-o", tmp_path)
    irnn(*arguments, code=1)
    found = results(tmp_path)
    assert found["failed"] == 1
    wrong = next(r for r in found["points"] if r["error"])
    assert wrong["pieces"] == 300
    assert "pieces: 300 is not in 1..255" in wrong["error"]
    right = [r for r in found["points"] if r["pieces"] == 16]
    assert right == [r for r in results(folder)["points"] if r["pieces"] == 16]
    page = (tmp_path / "index.html").read_text()
    assert "1 of 3 points failed" in page
    assert "300 is not in 1..255" in page


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_is_ended_goes_on_where_it_was(how, swept, tmp_path):
    folder, _ = swept
    sweep = subprocess.Popen(
        [*COMMAND, *SMALL, "-o", tmp_path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    steps = tmp_path / "cache" / "steps"
    _eventually(lambda: list(steps.glob("unit-*.json")))
    family = _descendants(sweep.pid)
    sweep.send_signal(how)
    said, _ = sweep.communicate(timeout=60)
    done = {path: path.stat().st_mtime_ns for path in steps.glob("*.json")}
    assert done
    assert not (tmp_path / "sweep.json").exists()
    assert len(family) >= 2
    _eventually(lambda: not any(Path("/proc", pid).exists() for pid in family))
    if how == signal.SIGINT:
        assert sweep.returncode == 130
        assert said.strip().splitlines()[-1].startswith("interrupted: what is done is kept; the")
        assert "Traceback" not in said
    irnn(*SMALL, "-o", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert (tmp_path / "sweep.json").read_bytes() == (folder / "sweep.json").read_bytes()


def _eventually(found):
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _descendants(pid):
    """Ids of the processes that a process started, and of those that they started."""
    children = [c for task in Path(f"/proc/{pid}/task").iterdir()
                for c in (task / "children").read_text().split()]  # fmt: skip
    return children + [d for child in children for d in _descendants(child)]


@pytest.mark.parametrize("function", RANGES)
def test_errors_are_those_of_the_table(function):
    fit = Fit(function, *RANGES[function], 8, 8, 8, "greedy")
    fitted = fit_table(fit)
    spec = spec_of(json.loads(json.dumps(fitted)))
    table = spec_of(fit_table(Fit(function, *RANGES[function], 8, 8, 0, "")))
    if function == "sigmoid":  # by hand: 255 steps of the input, 255 of the output
        x = (np.arange(256) - 128) * 16 / 255
        assert np.abs(np.array(table.table) - 255 * FUNCTIONS["sigmoid"](x)).max() <= 0.5
    error = np.abs(np.subtract(tabulate(spec).table, table.table))
    assert fitted["worst_lsb"] == error.max()
    assert fitted["mean_lsb"] == round(error.mean(), 4)
    assert spec.pieces == fitted["pieces_used"] == 8


def test_bits_of_a_table_by_hand():
    spec = spec_of(
        {"knots": [0, 128], "slopes": [3, -4], "intercepts": [0, 7], "shift": 1,
         "out_zero_point": 0, "in_bits": 8, "out_bits": 8}
    )  # fmt: skip
    assert table_bits(spec) == 8 + 2 * 3 + 2 * 4


@pytest.mark.parametrize("tables", ["constant", "loadable"])
@pytest.mark.parametrize("variant", ["bank", "search", "table"])
def test_every_variant_is_generated(variant, tables):
    pieces = 0 if variant == "table" else 5
    fit = Fit("tanh", -4, 4, 8, 8, pieces, "greedy" if pieces else "")
    unit = emit_fitted(fit_table(fit), Design("pwl", variant, (("tables", tables),), fit))
    assert "module activation(" in unit["verilog"]
    assert unit["latency"] >= 1


def row(quality, lut, dsp, **other):
    labels = {"unit": "pwl", "function": "f", "range": [0, 1], "in_bits": 8, "out_bits": 8}
    labels |= {"target": "t", "interval": 1}
    area = {"lut": lut, "ff": 99 - lut, "dsp": dsp}
    return {**labels, "tables": "constant", "worst_lsb": quality, "area": area} | other


def test_front_by_hand():
    rows = [
        row(4, 40, 1),
        row(1, 80, 1),
        row(1, 90, 1),  # beaten by the one before
        row(0, 110, 0),
        row(4, 50, 0),  # larger than the first, but without a multiplier
        row(4, 41, 1, target="u"),  # of another group
        row(None, 10, 0),  # failed
        row(0, 1, 0, area=None),
    ]
    assert pareto(rows, "error") == [True, True, False, True, True, True, False, False]


def test_equal_points_are_both_on_the_front():
    assert pareto([row(1, 5, 0), row(1, 5, 0)], "error") == [True, True]


def test_what_is_loaded_tells_equal_units_apart():
    """One Verilog, of which one table is off by 4 and one by 1; then the second again."""
    made = {"tables": "loadable", "bits_per_char": None, "made_with": {"verilog_sha256": "a"}}
    rows = [row(4, 5, 1, **made), row(1, 5, 1, **made), row(1, 5, 1, **made)]
    assert first_of_equal(rows) == [True, True, False]
    assert pareto(rows, "error") == [False, True, True]


def test_a_unit_that_needs_no_more_pieces_is_on_a_front_once(tmp_path):
    """relu takes two pieces, however many it is given."""
    irnn("--function", "relu", "--pieces", "4,8", *SMALL[2:4], "--variant", "bank",
         "--target", "gates", "-o", tmp_path)  # fmt: skip
    few, many = results(tmp_path)["points"]
    assert few["made_with"] == many["made_with"]
    assert (few["error_front"], many["error_front"]) == (True, False)


def test_bad_input_is_one_line_and_exit_code_2():
    done = subprocess.run(
        [*COMMAND, "--variant", "rom"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: variant: 'rom' is none of")
    assert len(done.stderr.splitlines()) == 1
