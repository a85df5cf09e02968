"""Compares an NPU run with its golden twins, and explains the first divergence."""

from dataclasses import dataclass

import numpy as np

from golden.fixed import Int64
from golden.isa import Bank, Instruction, Opcode
from golden.machine import Executed, Machine
from golden.model import IntModel
from golden.operations import Slice
from golden.program import Buffer, Program
from golden.trace import Divergence, Trace

ENGINES = {"result": "mac", "output": "mac", "activation": "vector"}


@dataclass(frozen=True)
class Compared:
    """Words compared with a twin, and how many of them differ."""

    words: int
    differing: int


def compare_tensors(
    program: Program, model: IntModel, trace: Trace, values: dict[str, Int64]
) -> dict[str, Compared]:
    """Each tensor's codes as the RTL wrote them, and its logits, against the golden model.

    values: tensor -> (steps, length), from the executor. A code that was never written differs. A
    product that is read in slices is compared slice by slice.
    """
    sliced = {op.inputs[0] for op in model.operations if isinstance(op, Slice)}
    compared = {}
    for op in model.operations:
        if op.output in program.buffers and op.output not in sliced:
            written = _codes(program, trace, program.buffers[op.output])
            compared[op.output] = _count(values[op.output], written)
    logits = trace.output.data[: len(trace.output.data) // program.outputs * program.outputs]
    compared[model.output] = _count(values[model.output], logits.reshape(-1, program.outputs))
    return compared


def _codes(program: Program, trace: Trace, buffer: Buffer) -> Int64:
    """(steps, length) codes written to a buffer, initial FILLs left out."""
    vector = buffer.bank == Bank.ACTIVATION
    events, width = (trace.activation, program.config.lanes) if vector else (trace.result, 1)
    offset = events.address - buffer.address
    mine = (offset >= 0) & (offset < buffer.length)
    writes = buffer.length // width
    fills = sum(
        i.opcode == Opcode.FILL and i["dst"] == buffer.address for i in program.instructions
    )
    skip = writes * fills * vector
    steps = max((int(mine.sum()) - skip) // writes, 0)
    kept = np.flatnonzero(mine)[skip : skip + steps * writes, None]
    rows = np.full((steps, buffer.length), -1, np.int64)
    step = np.arange(steps).repeat(writes)[:, None]
    lane = np.arange(width)
    rows[step, offset[kept] + lane] = (events.data[kept] >> (8 * lane)) & 0xFF
    return rows


def _count(expected: Int64, found: Int64) -> Compared:
    """Word by word; steps that are missing or surplus differ, padding is left out."""
    steps = min(len(expected), len(found))
    wrong = expected[:steps] != found[:steps, : expected.shape[1]]
    missing = abs(len(expected) - len(found)) * expected.shape[1]
    return Compared(wrong.size + missing, int(np.count_nonzero(wrong)) + missing)


def explain(
    divergence: Divergence, machine: Machine, model: IntModel, values: dict[str, Int64]
) -> str:
    """Operation, time step, unit, element, operands and cycle of a divergence, in one line."""
    event = divergence.expected or divergence.found
    assert event is not None
    found = _executed(divergence, machine)
    if found is None:
        return (
            f"{divergence.kind} event {divergence.index} in cycle {event[0]}: {_sides(divergence)}"
        )
    step, executed = found
    program = machine.program
    opcode = program.instructions[executed.index].opcode
    name, element = _element(divergence, program.labels[executed.index], program, model)
    text = (
        f"{name}[{element}] of time step {step} ({executed.engine} engine, instruction "
        f"{executed.index} {opcode.name}, cycle {event[0]}): {_sides(divergence)}"
    )
    return text + _operands(name, element, step, model, values)


def _sides(divergence: Divergence) -> str:
    def side(event: tuple[int, int, int] | None) -> str:
        return "nothing" if event is None else "cycle {} address {:#x} data {:#x}".format(*event)

    return f"expected {side(divergence.expected)}, found {side(divergence.found)}"


def _executed(divergence: Divergence, machine: Machine) -> tuple[int, Executed] | None:
    """The instruction whose result the event is, and its time step (-1: before the loop)."""
    event = divergence.expected or divergence.found
    assert event is not None
    seen: dict[int, int] = {}
    opcodes = [i.opcode for i in machine.program.instructions]
    loop = opcodes.index(Opcode.LOOP)
    for executed in machine.executed:
        step = seen[executed.index] = seen.get(executed.index, -1) + 1
        instruction = machine.program.instructions[executed.index]
        if executed.engine != ENGINES[divergence.kind]:
            continue
        if (divergence.kind == "output") != bool(instruction["stream"]):
            continue
        inside = divergence.kind == "output" or _writes(instruction, event[1], machine.program)
        if inside and executed.accepted <= event[0] <= executed.landed:
            return (step if executed.index > loop else -1), executed
    return None


def _writes(instruction: Instruction, address: int, program: Program) -> bool:
    length = instruction["rows"] or instruction["beats"] * program.config.lanes
    return instruction["dst"] <= address < instruction["dst"] + length


def _element(
    divergence: Divergence, label: str, program: Program, model: IntModel
) -> tuple[str, int]:
    """The tensor (of a sliced product: the slice) and the index of the first element to differ."""
    if divergence.kind == "output":
        return label, divergence.index % program.outputs
    address = _address(divergence)
    slices = [
        op.output for op in model.operations if isinstance(op, Slice) and op.inputs[0] == label
    ]
    for name in (*slices, label):
        buffer = program.buffers[name]
        if buffer.address <= address < buffer.address + buffer.length:
            return name, address - buffer.address
    return label, address - program.buffers[label].address


def _address(divergence: Divergence) -> int:
    """The first byte that differs."""
    expected, found = divergence.expected, divergence.found
    event = expected or found
    assert event is not None
    lane = 0
    if expected and found:
        difference = expected[2] ^ found[2]
        while difference and not difference & 0xFF:
            difference >>= 8
            lane += 1
    return event[1] + lane


def _operands(
    label: str, element: int, step: int, model: IntModel, values: dict[str, Int64]
) -> str:
    """The element's operands in the golden model, where the operation is element-wise."""
    op = next((op for op in model.operations if op.output == label), None)
    if op is None or step < 0:
        return ""
    sources = {state.name: state.source for state in model.states}
    shown = []
    for name in op.inputs:
        at = step - (name in sources)
        rows = values.get(sources.get(name, name))
        if rows is None or not 0 <= at < len(rows):
            continue
        if rows.shape[1] == model.tensors[op.output].length and element < rows.shape[1]:
            shown.append(f"{name}[{element}] = {rows[at, element]}")
    return f"; operands {', '.join(shown)}" if shown else ""
