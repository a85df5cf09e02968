"""The quick estimate of area, against designs counted by hand and against Yosys."""

import importlib.util
import json
from itertools import pairwise
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from area_designs import Bits, Multiplier, Ram
from typer.testing import CliRunner

from golden.errors import InputError
from irnn_hw.area import yosys
from irnn_hw.cli import app
from irnn_hw.estimate.area import components, estimate, estimates, technology_named
from irnn_hw.estimate.technology import TECHNOLOGIES
from rtl.pipeline import delayed

ECP5 = technology_named("ecp5")


class Sum(wiring.Component):
    """A registered sum of two words, and that of it delayed which nothing tells apart."""

    def __init__(self, width: int):
        self._width = width
        super().__init__({"a": In(width), "b": In(width), "y": Out(width), "late": Out(2)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.y.eq(self.a + self.b)
        once, twice = (delayed(m, self.y[0], 2, name) for name in ("once", "twice"))
        m.d.comb += self.late.eq(once ^ (twice << 1))
        return m


@pytest.mark.parametrize(("target", "logic"), [("ecp5", 8), ("ice40", 8)])
def test_a_nand_and_a_register_a_bit(target, logic):
    made = estimate(Bits(8), technology_named(target))
    assert {name: count for name, count in made.items() if count} == {"lut": logic, "ff": 8}


def test_a_multiplier_a_memory_and_gates():
    assert estimate(Multiplier(), ECP5) == {"lut": 0, "ff": 16, "dsp": 1, "bram": 0}
    assert estimate(Ram(), ECP5)["bram"] == 1
    gates = estimate(Ram(), technology_named("gates"))
    assert gates["memory_bits"] == 1024 * 16


def test_a_sum_is_a_chain_and_equal_registers_are_one(tmp_path):
    """16 bits are eight CCU2C of two LUTs each; of the four delays two are left, and an XOR."""
    made = estimate(Sum(16), ECP5)
    assert made == {"lut": 16, "ff": 18, "dsp": 0, "bram": 0}
    assert made == yosys.estimate(Sum(16), "top", "ecp5", tmp_path)["total"]


def _close(name, unit, tolerance, tmp_path, target="ecp5"):
    made = estimate(unit, technology_named(target))
    true = yosys.estimate(unit, "unit", target, tmp_path)["total"]
    assert made["lut"] == pytest.approx(true["lut"], rel=tolerance), name
    assert [made[f] for f in ("ff", "dsp", "bram") if f in made] == [
        true[f] for f in ("ff", "dsp", "bram") if f in made
    ], name


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("pwl", {"variants": ("search",), "pieces": (24,), "in_bits": (8,)}),
        ("pwl", {"variants": ("bank",), "tables": ("loadable",), "pieces": (24,), "in_bits": (8,)}),
        ("mac", {"variants": ("int8", "ternary"), "rows": (3,), "columns": (2,)}),
        ("requantizer", {"variants": ("constant",), "multiplier_bits": (18,)}),
    ],
)
def test_units_that_calibrated_nothing_are_within_a_tenth(name, axes, tmp_path):
    knots = {"knots": ("greedy",)} if name == "pwl" else {}
    for labels, unit in components(name, {**axes, **knots}):
        _close(str(labels), unit, 0.1, tmp_path)


def test_an_estimate_is_not_a_table_of_results():
    """A piece more is a little more area, at every number of pieces."""
    axes = {"variants": ("bank",), "tables": ("loadable",), "knots": ("greedy",), "in_bits": (8,)}
    areas = [
        one["total"] for one in estimates("pwl", ["ecp5"], {**axes, "pieces": tuple(range(20, 26))})
    ]
    # Of a knot of 8 bits: its register, perhaps that of its comparison, and four CCU2C.
    assert {b["ff"] - a["ff"] for a, b in pairwise(areas)} <= {8, 9}
    steps = [b["lut"] - a["lut"] for a, b in pairwise(areas)]
    assert all(0 < step < 40 for step in steps)


def test_the_command_prints_the_figures_of_irnn_area():
    result = CliRunner().invoke(
        app, ["estimate", "mac-array-2x2", "--target", "ecp5", "--target", "gates", "--json"]
    )
    fpga, gates = json.loads(result.stdout)
    assert list(fpga["total"]) == ["lut", "ff", "dsp", "bram"]
    assert list(gates["total"]) == ["nand2", "transistors", "ff", "memory_bits"]
    assert fpga["total"]["dsp"] == 4
    assert fpga["parameters"] == {"unit": "mac-array-2x2"}


def test_the_command_takes_the_axes_of_a_sweep():
    arguments = ["estimate", "pwl", "--variant", "bank,search", "--pieces", "8", "--json"]
    results = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert [one["parameters"]["variant"] for one in results] == ["bank", "search"]


@pytest.mark.parametrize(
    ("name", "targets", "axes", "field"),
    [
        ("nothing", ["ecp5"], {}, "unit"),
        ("divider-8", ["up5k"], {}, "target"),
        ("divider-8", ["ecp5"], {"step": (1,)}, "step"),
        ("pwl", ["ecp5"], {"pieces": (0,)}, "pieces"),
    ],
)
def test_what_cannot_be_estimated_is_named(name, targets, axes, field):
    with pytest.raises(InputError, match=field):
        estimates(name, targets, axes)


def _benchmark():
    path = Path(__file__).parents[1] / "benchmarks" / "estimate.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_estimates", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("target", TECHNOLOGIES)
def test_errors_are_those_that_are_stated(target):
    """Of every point, held out or not: the whole grid on ECP5, the registry on the others."""
    benchmark = _benchmark()
    points = benchmark.designs() if target == "ecp5" else benchmark.registry()
    errors = [abs(benchmark.error(row)) for row in benchmark.compare(target, points)]
    mean, most = benchmark.STATED[target]
    assert sum(errors) / len(errors) <= mean
    assert max(errors) <= most
