from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from golden.executor import Executor
from golden.isa import Bank, Instruction, Opcode
from golden.machine import Host, Machine, MachineError, TokenError
from golden.npu_config import CONFIGS, MAC_STREAM_LATENCY, VECTOR_WRITE_LATENCY
from golden.program import Program
from golden.zoo import lstm
from irnn_hw.compiler import compile_model

TINY = CONFIGS["tiny"]
TOKENS = [1, 2, 3, 0, 5, 6]
HALT = Instruction(Opcode.HALT, {})


def program(*instructions: Instruction, **arrays) -> Program:
    """A program for `tiny` of these instructions, with eight words of ones to read."""
    images = {
        "weights": np.ones((8, 2, 2), np.int8),
        "bias": np.zeros(8, np.int32),
        "constants": np.arange(16, dtype=np.uint8),
        "knots": np.zeros((1, 15), np.uint8),
        "segments": np.ones((16, 2), np.int32),
    } | arrays
    labels = tuple(f"t{n}" for n in range(len(instructions)))
    return Program(TINY, instructions, labels, buffers={}, outputs=2, model_sha256="", **images)


def run(*instructions: Instruction, symbols=(), steps=1, **arrays):
    return Machine(program(*instructions, HALT, **arrays), steps, Host(symbols)).run()


def fill(dst, beats=2, **fields) -> Instruction:
    return Instruction(Opcode.FILL, {"dst": dst, "beats": beats, "z_out": 7, **fields})


def matvec(**fields) -> Instruction:
    defaults = {"beats": 1, "rows": 2, "mantissa": 1, "wait": 1}
    return Instruction(Opcode.MATVEC, defaults | fields)


def pwl(**fields) -> Instruction:
    return Instruction(Opcode.PWL, {"beats": 2, "dst": 4} | fields)


def refused(message: str):
    return pytest.raises(MachineError, match=message)


def test_cycles_of_one_instruction_by_hand():
    """Fetch and decode 2, queue 1, a beat each, the write latency, HALT once all is written."""
    trace = run(fill(4))
    assert trace.activation.cycle.tolist() == [4 + VECTOR_WRITE_LATENCY, 5 + VECTOR_WRITE_LATENCY]
    assert trace.activation.address.tolist() == [4, 5]
    assert trace.activation.data.tolist() == [7, 7]
    assert trace.cycles == 5 + VECTOR_WRITE_LATENCY + 2


def test_cycles_of_a_stream_by_hand():
    """The token is given with the last write; the product starts two cycles later."""
    trace = run(fill(0, signal=1), matvec(stream=1))
    written = int(trace.activation.cycle[-1])
    first_row = written + 1 + 1 + 1 + MAC_STREAM_LATENCY
    assert trace.output.cycle.tolist() == [first_row, first_row + 1]
    assert trace.output.data.tolist() == [14, 14]
    assert trace.output.address.tolist() == [0, 1]
    assert trace.mac_beats == 1


MODELS = {
    "tiny": (6, 5, 7, 4),
    "small": (12, 10, 9, 16),
    "base": (20, 50, 9, 16),
    "large": (12, 50, 9, 16),
}


@pytest.mark.parametrize(("name", "expected"), [("tiny", 17), ("small", 17), ("base", 14),
                                                ("large", 17)])  # fmt: skip
def test_every_token_and_fence_of_a_compiled_program_is_needed(name, expected):
    """Without any one of them: a deadlock or a race, found; never another number."""
    embedding, hidden, symbols, pieces = MODELS[name]
    model = lstm(3, symbols, embedding, hidden, pieces)
    compiled = compile_model(model, CONFIGS[name])
    golden = Executor(model).run([TOKENS])["logits"].ravel()
    assert np.array_equal(Machine(compiled, 6, Host(TOKENS)).run().output.data, golden)
    removed = 0
    for n, i in enumerate(compiled.instructions):
        for flag in ("wait", "signal", "fence"):
            if not i[flag]:
                continue
            without = Instruction(i.opcode, {**i.fields, flag: 0})
            code = (*compiled.instructions[:n], without, *compiled.instructions[n + 1 :])
            with refused("deadlock|before its write|never written|still in use|left over"):
                Machine(replace(compiled, instructions=code), 6, Host(TOKENS)).run()
            removed += 1
    assert removed == expected


def test_a_deadlock_names_what_waits():
    with refused(r"^deadlock: mac waits to start instruction 1 \(MATVEC t1\)$"):
        run(fill(0), matvec(stream=1))
    with refused(r"^deadlock: vector waits to start instruction 0 \(EMBED t0\)$"):
        run(Instruction(Opcode.EMBED, {"b": 3, "beats": 1, "m_a": 1, "a_bank": Bank.CONSTANT}))


def test_tokens_left_over_would_free_the_next_run():
    with refused(r"^mac: tokens are left over for the next run$"):
        run(fill(0, signal=1))


def test_more_tokens_at_once_than_the_counter_holds():
    """Counted in time, not in the order in which the machine happens to execute."""
    fills = [fill(0, 40, signal=1) for _ in range(16)]
    with pytest.raises(TokenError, match=r"^mac: 16 tokens at once, token_bits is 4$"):
        run(*fills)
    sync = Instruction(Opcode.MAC_SYNC, {"wait": 1})
    run(*(x for f in fills for x in (f, sync)))
    slow = [matvec(stream=1, rows=16, beats=4, wait=int(n == 0)) for n in range(4)]
    images = {"weights": np.ones((32, 2, 2), np.int8), "bias": np.zeros(16, np.int32)}
    late = [fill(0, 8, signal=1), *slow, *(fill(16, 1, signal=1) for _ in range(16)), *[sync] * 16]
    with pytest.raises(TokenError, match=r"^mac: 1\d tokens at once"):
        run(*late, **images)


def test_reads_of_memory_never_written():
    with refused(r"^instruction 0 \(PWL t0\): reads activation memory that was never written$"):
        run(pwl())
    with refused(r"^instruction 0 \(PWL t0\): reads result memory that was never written$"):
        run(pwl(a_bank=Bank.RESULT))
    with refused(r"reads weight memory that was never written$"):
        run(fill(0, signal=1), matvec(stream=1, weights=8))
    with refused(r"reads bias memory that was never written$"):
        run(fill(0, signal=1), matvec(stream=1, bias=7))
    with refused(r"reads constant memory that was never written$"):
        run(pwl(a=15, a_bank=Bank.CONSTANT))
    with refused(r"reads knot memory that was never written$"):
        run(fill(0), pwl(fence=1, table=1))


def test_races():
    with refused(r"^instruction 1 \(PWL t1\): reads activation memory before its write has landed"):
        run(fill(0), pwl())
    with refused(r"^instruction 1 \(FILL t1\): overwrites activation memory that is still in use"):
        run(fill(0, signal=1), fill(0), matvec(stream=1))
    # Nothing makes the second fill wait for the last tile, which reads the same words.
    slow = matvec(stream=1, rows=16, bias=0, weights=0)
    with refused(r"^instruction 2 \(FILL t2\): overwrites activation memory that is still in use"):
        run(fill(0, signal=1), slow, fill(0, 2), weights=np.ones((8, 2, 2), np.int8),
            bias=np.zeros(16, np.int32))  # fmt: skip


def test_a_fence_waits_for_the_write_and_no_longer():
    trace = run(fill(0), pwl(fence=1))
    written, copied = trace.activation.cycle[1], trace.activation.cycle[2]
    assert copied - VECTOR_WRITE_LATENCY == written + 1


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        (fill(1023), "address outside the activation memory"),
        (matvec(dst=1023, wait=0), "never written"),
        (matvec(rows=0, wait=0), "no rows, no beats, or x is not word-aligned"),
        (matvec(beats=0, wait=0), "no rows, no beats, or x is not word-aligned"),
        (matvec(x=1, wait=0), "no rows, no beats, or x is not word-aligned"),
        (fill(0, 0), "no beats, or dst is not lane-aligned"),
        (pwl(a_bank=3), "a is in no bank"),
        (Instruction(Opcode.END, {}), "instruction 0: END without LOOP"),
    ],
)
def test_bad_instructions(instruction, message):
    with refused(message):
        run(instruction)


def test_an_accumulator_beyond_32_bits():
    bias = np.full(8, (1 << 31) - 1, np.int32)
    with refused(r"^instruction 1 \(MATVEC t1\): an accumulator leaves its 32 bits$"):
        run(fill(0, signal=1), matvec(stream=1), bias=bias)


def test_programs_that_do_not_end():
    with refused(r"^the program runs past its end: no HALT$"):
        Machine(program(fill(0)), 1, Host([])).run()
    loop = Instruction(Opcode.LOOP, {"count": 2})
    with refused(r"^instruction 2: HALT inside a LOOP$"):
        run(loop, fill(0))
    with refused(r"^instruction 2: more than 2 nested LOOPs$"):
        run(loop, loop, loop)
    with refused(r"^0 steps; at least 1$"):
        run(fill(0), steps=0)


def test_loops_nest_and_take_the_steps_register():
    outer, inner = Instruction(Opcode.LOOP, {}), Instruction(Opcode.LOOP, {"count": 3})
    end = Instruction(Opcode.END, {})
    trace = run(outer, inner, fill(0, 1), end, end, steps=4)
    assert len(trace.activation) == 12


@pytest.mark.parametrize("symbol", [-1, 3])
def test_a_symbol_outside_the_table(symbol):
    embed = Instruction(Opcode.EMBED, {"b": 3, "beats": 1, "m_a": 1, "a_bank": Bank.CONSTANT})
    with refused(rf"^instruction 0 \(EMBED t0\): symbol {symbol} outside 0\.\.2$"):
        run(embed, symbols=[symbol])


def stalled(seed: int, steps: int, outputs: int, cycles: int) -> Host:
    """A host that is late: symbols and output words cross at random, increasing cycles."""
    rng = np.random.default_rng(seed)
    span = cycles * int(rng.integers(1, 6))
    arrivals = np.sort(rng.integers(0, span, steps))
    return Host(TOKENS, arrivals, np.sort(rng.integers(span, 3 * span, steps * outputs)))


@pytest.mark.parametrize("seed", range(10))
def test_a_host_that_stalls_changes_cycles_and_no_number(seed):
    model = lstm(3, 7, 6, 5, 4)
    compiled = compile_model(model, TINY)
    free = Machine(compiled, 6, Host(TOKENS)).run()
    host = stalled(seed, 6, 7, free.cycles)
    late = Machine(compiled, 6, host).run()
    assert np.array_equal(late.output.data, free.output.data)
    assert late.cycles == int(host.departures[-1]) + 2 > free.cycles
    assert np.array_equal(late.arrivals, host.arrivals)
    assert np.array_equal(late.departures, host.departures)
    assert np.all(late.output.cycle[: TINY.output_depth] < late.cycles)


def test_back_pressure_holds_a_tile_until_there_is_room():
    """Every queued word stays; no more than the queue's depth is ever under way."""
    model = lstm(3, 7, 6, 5, 4)
    compiled = compile_model(model, TINY)
    departures = np.arange(42) * 50 + 5000
    late = Machine(compiled, 6, Host(TOKENS, departures=departures)).run()
    entered = late.output.cycle
    depth = TINY.output_depth
    assert np.all(entered[depth:] > departures[:-depth])
    assert np.all(entered < departures)


def test_executed_instructions_tell_their_cycles():
    compiled = compile_model(lstm(3, 7, 6, 5, 4), TINY)
    machine = Machine(compiled, 6, Host(TOKENS))
    seen = []
    machine.run(seen.append)
    assert seen == sorted(seen)
    assert seen[-1] in (5, 6)
    for engine in ("mac", "vector"):
        mine = [e for e in machine.executed if e.engine == engine]
        assert all(e.ready <= e.accepted < e.issued < e.landed for e in mine)
        assert all(a.issued <= b.accepted for a, b in pairwise(mine))
