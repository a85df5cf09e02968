import dataclasses
import io
import os
from functools import partial
from xml.etree import ElementTree

import pytest
from rich.console import Console

from golden.errors import InputError
from rtl.units import UNITS
from rtl.units.unit import Vectors
from sim.check import Check, CheckResult
from sim.junit import write_junit
from sim.regression import all_passed, run_regression, summary_table, unit_checks
from sim.unit_check import check_unit

UNIT = UNITS["pwl-2-in8"]


def broken_twin(folder, seed, waves):
    """A golden that is wrong in one word."""
    vectors = UNIT.vectors(seed)
    outputs = list(vectors.outputs)
    outputs[7] ^= 1
    unit = dataclasses.replace(UNIT, vectors=lambda _: Vectors(vectors.inputs, outputs))
    return check_unit(unit, folder, seed, waves=waves)


def crashes(folder, seed, waves):
    os.abort()


def raises(folder, seed, waves):
    raise ValueError("the reason")


def compares(words, folder, seed, waves):
    (folder / "files").write_text("")
    return CheckResult("compares", words, 0, 10 * seed, 0.5, "")


CHECKS = [
    Check("twin", broken_twin),
    Check("crashes", crashes),
    Check("raises", raises),
    Check("nothing", partial(compares, 0)),
    Check("good", partial(compares, 5)),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_regression(CHECKS, tmp_path_factory.mktemp("regression"), seed=3)


def test_only_the_good_one_passes(results):
    assert [r.ok for r in results] == [False, False, False, False, True]
    assert not all_passed(results)
    assert all_passed(results[-1:])
    assert not all_passed([])


def test_a_broken_twin_is_reported_with_its_first_difference(results):
    twin = results[0]
    inputs, right = UNIT.vectors(3).inputs[7], UNIT.vectors(3).outputs[7]
    assert twin.differing == 10  # once in each pattern, natively and through cocotb
    for way in ("native", "cocotb"):
        assert (
            f"{way}, full rate: 1 of 512 words differ; word 7: input {inputs}, "
            f"expected {right ^ 1}, got {right} in cycle 11" in twin.message
        )


def test_what_went_wrong_is_told(results):
    assert "crashed: the process ended with exit code -6" in results[1].problem
    assert results[2].problem == "ValueError: the reason"
    assert results[3].problem == "no words were compared"
    assert results[4].problem == ""


def test_junit_holds_every_check(results, tmp_path):
    write_junit(results, tmp_path / "new" / "junit.xml")
    suite = ElementTree.parse(tmp_path / "new" / "junit.xml").getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("5", "4")
    failures = {c.get("name"): c.find("failure") for c in suite.iter("testcase")}
    assert [name for name, failure in failures.items() if failure is None] == ["good"]
    assert "word 7" in failures["twin"].get("message")
    words = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert words == {"words": "5", "differing": "0", "cycles": "30"}


def test_the_table_sums_up(results):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary_table(results))
    text = console.export_text()
    assert "4 failed" in text
    assert "FAILED: no words were compared" in text
    console.print(summary_table(results[-1:]))
    assert "all passed" in console.export_text()


def test_results_keep_the_order_and_report_progress(tmp_path):
    seen = []
    checks = [Check(str(n), partial(compares, n)) for n in (1, 2, 3)]
    results = run_regression(
        checks,
        tmp_path,
        jobs=3,
        progress=lambda done, total, r: seen.append((done, total, r.words)),
    )
    assert [r.words for r in results] == [1, 2, 3]
    assert [s[:2] for s in seen] == [(1, 3), (2, 3), (3, 3)]
    assert {s[2] for s in seen} == {1, 2, 3}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2", "3"]


def test_unit_checks_are_the_registry(tmp_path):
    assert [c.name for c in unit_checks()] == list(UNITS)
    checks = unit_checks(["pwl-2-in8"])
    assert run_regression(checks, tmp_path)[0].ok
    assert (tmp_path / "pwl-2-in8" / "results.xml").is_file()
    with pytest.raises(InputError, match="no unit nonsense in the registry; there are"):
        unit_checks(["nonsense"])


def test_a_missing_tool_is_bad_input(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="tools are missing"):
        run_regression(unit_checks(["pwl-2-in8"]), tmp_path)
