"""The NPU as software: the same numbers as the RTL, in the same cycles.

Time is kept an instruction at a time: each engine executes in order, and nothing stalls once it
has started, so the cycle of every beat follows from the cycle that accepts its instruction. The
rules are those of rtl/front_end.py, rtl/mac_engine.py, rtl/vector_engine.py and rtl/sequencer.py.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from golden.isa import Instruction, Opcode
from golden.machine_mac import MacEngine
from golden.machine_memory import NEVER, MachineError, Memory
from golden.machine_streams import Host, Streams
from golden.machine_vector import VectorEngine
from golden.program import Program
from golden.trace import Events, Trace

__all__ = ["Executed", "Host", "Machine", "MachineError", "TokenError"]

CYCLES_PER_FETCH = 2


class TokenError(MachineError):
    """An engine is so far ahead that the other's token counter overflows."""


@dataclass(frozen=True, slots=True)
class Executed:
    """One executed instruction, in cycles: when its engine was free for it, when it was accepted,
    its last beat, and its end: the write of its last result (a stream ends as a write would)."""

    engine: str
    index: int
    ready: int
    accepted: int
    issued: int
    landed: int


@dataclass
class _FrontEnd:
    """An engine, its queue and its clock, in cycles."""

    engine: MacEngine | VectorEngine
    pushed: deque[tuple[int, int]] = field(default_factory=deque)  # (instruction, cycle of push)
    accepts: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)  # when the other engine gave each token
    consumed: list[int] = field(default_factory=list)  # when this engine took each of them
    free: int = 0  # first cycle that may accept; the last beat of the instruction before
    landed: int = NEVER  # write of the last result


class Machine:
    """Executes a program for `steps` time steps with a host.

    run() returns the trace; executed lists the instructions, each engine's in order.
    Raises MachineError for a program whose order is wrong.
    """

    def __init__(self, program: Program, steps: int, host: Host):
        self.program, self.steps, self.host = program, steps, host
        activation = Memory("activation", program.config.activation_bytes)
        result = Memory("result", program.config.result_bytes)
        self._streams = Streams(program.config, host)
        self._mac = MacEngine(program, activation, result, self._streams)
        self._vector = VectorEngine(program, activation, result, self._streams)
        self._fronts = {"mac": _FrontEnd(self._mac), "vector": _FrontEnd(self._vector)}
        self.executed: list[Executed] = []

    def run(self, progress: Callable[[int], None] | None = None) -> Trace:
        """Execute to HALT. progress receives the number of symbols taken so far."""
        decode = 0
        for index in _unrolled(self.program, self.steps):
            decode += CYCLES_PER_FETCH
            front = self._fronts.get(self.program.instructions[index].opcode.engine)
            if front is None:
                continue
            full = len(front.accepts) + len(front.pushed) - self.program.config.queue_depth
            if full >= 0:  # the slot is that of the instruction queue_depth before
                self._advance(front, full)
                decode = max(decode, front.accepts[full] + 1)
            front.pushed.append((index, decode))
            if progress is not None:
                progress(len(self._streams.taken))
        self._advance()
        self._check_tokens()
        return self._trace(self._done(decode))

    def _check_tokens(self) -> None:
        """No counter has overflowed, and each is 0 again for the next run."""
        bits = self.program.config.token_bits
        for name, front in self._fronts.items():
            taken = np.searchsorted(front.consumed, front.tokens, side="right")
            held = np.arange(1, len(front.tokens) + 1) - taken
            if int(held.max(initial=0)) >> bits:
                raise TokenError(f"{name}: {held.max()} tokens at once, token_bits is {bits}")
            if len(front.consumed) < len(front.tokens):
                raise MachineError(f"{name}: tokens are left over for the next run")

    def _done(self, decode: int) -> int:
        """Cycles from start to done: HALT waits until engines and output queue are empty."""
        fronts, departures = self._fronts.values(), self._streams.departures
        idle = [decode, *(f.free for f in fronts), *(f.landed + 1 for f in fronts)]
        return max(*idle, departures[-1] + 1 if departures else 0) + 1

    def _trace(self, cycles: int) -> Trace:
        written = {**self._mac.events, **self._vector.events}
        columns = {
            kind: Events(*(np.concatenate(c) for c in zip(*events, strict=True)))
            if events
            else Events()
            for kind, events in written.items()
        }
        taken = range(len(self._streams.taken))
        return Trace(
            **columns,
            arrivals=np.array([self._streams.arrival(n) for n in taken], np.int64),
            departures=np.array(self._streams.departures, np.int64),
            cycles=cycles,
            mac_beats=self._mac.beats,
        )

    def _advance(self, front: _FrontEnd | None = None, accepted: int = 0) -> None:
        """Execute queued instructions: all, or until `front` has accepted number `accepted`."""
        while front is None or len(front.accepts) <= accepted:
            moved = [self._try(name) for name in self._fronts]
            if not any(moved):
                if front is None and not any(f.pushed for f in self._fronts.values()):
                    return
                raise MachineError(f"deadlock: {self._stuck()}")

    def _stuck(self) -> str:
        heads = [
            f"{name} waits to start {self._where(f.pushed[0][0])}"
            for name, f in self._fronts.items()
            if f.pushed
        ]
        return "; ".join(heads)

    def _where(self, index: int) -> str:
        label, instruction = self.program.labels[index], self.program.instructions[index]
        return f"instruction {index} ({' '.join([instruction.opcode.name, label]).rstrip()})"

    def _try(self, name: str) -> bool:
        """Execute the engine's oldest instruction if all that it waits for is known."""
        front = self._fronts[name]
        if not front.pushed:
            return False
        index, pushed = front.pushed[0]
        instruction = self.program.instructions[index]
        accept = max(pushed + 1, front.free)
        if instruction["wait"]:
            if len(front.consumed) == len(front.tokens):
                return False
            accept = max(accept, front.tokens[len(front.consumed)] + 1)
        if instruction["fence"]:
            accept = max(accept, front.landed)
        if instruction.opcode == Opcode.EMBED:
            if self._streams.exhausted:
                return False
            accept = max(accept, self._streams.arrival(len(self._streams.taken)) + 1)
        if instruction["wait"]:
            front.consumed.append(accept)
        front.pushed.popleft()
        front.accepts.append(accept)
        self._execute(name, front, index, instruction, accept)
        return True

    def _execute(
        self, name: str, front: _FrontEnd, index: int, instruction: Instruction, accept: int
    ) -> None:
        if instruction.opcode in (Opcode.MAC_SYNC, Opcode.VECTOR_SYNC):
            front.free = accept + 1
            return
        where, ready = self._where(index), front.free
        front.free, front.landed = front.engine.execute(index, instruction, accept, where)
        self.executed.append(Executed(name, index, ready, accept, front.free, front.landed))
        if instruction["signal"]:
            self._fronts["vector" if name == "mac" else "mac"].tokens.append(front.landed)


def _unrolled(program: Program, steps: int) -> Iterator[int]:
    """Instruction indices in the order in which the sequencer decodes them, HALT last."""
    if steps < 1:
        raise MachineError(f"{steps} steps; at least 1")
    stack: list[list[int]] = []
    pc = 0
    while True:
        if pc >= len(program.instructions):
            raise MachineError("the program runs past its end: no HALT")
        yield pc
        instruction = program.instructions[pc]
        if instruction.opcode == Opcode.HALT:
            if stack:
                raise MachineError(f"instruction {pc}: HALT inside a LOOP")
            return
        if instruction.opcode == Opcode.LOOP:
            stack.append([pc + 1, instruction["count"] or steps])
            if len(stack) > program.config.loop_depth:
                raise MachineError(f"instruction {pc}: more than {len(stack) - 1} nested LOOPs")
        elif instruction.opcode == Opcode.END:
            if not stack:
                raise MachineError(f"instruction {pc}: END without LOOP")
            stack[-1][1] -= 1
            if stack[-1][1]:
                pc = stack[-1][0]
                continue
            stack.pop()
        pc += 1
