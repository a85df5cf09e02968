import json

import pytest

from rtl.units import UNITS
from sim import pysim
from sim.streams import Expected, judge, patterns
from sim.unit_check import COCOTB_CYCLES, UnitBench, check_unit

SEED = 0


@pytest.mark.parametrize("name", UNITS)
def test_natively_every_word_is_goldens(name):
    result = UnitBench(UNITS[name], SEED).check_native()
    assert result.message == ""
    assert result.differing == 0
    assert result.words == len(patterns(SEED)) * len(UNITS[name].vectors(SEED).outputs)


@pytest.mark.parametrize("name", UNITS)
def test_through_cocotb_every_word_is_goldens(name, tmp_path):
    bench = UnitBench(UNITS[name], SEED)
    result = bench.check_cocotb(tmp_path)
    assert result.message == ""
    assert result.differing == 0
    enough = COCOTB_CYCLES // 2 // bench.expected.interval
    assert result.words >= len(patterns(SEED)) * min(enough, len(bench.expected.outputs))


@pytest.mark.parametrize("name", ["pwl-2-in8", "mac-array-2x2", "softmax-1"])
def test_all_simulators_agree_to_the_cycle(name, tmp_path):
    UnitBench(UNITS[name], SEED).check_cocotb(tmp_path)
    vectors = UNITS[name].vectors(SEED)
    seen = json.loads((tmp_path / "observed.json").read_text())
    for pattern in ("full rate", "gaps and back-pressure"):
        run = pysim.run(
            UNITS[name].build(), vectors.inputs, len(vectors.outputs), patterns(SEED)[pattern]
        )
        assert run.outputs == vectors.outputs
        assert seen[pattern]["taken_at"] == run.taken_at
        assert seen[pattern]["cycles"] == run.cycles


def test_a_unit_is_the_sum_of_both_ways(tmp_path):
    bench = UnitBench(UNITS["pwl-2-in8"], SEED)
    parts = bench.check_native(), bench.check_cocotb(tmp_path / "cocotb")
    whole = check_unit(UNITS["pwl-2-in8"], tmp_path, SEED)
    assert whole.ok
    assert whole.words == sum(part.words for part in parts)
    assert whole.cycles == sum(part.cycles for part in parts)


def test_exhaustive_where_the_input_has_at_most_16_bits():
    for name in ("pwl-2-in8", "pwl-16-in8", "pwl-16-in16"):
        unit = UNITS[name]
        component = unit.build()
        pysim.run(component, [], 0, patterns(0)["full rate"])  # elaborates it
        assert set(unit.vectors(SEED).inputs) == set(range(1 << component.i.payload.shape().width))


def test_the_seed_changes_the_words():
    unit = UNITS["requantizer-8"]
    assert unit.vectors(1) == unit.vectors(1)
    assert unit.vectors(1) != unit.vectors(2)


def test_golden_and_unit_differ_by_one_word(tmp_path):
    bench = UnitBench(UNITS["pwl-2-in8"], SEED)
    outputs = list(bench.expected.outputs)
    outputs[300] ^= 1
    bench.expected = Expected(bench.expected.inputs, outputs, bench.expected.latency)
    for result in (bench.check_native(), bench.check_cocotb(tmp_path)):
        assert not result.ok
        assert result.differing == len(patterns(SEED))
        assert "1 of 512 words differ; word 300: input 0x" in result.message
        assert f"expected {outputs[300]:#x}, got {outputs[300] ^ 1:#x} in cycle" in result.message
    assert judge(bench.expected, {}).words == 0
