"""irnn mutate: the table of faults, and what it says of one that nobody finds."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from golden.errors import InputError
from irnn_hw import mutate
from irnn_hw.cli import app
from sim.mutations import MUTATIONS


def test_there_are_enough_and_each_has_its_own_name():
    assert len(MUTATIONS) >= 30
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS)


def test_the_mutants_of_a_unit_are_killed():
    done = CliRunner().invoke(app, ["mutate", "mac-array-2x2", "--json"])
    assert done.exit_code == 0, done.output
    verdicts = json.loads(done.stdout)
    assert [v["mutation"] for v in verdicts] == [
        m.name for m in MUTATIONS if m.unit == "mac-array-2x2"
    ]
    assert all(v["killed"] and v["message"] for v in verdicts)


def test_a_fault_that_is_none_survives():
    nothing = dataclasses.replace(MUTATIONS[0], new=MUTATIONS[0].old)
    verdict = mutate.judge(nothing, 1)
    assert (verdict.killed, verdict.message) == (False, "")


def test_a_unit_without_mutants_is_named():
    with pytest.raises(
        InputError, match=r"^unit: no mutants of npu; there are some of affine-30, "
    ):
        mutate.mutate(["npu"], jobs=1, seed=1, progress=lambda *_: None)
