"""Random programs on the RTL: every write in the machine's cycle, whatever the model."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from npu_verilog import npu_verilog
from random_programs import OUTPUTS, SYMBOLS, random_program

from golden.isa import FIELDS, Instruction, Opcode
from golden.machine import Host, Machine
from golden.npu_config import CONFIGS
from golden.trace import count_differing, first_divergence
from sim.npu_check import Job, simulate

TOKENS = [4, 0, 2, 3, 1]
PROGRAMS = [("tiny", seed) for seed in range(6)] + [("small", seed) for seed in range(3)]


def program_of(name: str, seed: int):
    return random_program(CONFIGS[name], seed, TOKENS)


def test_the_programs_use_every_opcode_and_flag():
    seen: Counter = Counter()
    for name, seed in PROGRAMS:
        for i in program_of(name, seed).instructions:
            seen[i.opcode] += 1
            seen.update((i.opcode, flag) for flag in ("wait", "signal", "fence") if i[flag])
            seen.update((f"{x}_bank", i[f"{x}_bank"]) for x in "ab" if i.opcode == Opcode.ADD)
    assert set(Opcode) <= set(seen)
    for opcode, flags in {
        Opcode.MAC_SYNC: ["wait"],
        Opcode.VECTOR_SYNC: ["wait", "fence"],
        Opcode.MATVEC: ["wait", "signal"],
        Opcode.ADD: ["fence", "signal"],
    }.items():
        assert set(flags) <= FIELDS[opcode]
        assert all(seen[opcode, flag] for flag in flags), opcode
    assert all(seen["a_bank", bank] for bank in range(3))
    assert all(seen["b_bank", bank] for bank in range(2))


@pytest.mark.parametrize(("name", "seed"), PROGRAMS)
def test_the_machine_and_the_rtl_agree_to_the_cycle(name, seed, tmp_path):
    program = program_of(name, seed)
    free = Machine(program, len(TOKENS), Host(TOKENS)).run()
    expected = free.output.data.reshape(len(TOKENS), OUTPUTS)
    job = Job(TOKENS, stall_seed=seed if seed % 2 else None)
    simulation = simulate(program, job, expected, tmp_path, verilog=npu_verilog(name))
    assert simulation.ran.message == ""
    found = simulation.trace
    host = Host(TOKENS, found.arrivals, found.departures)
    machine = Machine(program, len(TOKENS), host).run()
    assert first_divergence(machine, found) is None
    assert count_differing(machine, found) == 0
    assert (machine.cycles, machine.mac_beats) == (found.cycles, found.mac_beats)
    assert len(found.activation) > 100
    assert np.array_equal(found.output.data.reshape(-1, OUTPUTS), expected)
    assert max(TOKENS) < SYMBOLS


def test_products_that_end_in_one_cycle(tmp_path):
    """A stream has five cycles less to go than a write: the end of both must still be counted.

    The NPU lost one of two ends that fell into the same cycle, and never raised `done`.
    """
    base = program_of("tiny", 0)
    loop = [i.opcode for i in base.instructions].index(Opcode.LOOP)
    embed = base.instructions[loop + 1]
    product = {"beats": 1, "rows": 2, "mantissa": 1 << 12, "shift": 20}
    code = (
        *base.instructions[: loop + 1],
        Instruction(Opcode.EMBED, {**embed.fields, "signal": 1}),
        Instruction(Opcode.MATVEC, {**product, "wait": 1, "signal": 1}),
        Instruction(Opcode.MATVEC, {"stream": 1, "rows": 1, "beats": 6, "signal": 1}),
        Instruction(Opcode.VECTOR_SYNC, {"wait": 1}),
        Instruction(Opcode.VECTOR_SYNC, {"wait": 1}),
        Instruction(Opcode.END, {}),
        Instruction(Opcode.HALT, {}),
    )
    program = replace(base, instructions=code, labels=("",) * len(code), outputs=1)
    free = Machine(program, len(TOKENS), Host(TOKENS)).run()
    write, stream = free.result.cycle[-1], free.output.cycle[-1]
    assert write == stream
    expected = free.output.data.reshape(len(TOKENS), 1)
    simulation = simulate(program, Job(TOKENS), expected, tmp_path, verilog=npu_verilog("tiny"))
    assert simulation.ran.message == ""
    host = Host(TOKENS, simulation.trace.arrivals, simulation.trace.departures)
    machine = Machine(program, len(TOKENS), host).run()
    assert first_divergence(machine, simulation.trace) is None
    assert machine.cycles == simulation.trace.cycles


def test_an_npu_that_hangs_is_reported(tmp_path):
    """A program that streams one word fewer than the host waits for."""
    base = program_of("tiny", 0)
    loop = [i.opcode for i in base.instructions].index(Opcode.LOOP)
    code = (*base.instructions[:loop], Instruction(Opcode.HALT, {}))
    program = replace(base, instructions=code, labels=("",) * len(code))
    expected = np.zeros((len(TOKENS), OUTPUTS), np.int64)
    simulation = simulate(program, Job(TOKENS), expected, tmp_path, verilog=npu_verilog("tiny"))
    assert "the NPU hangs: nothing came for 1000000 cycles" in simulation.ran.message
    assert simulation.observed == {}
