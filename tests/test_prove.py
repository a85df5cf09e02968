"""irnn prove: which proofs, the table, and the exit code where one fails."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from golden.errors import InputError
from irnn_hw.cli import app
from irnn_hw.prove import chosen
from sim.proofs import PROOFS
from sim.proofs.queue import Overwriting, QueueInOrder


def test_a_name_may_be_its_beginning():
    assert [p.name for p in chosen(["pipeline", "axi"], False)] == [
        *(f"pipeline-{n}" for n in (2, 1, 3, 4)),
        "axi-lite",
    ]


def test_slow_ones_are_asked_for():
    quick, every = chosen(None, False), chosen(None, True)
    assert every == list(PROOFS.values())
    assert quick == [p for p in every if not p.slow] != every
    assert chosen(["rounder-64-16"], False)[0].slow


def test_a_proof_that_is_none():
    with pytest.raises(InputError, match=r"^proof: no proof moon; there are rounder-40-8, "):
        chosen(["moon"], False)


def test_a_table_and_json():
    done = CliRunner().invoke(app, ["prove", "axi-lite"])
    assert done.exit_code == 0, done.output
    assert all(text in done.stdout for text in ("axi-lite", "one answer", "proved"))
    done = CliRunner().invoke(app, ["prove", "axi-lite", "--json"])
    (verdict,) = json.loads(done.stdout)
    assert verdict.pop("seconds") > 0
    assert verdict == {"name": "axi-lite", "proved": True, "reached": True, "counterexample": []}


def test_a_failed_proof_shows_its_counterexample(monkeypatch):
    broken = dataclasses.replace(PROOFS["queue-4"], build=lambda: QueueInOrder(4, Overwriting))
    monkeypatch.setitem(PROOFS, "queue-4", broken)
    done = CliRunner().invoke(app, ["prove", "queue-4"])
    assert done.exit_code == 1
    assert "refuted" in done.stdout
    assert "   5: consume" in done.stdout
    assert "queue-4 refuted" in done.output


def test_the_page_names_each_kind():
    page = (Path(__file__).parents[1] / "docs" / "units.md").read_text().split("## Proofs")[1]
    kinds = re.findall(r"^\| `([a-z-]+?)(?:-[A-Z])*` \|", page, re.MULTILINE)
    assert {re.sub(r"(-\d+)+$", "", name) for name in PROOFS} == set(kinds)
