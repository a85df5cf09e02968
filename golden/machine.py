"""The NPU as software: the same numbers as the RTL, in the same cycles.

Time is kept an instruction at a time: each engine executes in order, and nothing stalls once it has
started, so the cycle of every beat follows from the cycle that accepts its instruction. The rules are
those of rtl/front_end.py, rtl/mac_engine.py, rtl/vector_engine.py and rtl/sequencer.py.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from golden.fixed import FixedPoint, Int64, requantize, round_shift, saturate
from golden.isa import Bank, Instruction, Opcode
from golden.npu_config import MAC_STREAM_LATENCY, MAC_WRITE_LATENCY, VECTOR_WRITE_LATENCY
from golden.program import Program
from golden.trace import KINDS, Column, Events, Trace

NEVER = -1
CYCLES_PER_FETCH = 2
CODES = np.arange(256)


class MachineError(RuntimeError):
    """The program is wrong: a deadlock, a race, a read of memory never written, a bad address."""


@dataclass
class Host:
    """What the outside does: the symbols it sends, and when words cross its streams.

    arrivals: cycle at which symbol n is taken into the input queue; departures: at which output
    word n leaves the output queue. None: a host that never makes the NPU wait.
    """

    symbols: Sequence[int]
    arrivals: Column | None = None
    departures: Column | None = None


@dataclass(frozen=True, slots=True)
class Executed:
    """One executed instruction, in cycles: when its engine was free for it, when it was accepted,
    its last beat, and the write of its last result."""

    engine: str
    index: int
    ready: int
    accepted: int
    issued: int
    landed: int


class _Memory:
    """Bytes, with the cycle of the last write and the last read of each: races are found, not lost."""

    def __init__(self, name: str, size: int):
        self.name = name
        self.value = np.zeros(size, np.int64)
        self.written = np.full(size, NEVER, np.int64)
        self.read_at = np.full(size, NEVER, np.int64)

    def read(self, address: Int64, cycle: Int64, last: Int64, where: str) -> Int64:
        """Bytes at `address`, first read at `cycle` and last read at `last` (same shape)."""
        self._bounds(address, where)
        if np.any(self.written[address] == NEVER):
            raise MachineError(f"{where}: reads {self.name} memory that was never written")
        if np.any(self.written[address] >= cycle):
            raise MachineError(f"{where}: reads {self.name} memory before its write has landed")
        self.read_at[address] = np.maximum(self.read_at[address], last)  # addresses are distinct
        return self.value[address]

    def write(self, address: Int64, value: Int64, cycle: Int64, where: str) -> None:
        self._bounds(address, where)
        if np.any(self.read_at[address] > cycle) or np.any(self.written[address] >= cycle):
            raise MachineError(f"{where}: overwrites {self.name} memory that is still in use")
        self.value[address] = value
        self.written[address] = cycle

    def _bounds(self, address: Int64, where: str) -> None:
        if address.size and (int(address.min()) < 0 or int(address.max()) >= len(self.value)):
            raise MachineError(f"{where}: address outside the {self.name} memory")


@dataclass
class _Engine:
    """An engine's queue and clock, in cycles."""

    pushed: deque[tuple[int, int]] = field(default_factory=deque)  # (instruction, cycle of push)
    accepts: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)  # when the other engine gave each token
    consumed: int = 0
    free: int = 0  # first cycle that may accept; the last beat of the instruction before
    landed: int = NEVER  # write of the last result


class Machine:
    """Executes a program for `steps` time steps with a host.

    run() returns the trace; executed lists the instructions, each engine's in order.
    Raises MachineError for a program whose order is wrong.
    """

    def __init__(self, program: Program, steps: int, host: Host):
        self.program, self.steps, self.host = program, steps, host
        config = program.config
        self.activation = _Memory("activation", config.activation_bytes)
        self.result = _Memory("result", config.result_bytes)
        self.engines = {"mac": _Engine(), "vector": _Engine()}
        self.executed: list[Executed] = []
        self._taken: list[int] = []  # cycles at which symbols left the input queue
        self._departures: list[int] = []
        self._reserved = self._beats = 0
        self._events: dict[str, list[tuple[Int64, Int64, Int64]]] = {k: [] for k in KINDS}
        self._tables: dict[int, Int64] = {}
        self._matrices: dict[int, NDArray[np.float64]] = {}

    def run(self, progress: Callable[[int], None] | None = None) -> Trace:
        """Execute to HALT. progress receives the number of symbols taken so far."""
        decode = 0
        for index in _unrolled(self.program.instructions, self.steps):
            decode += CYCLES_PER_FETCH
            engine = self.engines.get(self.program.instructions[index].opcode.engine)
            if engine is None:
                continue
            full = len(engine.accepts) + len(engine.pushed) - self.program.config.queue_depth
            if full >= 0:  # the slot is that of the instruction queue_depth before
                self._advance(engine, full)
                decode = max(decode, engine.accepts[full] + 1)
            engine.pushed.append((index, decode))
            if progress is not None:
                progress(len(self._taken))
        self._advance()
        engines = self.engines.values()
        idle = [decode, *(e.free for e in engines), *(e.landed + 1 for e in engines)]
        popped = int(self._departure(len(self._departures) - 1)) + 1 if self._departures else 0
        return self._trace(max(*idle, popped) + 1)

    def _trace(self, cycles: int) -> Trace:
        columns = {
            kind: Events(*(np.concatenate(c) for c in zip(*events, strict=True)))
            if events
            else Events()
            for kind, events in self._events.items()
        }
        taken, departures = len(self._taken), len(self._departures)
        return Trace(
            **columns,
            arrivals=np.array([self._arrival(n) for n in range(taken)], np.int64),
            departures=np.array([self._departure(n) for n in range(departures)], np.int64),
            cycles=cycles,
            mac_beats=self._beats,
        )

    def _advance(self, engine: _Engine | None = None, accepted: int = 0) -> None:
        """Execute queued instructions: all, or until `engine` has accepted number `accepted`."""
        while engine is None or len(engine.accepts) <= accepted:
            moved = [self._try(name) for name in self.engines]
            if not any(moved):
                if engine is None and not any(e.pushed for e in self.engines.values()):
                    return
                raise MachineError(f"deadlock: {self._stuck()}")

    def _stuck(self) -> str:
        heads = [
            f"{name} waits to start {self._where(e.pushed[0][0])}"
            for name, e in self.engines.items()
            if e.pushed
        ]
        return "; ".join(heads)

    def _where(self, index: int) -> str:
        label, instruction = self.program.labels[index], self.program.instructions[index]
        return f"instruction {index} ({instruction.opcode.name} {label})"

    def _try(self, name: str) -> bool:
        """Execute the engine's oldest instruction if all that it waits for is known."""
        engine = self.engines[name]
        if not engine.pushed:
            return False
        index, pushed = engine.pushed[0]
        instruction = self.program.instructions[index]
        accept = max(pushed + 1, engine.free)
        if instruction["wait"]:
            if engine.consumed == len(engine.tokens):
                return False
            accept = max(accept, engine.tokens[engine.consumed] + 1)
        if instruction["fence"]:
            accept = max(accept, engine.landed)
        if instruction.opcode == Opcode.EMBED:
            if len(self._taken) == self._available():
                return False
            accept = max(accept, self._arrival(len(self._taken)) + 1)
        engine.consumed += instruction["wait"]
        engine.pushed.popleft()
        engine.accepts.append(accept)
        self._execute(name, engine, index, instruction, accept)
        return True

    def _execute(
        self, name: str, engine: _Engine, index: int, instruction: Instruction, accept: int
    ) -> None:
        if instruction.opcode in (Opcode.MAC_SYNC, Opcode.VECTOR_SYNC):
            engine.free = accept + 1
            return
        run = self._matvec if name == "mac" else self._vector
        ready = engine.free
        engine.free, engine.landed = run(index, instruction, accept)
        self.executed.append(Executed(name, index, ready, accept, engine.free, engine.landed))
        if instruction["signal"]:
            other = self.engines["vector" if name == "mac" else "mac"]
            other.tokens.append(engine.landed)
            if len(other.tokens) - other.consumed >= 1 << self.program.config.token_bits:
                raise MachineError(f"{self._where(index)}: more tokens than the counter holds")

    # --- the MAC engine -------------------------------------------------------------------------

    def _matvec(self, index: int, i: Instruction, accept: int) -> tuple[int, int]:
        """Last beat's cycle, and the cycle that writes (or streams) the last row."""
        config = self.program.config
        tiles = -(-i["rows"] // config.rows)
        period = max(i["beats"], config.rows)
        starts = self._tile_starts(i, accept + 1, tiles, period)
        beat = period - i["beats"] + np.arange(i["beats"]).repeat(config.columns)
        columns = i["x"] + np.arange(i["beats"] * config.columns)
        where = self._where(index)
        x = self.activation.read(columns, starts[0] + beat, starts[-1] + beat, where)
        rows = np.arange(i["rows"])
        bias = self.program.bias[i["bias"] + rows]
        acc = (self._matrix(index, i, tiles) @ x).astype(np.int64) + bias
        if acc.max() >= 1 << 31 or acc.min() < -(1 << 31):
            raise MachineError(f"{where}: an accumulator leaves its 32 bits")
        self._beats += tiles * i["beats"]
        last_beats = starts[rows // config.rows] + period - 1
        row = last_beats + rows % config.rows
        if i["stream"]:
            cycle = row + MAC_STREAM_LATENCY
            self._events["output"].append((cycle, (rows == rows[-1]).astype(np.int64), acc))
        else:
            cycle = row + MAC_WRITE_LATENCY
            q = requantize(acc, FixedPoint(i["mantissa"], i["shift"]), i["z_out"], 8)
            self.result.write(i["dst"] + rows, q, cycle, where)
            self._events["result"].append((cycle, i["dst"] + rows, q))
        return int(starts[-1] + period - 1), int(cycle[-1])

    def _tile_starts(self, i: Instruction, first: int, tiles: int, period: int) -> Int64:
        """First cycle of each tile. A streamed tile waits until the output queue has R words free."""
        if not i["stream"]:
            return first + period * np.arange(tiles)
        config, starts = self.program.config, []
        for row in range(0, i["rows"], config.rows):
            count = min(config.rows, i["rows"] - row)
            owed = self._reserved + config.rows - config.output_depth
            if owed > 0:
                first = max(first, self._departure(owed - 1) + 1)
            self._reserved += count
            starts.append(first)
            first += period
            self._queue_outputs(first - 1 + MAC_STREAM_LATENCY, count)
        return np.array(starts, np.int64)

    def _matrix(self, index: int, i: Instruction, tiles: int) -> NDArray[np.float64]:
        """The weights of an instruction, (rows, columns), as exact float64."""
        if index not in self._matrices:
            words = self.program.weights[i["weights"] :][: tiles * i["beats"]]
            shape = (tiles, i["beats"], self.program.config.rows, self.program.config.columns)
            matrix = words.reshape(shape).transpose(0, 2, 1, 3)
            matrix = matrix.reshape(tiles * shape[2], -1)[: i["rows"]]
            self._matrices[index] = matrix.astype(np.float64)
        return self._matrices[index]

    # --- the vector engine ----------------------------------------------------------------------

    def _vector(self, index: int, i: Instruction, accept: int) -> tuple[int, int]:
        """Last beat's cycle, and the cycle that writes its result."""
        lanes = self.program.config.lanes
        issue = accept + 1 + np.arange(i["beats"])
        cycle, element = issue.repeat(lanes), np.arange(i["beats"] * lanes)
        where = self._where(index)
        a = self._operand_a(i, accept, element, cycle, where)
        if i.opcode == Opcode.MULTIPLY:
            product = (a - i["z_a"]) * (self._operand_b(i, element, cycle, where) - i["z_b"])
            value = requantize(product, FixedPoint(i["m_a"], i["shift"]), i["z_out"], 8)
        elif i.opcode == Opcode.ADD:
            b = self._operand_b(i, element, cycle, where)
            total = i["m_a"] * (a - i["z_a"]) + i["m_b"] * (b - i["z_b"])
            value = saturate(round_shift(total, i["shift"]) + i["z_out"], 8)
        elif i.opcode == Opcode.PWL:
            value = self._table(index, i)[a]
        else:
            value = a
        written = cycle + VECTOR_WRITE_LATENCY
        self.activation.write(i["dst"] + element, value, written, where)
        packed = value.reshape(-1, lanes) << (8 * np.arange(lanes))
        self._events["activation"].append(
            (issue + VECTOR_WRITE_LATENCY, i["dst"] + element[::lanes], packed.sum(axis=1))
        )
        return int(issue[-1]), int(written[-1])

    def _operand_a(
        self, i: Instruction, accept: int, element: Int64, cycle: Int64, where: str
    ) -> Int64:
        if i.opcode == Opcode.FILL:
            return np.full(len(element), i["z_out"], np.int64)
        address = i["a"] + element
        if i.opcode == Opcode.EMBED:
            symbol = self.host.symbols[len(self._taken)]
            if not 0 <= symbol < i["b"]:
                raise MachineError(f"{where}: symbol {symbol} outside 0..{i['b'] - 1}")
            self._taken.append(accept)
            address = address + symbol * len(element)
        if i["a_bank"] == Bank.CONSTANT:
            return self.program.constants[address].astype(np.int64)
        return self._bank(i["a_bank"]).read(address, cycle, cycle, where)

    def _operand_b(self, i: Instruction, element: Int64, cycle: Int64, where: str) -> Int64:
        return self._bank(i["b_bank"]).read(i["b"] + element, cycle, cycle, where)

    def _bank(self, bank: int) -> "_Memory":
        return self.result if bank == Bank.RESULT else self.activation

    def _table(self, index: int, i: Instruction) -> Int64:
        """The 256 outputs of a PWL instruction, from the comparators and segments as loaded."""
        if index not in self._tables:
            pieces = self.program.config.pieces
            piece = (CODES[:, None] >= self.program.knots[i["table"]]).sum(axis=1)
            slope, offset = self.program.segments[i["table"] * pieces + piece].T.astype(np.int64)
            total = round_shift(slope * CODES + offset, i["shift"])
            self._tables[index] = saturate(total + i["z_out"], 8)
        return self._tables[index]

    # --- the host -------------------------------------------------------------------------------

    def _available(self) -> int:
        return len(self.host.symbols if self.host.arrivals is None else self.host.arrivals)

    def _arrival(self, n: int) -> int:
        """Cycle at which symbol n enters the input queue: as recorded, or as early as there is room."""
        if self.host.arrivals is not None:
            return int(self.host.arrivals[n])
        depth = self.program.config.input_depth
        return self._taken[n - depth] + 1 if n >= depth else -1

    def _queue_outputs(self, first: int, count: int) -> None:
        """Words that enter the output queue from cycle `first` on, one a cycle."""
        for cycle in range(first, first + count):
            previous = self._departures[-1] if self._departures else -1
            self._departures.append(max(cycle, previous) + 1)

    def _departure(self, n: int) -> int:
        if self.host.departures is None:
            return self._departures[n]
        if n >= len(self.host.departures):
            raise MachineError(f"deadlock: the host never takes output word {n}")
        return int(self.host.departures[n])


def _unrolled(instructions: Sequence[Instruction], steps: int) -> Iterator[int]:
    """Instruction indices in the order in which the sequencer decodes them, HALT last."""
    stack: list[list[int]] = []
    pc = 0
    while True:
        if pc >= len(instructions):
            raise MachineError("the program runs past its end: no HALT")
        yield pc
        opcode = instructions[pc].opcode
        if opcode == Opcode.HALT:
            return
        if opcode == Opcode.LOOP:
            stack.append([pc + 1, instructions[pc]["count"] or steps])
        elif opcode == Opcode.END:
            if not stack:
                raise MachineError(f"instruction {pc}: END without LOOP")
            stack[-1][1] -= 1
            if stack[-1][1]:
                pc = stack[-1][0]
                continue
            stack.pop()
        pc += 1
