"""The NPU on Verilator over its bus: bit- and cycle-exact, and wrong where it was made wrong."""

import json
import re

import numpy as np
import pytest
from npu_verilog import npu_verilog

from golden.errors import InputError
from golden.executor import Executor
from golden.fixed import FixedPoint
from golden.machine import Machine
from golden.npu_config import CONFIGS
from golden.zoo import lstm
from irnn_hw.compiler import compile_model
from sim.npu_check import TOPLEVEL, TRACE, Job, cosimulate, simulate
from sim.npu_mutation import NPU_MUTATIONS, npu_mutant
from sim.verilator import build, run_cocotb

MODEL = lstm(3, 7, 12, 10)
PASSAGE = [1, 4, 0, 6, 2]


def job(**fields) -> Job:
    return Job(PASSAGE, 4, FixedPoint(1 << 15, 26), **fields)


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_every_word_and_cycle(name, tmp_path):
    """Without stalls and with: writes, cycles and counters are the machine's, codes golden's."""
    program, cycles, seen = compile_model(MODEL, CONFIGS[name]), [], []
    for seed in (None, 1, 2):
        result = cosimulate(
            program, MODEL, job(stall_seed=seed), tmp_path / str(seed),
            progress=lambda done, all_steps: seen.append((done, all_steps)),
        )  # fmt: skip
        assert result.message == ""
        assert result.differing == 0
        assert set(result.tensors) >= {"x", "px.i", "ph.o", "c.next", "h.next", "logits"}
        # Nine steps of every tensor, padding left out; and every write, padding and FILLs included.
        codes = sum(t.length for t in MODEL.tensors.values()) - 2 * 40 - 2 * 10
        assert sum(c.words for c in result.tensors.values()) == 9 * codes
        assert result.writes.words > 9 * codes // CONFIGS[name].lanes
        assert result.conversation.symbols[:5] == PASSAGE
        cycles.append(result.cycles)
        assert result.check("npu").ok
    assert cycles[0] < max(cycles)

    assert all(1 <= done <= total == 9 for done, total in seen)


def test_the_prediction_without_stalls_is_close(tmp_path):
    """The host model of the machine alone: only the drawn symbols come later than it assumes."""
    program = compile_model(MODEL, CONFIGS["tiny"])
    result = cosimulate(program, MODEL, Job(PASSAGE), tmp_path, verilog=npu_verilog("tiny"))
    host = type(result.machine.host)(PASSAGE)
    predicted = Machine(program, len(PASSAGE), host).run().cycles
    assert abs(result.cycles - predicted) <= 2 * len(PASSAGE)


@pytest.mark.parametrize("mutation", NPU_MUTATIONS, ids=lambda m: m.name)
def test_a_fault_is_found_and_explained(mutation, tmp_path):
    program = compile_model(MODEL, CONFIGS["tiny"])
    result = cosimulate(program, MODEL, job(), tmp_path, verilog=npu_mutant(mutation))
    assert result.differing > 0
    assert not result.check("npu").ok
    explained = re.match(
        r"([\w.]+)\[(\d+)\] of time step (-?\d+) \((mac|vector) engine, instruction (\d+) (\w+), "
        r"cycle (\d+)\): expected cycle \d+ address 0x\w+ data -?0x\w+, found ",
        result.message,
    )
    assert explained, result.message
    label, element, step, engine, index, opcode, _ = explained.groups()
    instruction = program.instructions[int(index)]
    assert (instruction.opcode.name, instruction.opcode.engine) == (opcode, engine)
    assert label.split(".")[0] == program.labels[int(index)].split(".")[0]
    assert 0 <= int(step) < 9
    assert 0 <= int(element) < 44


def test_a_program_of_another_model_is_refused(tmp_path):
    program = compile_model(lstm(4, 7, 12, 10), CONFIGS["tiny"])
    with pytest.raises(InputError, match=r"^program: compiled from another model; compile this on"):
        cosimulate(program, MODEL, job(), tmp_path)


def test_the_bus(tmp_path):
    """sim/tb_npu_bus.py: refusals, soft reset, repeated runs, bad symbols, the interrupt."""
    program = compile_model(MODEL, CONFIGS["tiny"])
    program.save(tmp_path / "program.irnn")
    runs = []
    for tokens in (PASSAGE, [6, 0, 3]):
        logits = Executor(MODEL).run([tokens])["logits"][0]
        runs.append([tokens, logits.tolist()])
    (tmp_path / "runs.json").write_text(json.dumps(runs))
    sources = {"npu.v": npu_verilog("tiny")}
    sources[TRACE.name] = TRACE.read_text()
    ran = run_cocotb(build(TOPLEVEL, sources, TOPLEVEL), "sim.tb_npu_bus", {}, tmp_path)
    assert (ran.tests, ran.message) == (6, "")


def test_a_run_cut_short_explains_itself(tmp_path):
    """Golden logits that are not the NPU's: the bench stops, and nothing else is accused."""
    program = compile_model(MODEL, CONFIGS["tiny"])
    logits = Executor(MODEL).run([PASSAGE])["logits"][0]
    logits[2, 3] += 1
    simulation = simulate(
        program, Job(PASSAGE, stall_seed=4), logits, tmp_path, verilog=npu_verilog("tiny")
    )
    assert not simulation.ran.ok
    value = int(logits[2, 3])
    message = f"step 2: logit 3 is {value - 1}, golden says {value}"
    assert message in simulation.ran.message
    assert simulation.observed == {}
    assert simulation.cycles_per_second == 0.0
    assert np.array_equal(simulation.trace.output.data[:17], logits.ravel()[:17])
