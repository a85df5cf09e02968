"""sim.lockstep: what is said of a divergence, by divergences made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from golden.executor import Executor
from golden.machine import Host, Machine
from golden.npu_config import CONFIGS
from golden.trace import Events, first_divergence
from golden.zoo import lstm
from irnn_hw.compiler import compile_model
from sim.lockstep import compare_tensors, explain

TOKENS = [1, 4, 0]
MODEL = lstm(3, 7, 6, 5)


@pytest.fixture(scope="module", params=["tiny", "small"])
def ran(request):
    program = compile_model(MODEL, CONFIGS[request.param])
    machine = Machine(program, len(TOKENS), Host(TOKENS))
    names = [op.output for op in MODEL.operations]
    values = Executor(MODEL, keep=names).run([TOKENS])
    return machine, machine.run(), {name: codes[0] for name, codes in values.items()}


def altered(events: Events, index: int, **by: int) -> Events:
    columns = {name: getattr(events, name).copy() for name in ("cycle", "address", "data")}
    for name, difference in by.items():
        columns[name][index] += difference
    return Events(**columns)


def told(ran, **kinds) -> str:
    machine, trace, values = ran
    divergence = first_divergence(trace, replace(trace, **kinds))
    return explain(divergence, machine, MODEL, values)


def writes_of(ran, name: str) -> list[int]:
    """Indices of the vector engine's writes to a tensor."""
    machine, trace, _ = ran
    buffer = machine.program.buffers[name]
    inside = (trace.activation.address >= buffer.address) & (
        trace.activation.address < buffer.address + buffer.length
    )
    return np.flatnonzero(inside).tolist()


def test_equal_runs_compare_equal(ran):
    machine, trace, values = ran
    compared = compare_tensors(machine.program, MODEL, trace, values)
    assert set(compared) == {op.output for op in MODEL.operations} - {"px", "ph"}
    assert all(c.differing == 0 for c in compared.values())
    assert {n: c.words for n, c in compared.items()} == {
        n: 3 * MODEL.tensors[n].length for n in compared
    }


def test_an_element_wise_result_is_shown_with_its_operands(ran):
    machine, trace, values = ran
    lanes = machine.program.config.lanes
    writes = writes_of(ran, "fc")
    beats = machine.program.buffers["fc"].length // lanes
    text = told(ran, activation=altered(trace.activation, writes[beats + 1], data=1))
    element, cycle = lanes, trace.activation.cycle[writes[beats + 1]]
    assert text.startswith(f"fc[{element}] of time step 1 (vector engine, instruction ")
    assert f" MULTIPLY, cycle {cycle}): expected cycle {cycle} address 0x" in text
    f, c = values["f"][1, element], values["c.next"][0, element]
    assert text.endswith(f"; operands f[{element}] = {f}, c[{element}] = {c}")


def test_a_product_is_named_by_its_slice(ran):
    machine, trace, _ = ran
    buffer = machine.program.buffers["ph.o"]
    index = int(np.flatnonzero(trace.result.address == buffer.address + 3)[1])
    text = told(ran, result=altered(trace.result, index, data=-1))
    assert text.startswith("ph.o[3] of time step 1 (mac engine, instruction ")


def test_a_lane_is_told_from_its_neighbour(ran):
    machine, trace, _ = ran
    lanes = machine.program.config.lanes
    first = writes_of(ran, "i")[0]
    text = told(ran, activation=altered(trace.activation, first, data=1 << (8 * (lanes - 1))))
    assert text.startswith(f"i[{lanes - 1}] of time step 0 ")


def test_a_logit(ran):
    _, trace, _ = ran
    text = told(ran, output=altered(trace.output, 9, data=5))
    assert text.startswith("logits[2] of time step 1 (mac engine, ")
    assert " MATVEC, " in text


def test_a_state_before_the_first_step(ran):
    _, trace, _ = ran
    text = told(ran, activation=altered(trace.activation, 0, data=1))
    assert text.startswith("h[0] of time step -1 (vector engine, instruction 0 FILL, ")


def test_a_late_write_and_a_missing_one(ran):
    _, trace, _ = ran
    late = told(ran, output=altered(trace.output, 3, cycle=2))
    cycle = trace.output.cycle[3]
    assert f"expected cycle {cycle} " in late
    assert f"found cycle {cycle + 2} " in late
    cut = Events(*(getattr(trace.output, n)[:-1] for n in ("cycle", "address", "data")))
    assert told(ran, output=cut).endswith("found nothing")


def test_a_write_that_no_instruction_makes(ran):
    _, trace, _ = ran
    columns = [getattr(trace.result, n) for n in ("cycle", "address", "data")]
    surplus = Events(*(np.append(c, [v]) for c, v in zip(columns, (10**6, 3, 7), strict=True)))
    text = told(ran, result=surplus)
    count = len(trace.result)
    assert text == (
        f"result event {count} in cycle 1000000: expected nothing, "
        "found cycle 1000000 address 0x3 data 0x7"
    )


def test_tensors_count_what_differs_is_missing_or_too_much(ran):
    machine, trace, values = ran
    program = machine.program
    index = writes_of(ran, "fc")[0]
    wrong = replace(trace, activation=altered(trace.activation, index, data=1))
    compared = compare_tensors(program, MODEL, wrong, values)
    assert {n: c.differing for n, c in compared.items() if c.differing} == {"fc": 1}
    cut = replace(
        trace, output=Events(*(getattr(trace.output, n)[:14] for n in ("cycle", "address", "data")))
    )
    compared = compare_tensors(program, MODEL, cut, values)
    assert (compared["logits"].differing, compared["logits"].words) == (7, 21)
    shorter = {name: rows[:2] for name, rows in values.items()}
    compared = compare_tensors(program, MODEL, trace, shorter)
    assert all(c.differing == MODEL.tensors[n].length for n, c in compared.items())
