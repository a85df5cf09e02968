"""sim.proof: what a proof finds, and what it says when it finds nothing."""

import pytest
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib.wiring import In, Out

from rtl.yosys import YosysError
from sim.proof import Proof, Property, prove


class Sums(Property):
    """A sum of 4-bit numbers, in a register of so many bits, is what it should be."""

    def __init__(self, bits: int, given: int = 1):
        self._bits, self._given = bits, given
        super().__init__({"a": In(signed(4)), "b": In(signed(4)), "sum": Out(signed(bits))})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.sum.eq(self.a + self.b)
        m.d.comb += [
            self.given.eq(self._given),
            self.ok.eq(self.sum == self.a + self.b),
            self.seen.eq(self.sum == -16),
        ]
        return m


class Counter(Property):
    """Counts 0, 3, 6, 0 and is never `value`; the probe `state` is the counter."""

    def __init__(self, value: int, *, invariant: bool = False):
        self._value, self._invariant = value, invariant
        super().__init__({"run": In(1), "state": In(3)})

    def elaborate(self, platform):
        m = Module()
        count = Signal(3)
        with m.If(self.run):
            m.d.sync += count.eq(Mux(count == 6, 0, count + 3))
        multiple = (self.state == 0) | (self.state == 3) | (self.state == 6)
        m.d.comb += self.ok.eq((count != self._value) & (multiple | (not self._invariant)))
        m.d.comb += self.seen.eq(count == 3)
        return m


def combinational(*sizes: int) -> Proof:
    return Proof(name="sum", claim="", inputs="", build=lambda: Sums(*sizes), faults=())


def sequential(value: int, *, invariant: bool = False, probe: str = "count") -> Proof:
    return Proof(
        name="counter",
        claim="",
        inputs="",
        build=lambda: Counter(value, invariant=invariant),
        faults=(),
        cycles=5,
        probes={"state": probe},
    )


def test_registers_are_wires_of_a_combinational_proof():
    verdict = prove(combinational(5))
    assert (verdict.ok, verdict.state, verdict.counterexample) == (True, "proved", [])


def test_a_counterexample_is_the_ports_with_their_signs():
    verdict = prove(combinational(4))
    assert (verdict.ok, verdict.state) == (False, "refuted")
    (ports,) = verdict.counterexample
    assert ports.keys() == {"a", "b", "sum", "ok"}
    assert -8 <= ports["a"] < 8 > ports["b"] >= -8
    assert not -8 <= ports["a"] + ports["b"] < 8
    assert ports["sum"] == (ports["a"] + ports["b"] + 8) % 16 - 8
    assert verdict.text() == (
        "counterexample, ports by cycle\n"
        f"   1: {', '.join(f'{name} {value}' for name, value in ports.items())}"
    )


def test_assumptions_that_nothing_meets_prove_nothing():
    verdict = prove(combinational(4, 0))
    assert (verdict.proved, verdict.ok, verdict.state) == (True, False, "vacuous")


def test_a_counterexample_by_induction_is_the_shortest_from_reset():
    verdict = prove(sequential(6))
    assert verdict.state == "refuted"
    assert [ports["state"] for ports in verdict.counterexample] == [0, 3, 6]
    assert [ports["ok"] for ports in verdict.counterexample] == [1, 1, 0]
    assert [ports["run"] for ports in verdict.counterexample[:2]] == [1, 1]


def test_what_no_step_keeps_is_undecided_until_a_probe_says_more():
    """5 follows 2, which no reset leads to: an induction has to be told which do."""
    verdict = prove(sequential(5))
    assert (verdict.state, verdict.counterexample) == ("undecided", [])
    assert prove(sequential(5, invariant=True)).ok


def test_a_probe_of_no_wire_is_an_error():
    with pytest.raises(YosysError, match="no_such_wire"):
        prove(sequential(5, probe="no_such_wire"))
