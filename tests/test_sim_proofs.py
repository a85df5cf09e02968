"""The proofs of sim/proofs: each holds, and fails on the RTL with a fault in it."""

import re

import pytest

from sim.proof import Fault, Proof, prove, prove_fault
from sim.proofs import PROOFS

SLOW = pytest.mark.slow


def kind(proof: Proof) -> str:
    """The name without sizes."""
    return re.sub(r"(-\d+)+$", "", proof.name)


QUICK = {kind(p): p for p in reversed(PROOFS.values()) if not p.slow}  # the first of each kind


def named(proof: Proof):
    return pytest.param(proof, id=proof.name, marks=[SLOW] * proof.slow)


def broken(proof: Proof, fault: Fault):
    marks = [SLOW] * (QUICK[kind(proof)] is not proof)
    return pytest.param(proof, fault, id=f"{proof.name}: {fault.name}", marks=marks)


@pytest.mark.parametrize("proof", [named(p) for p in PROOFS.values()])
def test_it_is_proved(proof: Proof):
    verdict = prove(proof)
    assert verdict.ok, f"{verdict.state}\n{verdict.text()}"


@pytest.mark.parametrize(
    ("proof", "fault"), [broken(p, f) for p in PROOFS.values() for f in p.faults]
)
def test_a_fault_is_found(proof: Proof, fault: Fault):
    verdict = prove_fault(proof, fault)
    assert verdict.state == "refuted"
    assert verdict.counterexample[-1]["ok"] == 0


def test_each_proof_can_fail():
    assert all(proof.faults for proof in PROOFS.values())
