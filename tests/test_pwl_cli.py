"""irnn_hw.pwl_cli: tables and figures, and bad input refused in one line."""

import json
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from golden.activation import PwlSpec, tabulate
from golden.errors import InputError
from irnn_hw.cli import app
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, ideal_table


def irnn(*arguments):
    """Standard output of `irnn pwl`; an InputError is raised as it is."""
    done = CliRunner().invoke(app, ["pwl", *map(str, arguments)])
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def measured(table):
    """Worst and mean error of a printed table, from its numbers alone."""
    x, y = (QuantParams(**table[side]) for side in ("input", "output"))
    constants = (tuple(table[key]) for key in ("knots", "slopes", "intercepts"))
    spec = PwlSpec(*constants, table["shift"], y.zero_point, x.bits, y.bits)
    ideal = ideal_table(FUNCTIONS[table["function"]], x, y)
    error = np.abs(np.subtract(tabulate(spec).table, ideal.table))
    return int(error.max()), round(float(error.mean()), 4)


@pytest.mark.parametrize("method", ["greedy", "optimal"])
def test_fit_prints_a_table_that_is_as_good_as_it_says(method):
    shown = irnn("fit", "sigmoid", "--range", -8, 8, "--pieces", 8, "--method", method, "--json")
    table = json.loads(shown)
    assert table["pieces"] == len(table["knots"]) == 8
    assert table["output"] == {"scale": 1 / 255, "zero_point": 0, "bits": 8}
    assert measured(table) == (table["worst_lsb"], table["mean_lsb"])
    assert table["worst_lsb"] == {"greedy": 6, "optimal": 1}[method]


def test_fit_finds_the_fewest_pieces():
    table = json.loads(irnn("fit", "exp", "--range", -10, 0, "--max-lsb", 0, "--json"))
    assert (table["pieces"], table["worst_lsb"]) == (16, 0)
    assert measured(table) == (0, 0.0)


def test_fit_takes_the_output_range_and_widths():
    table = json.loads(
        irnn("fit", "gelu", "--range", -3, 3, "--out-range", -0.5, 3, "--out-bits", 16, "--json")
    )
    assert table["output"] == {"scale": 3.5 / 65535, "zero_point": 9362, "bits": 16}
    assert len(table["knots"]) <= 16
    assert measured(table) == (table["worst_lsb"], table["mean_lsb"])


def test_fit_shows_the_constants_to_a_person():
    shown = irnn("fit", "relu", "--range", -1, 1, "--pieces", 2)
    assert "intercept" in shown
    assert "worst lsb" in shown


def test_compare_holds_both_methods():
    rows = json.loads(irnn("compare", "exp", "--range", -10, 0, "--pieces", 4, "--json"))
    assert rows["4"]["greedy"]["worst"] == 26
    assert rows["4"]["optimal"]["worst"] == 3


def test_plot_draws_both_figures(tmp_path):
    irnn("plot", "-o", tmp_path)
    for name, rows in (("figure-2", 1), ("figure-a1", 4)):
        image = imread(tmp_path / f"{name}.png")
        assert image.shape[:2] == (585 * rows, 1950)
        assert len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 50


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["softsign", "--range", -1, 1], "function: 'softsign' is unknown; choose one of sigmoid"),
        (["tanh", "--range", 3, 1], r"range: \[3.0, 1.0\] is empty"),
        (["tanh", "--range", 0, "inf"], r"range: \[0.0, inf\] is not finite"),
        (["exp", "--range", 0, 1000], "range: .* is not finite"),
        (["tanh", "--range", -4, 4, "--in-bits", 12], "in-bits: 12; .* 8 and 16"),
        (["tanh", "--range", -4, 4, "--out-bits", 7], "out-bits: 7; .* 8 and 16"),
        (["tanh", "--range", -4, 4, "--pieces", 0], "pieces: 0 is not in 1..255"),
        (["tanh", "--range", -4, 4, "--max-lsb", 256], "max_lsb: 256 is not in 0..255"),
        (["tanh", "--range", -4, 4, "--max-lsb", 1, "--pieces", 4], "pieces: given together"),
        (["tanh", "--range", -4, 4, "--method", "best"], "method: 'best' is unknown"),
    ],
)
def test_bad_input_names_the_field_and_a_remedy(arguments, says):
    with pytest.raises(InputError, match=says):
        irnn("fit", *arguments)


def test_bad_input_is_one_line_and_exit_code_2():
    done = subprocess.run(
        [sys.executable, "-m", "irnn_hw.cli", "pwl", "fit", "tan", "--range", "-1", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: function: 'tan' is unknown")
    assert len(done.stderr.splitlines()) == 1


def test_counts_of_inputs_weight_the_fit(tmp_path):
    """Only codes around zero were seen: two pieces are exact there, and the rest goes astray."""
    counts = [int(120 <= code < 136) for code in range(256)]
    file = tmp_path / "counts.txt"
    file.write_text("\n".join(map(str, counts)))
    arguments = ["fit", "sigmoid", "--range", "-8", "8", "--pieces", "2"]
    plain = json.loads(irnn(*arguments, "--json"))
    weighted = json.loads(irnn(*arguments, "--counts", str(file), "--json"))
    assert weighted["worst_lsb"] > plain["worst_lsb"]
    fewest = json.loads(irnn(*arguments[:-2], "--max-lsb", "0", "--counts", str(file), "--json"))
    assert fewest["pieces"] < 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2 x", "counts: .*could not convert string to float: 'x'; give numbers"),
        ("1 2 3", "weights: not 256 numbers from 0 on"),
        (None, "counts: cannot read .*No such file"),
    ],
)
def test_counts_that_are_none_are_refused(content, message, tmp_path):
    file = tmp_path / "counts.txt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=f"^{message}"):
        irnn("fit", "sigmoid", "--range", -8, 8, "--counts", file)


def test_greedy_takes_no_counts():
    with pytest.raises(
        InputError, match=r"^counts: greedy has no weights; choose --method optimal$"
    ):
        irnn("fit", "sigmoid", "--range", -8, 8, "--method", "greedy", "--counts", "x")
