"""Random programs from the instruction table that the machine accepts: every opcode, flag and bank.

A program is made in an order that is certainly right (each instruction waits for the one before),
and then loses tokens and fences for as long as the machine finds no race.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from golden.isa import Bank, Instruction, Opcode
from golden.machine import Host, Machine, MachineError
from golden.npu_config import NpuConfig
from golden.program import Program
from golden.stimulus import mixed, pwl_spec
from rtl.pwl import offsets

SPACE = 64  # bytes of each memory that are used
SYMBOLS, OUTPUTS, TABLES = 5, 5, 3
Code = list[tuple[Opcode, dict[str, int]]]


def random_program(config: NpuConfig, seed: int, symbols: list[int]) -> Program:
    """The first program from this seed on that is free of races."""
    while True:
        rng = np.random.default_rng(seed)
        program = _program(config, rng, _code(config, rng))
        if accepted(program, symbols):
            return _loosened(program, rng, symbols)
        seed += 1000


def accepted(program: Program, symbols: list[int]) -> bool:
    """Whether the machine runs it."""
    try:
        Machine(program, len(symbols), Host(symbols)).run()
    except MachineError:
        return False
    return True


def _program(config: NpuConfig, rng: np.random.Generator, code: Code) -> Program:
    specs = [pwl_spec(int(rng.integers(1 << 30)), config.pieces) for _ in range(TABLES)]
    shape = (SPACE * 4, config.rows, config.columns)
    return Program(
        config=config,
        instructions=tuple(Instruction(opcode, fields) for opcode, fields in code),
        labels=tuple(f"t{n}" for n in range(len(code))),
        weights=mixed(rng, -127, 127, int(np.prod(shape))).reshape(shape).astype(np.int8),
        bias=mixed(rng, -(1 << 20), 1 << 20, SPACE).astype(np.int32),
        constants=mixed(rng, 0, 255, SPACE * SYMBOLS).astype(np.uint8),
        knots=np.array([s.knots[1:] for s in specs], np.uint8),
        segments=np.array(
            [pair for s in specs for pair in zip(s.slopes, offsets(s), strict=True)], np.int32
        ),
        buffers={},
        outputs=OUTPUTS,
        model_sha256="",
    )


def _code(config: NpuConfig, rng: np.random.Generator) -> Code:
    """Both memories written; then, for every symbol, an EMBED, anything, and a stream."""
    groups = SPACE // config.lanes
    prologue: Code = [
        (Opcode.FILL, {"beats": groups, "z_out": int(rng.integers(256)), "signal": 1}),
        (Opcode.MATVEC, _product(config, rng) | {"rows": SPACE, "dst": 0, "bias": 0, "wait": 1,
                                                "weights": 0, "beats": 1, "signal": 1}),
        (Opcode.VECTOR_SYNC, {"wait": 1}),
    ]  # fmt: skip
    body = [_embed(config, rng), *(_anything(config, rng) for _ in range(rng.integers(4, 12)))]
    stream = {"stream": 1, "rows": OUTPUTS, "dst": 0, "mantissa": 0, "shift": 0, "z_out": 0}
    body.append((Opcode.MATVEC, _product(config, rng) | stream))
    _serialise(body)
    inner = [_anything(config, rng, vector=True) for _ in range(2)]
    for _, fields in inner:
        fields["fence"] = 1
    body[0][1]["fence"] = 1
    return [
        *prologue,
        (Opcode.LOOP, {}),
        *body,
        (Opcode.VECTOR_SYNC, {"wait": 1, "fence": 1}),
        (Opcode.LOOP, {"count": int(rng.integers(2, 4))}),
        *inner,
        (Opcode.END, {}),
        (inner[-1][0], inner[-1][1] | {"signal": 1}),
        (Opcode.MAC_SYNC, {"wait": 1}),
        (Opcode.END, {}),
        (Opcode.HALT, {}),
    ]


def _serialise(body: Code) -> None:
    """Tokens wherever the engine changes, a fence everywhere else."""
    body[-1][1]["signal"] = 1
    for (before, given), (after, taken) in pairwise(body):
        if before.engine != after.engine:
            given["signal"] = taken["wait"] = 1
        if after.engine == "vector":
            taken["fence"] = 1


def _anything(
    config: NpuConfig, rng: np.random.Generator, vector: bool = False
) -> tuple[Opcode, dict[str, int]]:
    choices = [Opcode.MULTIPLY, Opcode.ADD, Opcode.PWL, Opcode.FILL]
    opcode = Opcode(rng.choice(choices if vector else [*choices, Opcode.MATVEC]))
    if opcode == Opcode.MATVEC:
        return opcode, _product(config, rng)
    beats = int(rng.integers(1, 9))
    fields = {"beats": beats, "dst": _place(config, rng, beats), "z_out": int(rng.integers(256))}
    if opcode == Opcode.FILL:
        return opcode, fields
    fields |= {"a": _place(config, rng, beats), "a_bank": int(rng.integers(3))}
    if opcode == Opcode.PWL:
        return opcode, fields | {"table": int(rng.integers(TABLES)), "shift": 17}
    z_a, z_b = (int(z) for z in mixed(rng, 0, 255, 2))
    fields |= {"b": _place(config, rng, beats), "b_bank": int(rng.integers(2)), "z_a": z_a}
    fields["z_b"] = z_b
    if opcode == Opcode.MULTIPLY:
        return opcode, fields | {"m_a": int(rng.integers(1, 1 << 16)), "shift": 22}
    m_a, m_b = (int(m) for m in mixed(rng, -65535, 65535, 2))
    return opcode, fields | {"m_a": m_a, "m_b": m_b, "shift": int(rng.integers(12, 18))}


def _place(config: NpuConfig, rng: np.random.Generator, beats: int) -> int:
    """A lane-aligned address with room for the beats."""
    return int(rng.integers(SPACE // config.lanes - beats + 1)) * config.lanes


def _embed(config: NpuConfig, rng: np.random.Generator) -> tuple[Opcode, dict[str, int]]:
    beats = int(rng.integers(1, SPACE // config.lanes // 4))
    return Opcode.EMBED, {"a_bank": int(Bank.CONSTANT), "b": SYMBOLS, "m_a": 1, "beats": beats,
                          "dst": _place(config, rng, beats)}  # fmt: skip


def _product(config: NpuConfig, rng: np.random.Generator) -> dict[str, int]:
    beats, rows = int(rng.integers(1, 9)), int(rng.integers(1, 12))
    words = SPACE // config.columns
    beats = min(beats, words)
    return {
        "beats": beats,
        "rows": rows,
        "x": int(rng.integers(words - beats + 1)) * config.columns,
        "weights": int(rng.integers(SPACE)),
        "bias": int(rng.integers(SPACE - rows + 1)),
        "dst": int(rng.integers(SPACE - rows + 1)),
        "mantissa": int(rng.integers(1 << 12, 1 << 16)),
        "shift": int(rng.integers(20, 24)),
        "z_out": int(rng.integers(256)),
    }


def _loosened(program: Program, rng: np.random.Generator, symbols: list[int]) -> Program:
    """Without those fences and pairs of tokens that the machine does not miss."""
    for n in rng.permutation(len(program.instructions)):
        instruction = program.instructions[n]
        for edits in ([(n, "fence")], [(n, "signal"), (n + 1, "wait")]):
            if instruction[edits[0][1]] and rng.integers(2):
                looser = _without(program, edits)
                program = looser if accepted(looser, symbols) else program
                instruction = program.instructions[n]
    return program


def _without(program: Program, edits: list[tuple[int, str]]) -> Program:
    code = list(program.instructions)
    for n, flag in edits:
        code[n] = Instruction(code[n].opcode, {**code[n].fields, flag: 0})
    return replace(program, instructions=tuple(code))
