import dataclasses

import pytest

from rtl.emit import verilog_text
from rtl.units import UNITS
from sim.mutation import mutant_verilog
from sim.mutations import MUTATIONS
from sim.unit_check import TOPLEVEL, UnitBench


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_unit_check_finds_the_fault(mutation):
    bench = UnitBench(UNITS[mutation.unit], 0)
    assert bench.check_native().ok
    mutant = mutant_verilog(mutation)
    assert mutant != bench.verilog
    bench.verilog = mutant
    result = bench.check_native()
    assert not result.ok
    assert result.message


def test_without_a_fault_the_copy_is_the_unit():
    nothing = dataclasses.replace(MUTATIONS[0], new=MUTATIONS[0].old)
    own = verilog_text(UNITS[nothing.unit].build(), TOPLEVEL)
    assert mutant_verilog(nothing) == own


def test_an_edit_that_does_not_apply_is_an_error():
    gone = dataclasses.replace(MUTATIONS[0], old="no such text")
    with pytest.raises(ValueError, match="stands 0 times"):
        mutant_verilog(gone)
    twice = dataclasses.replace(MUTATIONS[0], old="bits")
    with pytest.raises(ValueError, match=r"stands \d+ times"):
        mutant_verilog(twice)


def test_a_mutant_that_is_no_program_is_an_error():
    broken = dataclasses.replace(MUTATIONS[0], new="rounded = ((")
    with pytest.raises(RuntimeError, match="SyntaxError"):
        mutant_verilog(broken)
