"""The vector engine of the machine: rtl/vector_engine.py, an instruction at a time."""

import numpy as np

from golden.fixed import FixedPoint, Int64, requantize, round_shift, saturate
from golden.isa import Bank, Instruction, Opcode
from golden.machine_memory import MachineError, Memory, loaded
from golden.machine_streams import Streams
from golden.npu_config import VECTOR_WRITE_LATENCY
from golden.program import Program

CODES = np.arange(256)


class VectorEngine:
    """Executes element-wise instructions. events: kind -> (cycles, addresses, data) a write."""

    def __init__(self, program: Program, activation: Memory, result: Memory, streams: Streams):
        self._program, self._streams = program, streams
        self._banks = {Bank.ACTIVATION: activation, Bank.RESULT: result}
        self.events: dict[str, list[tuple[Int64, Int64, Int64]]] = {"activation": []}
        self._tables: dict[int, Int64] = {}

    def execute(self, index: int, i: Instruction, accept: int, where: str) -> tuple[int, int]:
        """Last beat's cycle, and the cycle that writes its result."""
        lanes = self._program.config.lanes
        if not i["beats"] or i["dst"] % lanes:
            raise MachineError(f"{where}: no beats, or dst is not lane-aligned")
        issue = accept + 1 + np.arange(i["beats"])
        cycle, element = issue.repeat(lanes), np.arange(i["beats"] * lanes)
        value = self._value(index, i, accept, element, cycle, where)
        written = cycle + VECTOR_WRITE_LATENCY
        self._banks[Bank.ACTIVATION].write(i["dst"] + element, value, written, where)
        packed = value.reshape(-1, lanes) << (8 * np.arange(lanes))
        address = i["dst"] + element[::lanes]
        self.events["activation"].append((written[::lanes], address, packed.sum(axis=1)))
        return int(issue[-1]), int(written[-1])

    def _value(
        self, index: int, i: Instruction, accept: int, element: Int64, cycle: Int64, where: str
    ) -> Int64:
        """The result's codes, an element each."""
        if i.opcode == Opcode.FILL:
            return np.full(len(element), i["z_out"], np.int64)
        if i.opcode == Opcode.EMBED:
            return self._embed(i, accept, len(element), where)
        a = self._operand(i, "a", element, cycle, where)
        if i.opcode == Opcode.PWL:
            return self._table(index, i, where)[a]
        b = self._operand(i, "b", element, cycle, where)
        if i.opcode == Opcode.MULTIPLY:
            product = (a - i["z_a"]) * (b - i["z_b"])
            return requantize(product, FixedPoint(i["m_a"], i["shift"]), i["z_out"], 8)
        total = i["m_a"] * (a - i["z_a"]) + i["m_b"] * (b - i["z_b"])
        return saturate(round_shift(total, i["shift"]) + i["z_out"], 8)

    def _embed(self, i: Instruction, accept: int, length: int, where: str) -> Int64:
        symbol = self._streams.take(accept)
        if not 0 <= symbol < i["b"]:
            raise MachineError(f"{where}: symbol {symbol} outside 0..{i['b'] - 1}")
        row = loaded(self._program.constants, "constant", i["a"] + symbol * length, length, where)
        return row.astype(np.int64)

    def _operand(
        self, i: Instruction, name: str, element: Int64, cycle: Int64, where: str
    ) -> Int64:
        start, bank = i[name], i[f"{name}_bank"]
        if start % self._program.config.lanes:
            raise MachineError(f"{where}: {name} is not lane-aligned")
        if bank == Bank.CONSTANT:
            codes = loaded(self._program.constants, "constant", start, len(element), where)
            return codes.astype(np.int64)
        if bank not in self._banks:
            raise MachineError(f"{where}: {name} is in no bank")
        return self._banks[Bank(bank)].read(start + element, cycle, cycle, where)

    def _table(self, index: int, i: Instruction, where: str) -> Int64:
        """The 256 outputs of a PWL instruction, from the comparators and segments as loaded."""
        if index not in self._tables:
            pieces = self._program.config.pieces
            (knots,) = loaded(self._program.knots, "knot", i["table"], 1, where)
            piece = (CODES[:, None] >= knots).sum(axis=1)
            slope, offset = self._program.segments[i["table"] * pieces + piece].T.astype(np.int64)
            total = round_shift(slope * CODES + offset, i["shift"])
            self._tables[index] = saturate(total + i["z_out"], 8)
        return self._tables[index]
