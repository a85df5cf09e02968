"""Walk along a batch of sequences as a scan says, bit for bit."""

from collections.abc import Callable, Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from golden.attention import Memory
from golden.fixed import ClampCount, Int64
from golden.kernels import Codes
from golden.model import IntModel
from golden.operations import Attend, Input, Operation, Scan, written
from golden.partition import hidden, imports, parts
from golden.plan import DTYPES, Plan

CHUNK = 1024  # rows at once: enough for BLAS, few enough for the cache

Mask = NDArray[np.bool_]


class Walk:
    """The states of `batch` sequences of a scan, and what moves them.

    clamps: by tensor. visible: tensors of the scan that are read outside of it. reads: those of
    its sequence that come from outside: inputs, and what earlier scans wrote.
    """

    def __init__(
        self,
        scan: Scan,
        model: IntModel,
        batch: int,
        clamps: Mapping[str, ClampCount],
        visible: Collection[str],
    ):
        self.scan, self.batch, self.visible = scan, batch, visible
        self._model, self._clamps = model, clamps
        seen = {*visible, *(s.source for s in scan.states)}
        self._hidden = hidden(scan, model.tensors, seen)
        self.before, self.recurrent, self.after = parts(scan, seen)
        self.states = {s.name: self.array(s.name, batch) for s in scan.states}
        inputs = [op.output for op in scan.operations if isinstance(op, Input)]
        reads = dict.fromkeys([*inputs, *imports(scan.operations)])
        self.reads = [name for name in reads if name not in self.states]
        self.loop = self._loop()
        self.attentions = [op for op in self.recurrent if isinstance(op, Attend)]
        self._chunks: dict[int, _Chunk] = {}
        self.reset()

    @property
    def memories(self) -> dict[str, Memory]:
        """What each attention reads, by its output; to be set before a run."""
        return self.loop.memories

    def reset(self) -> None:
        """Put every state at its zero point."""
        for name, codes in self.states.items():
            codes[:] = self._model.tensors[name].zero_point

    def run(
        self,
        feeds: Mapping[str, Codes],
        tokens: Int64 | None,
        live: Mask | None,
        steps: int,
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, Codes]:
        """Traces (steps, batch, length) of the visible tensors; a state's is what it held through
        each step.

        feeds: what the scan reads, (steps, batch, length). tokens (steps, batch). live (steps,
        batch): the steps that count; None: all. progress: called with the steps done.
        """
        traces = {name: self.array(name, steps, self.batch) for name in self.visible}
        most = max(1, CHUNK // self.batch)
        size = -(-steps // -(-steps // most)) if steps else 1
        for start in range(0, steps, size):
            part = slice(start, min(start + size, steps))
            chunk, fed = self._chunk(size), {name: codes[part] for name, codes in feeds.items()}
            chunk.run(
                fed,
                None if tokens is None else tokens[part],
                None if live is None else live[part],
                part.stop - part.start,
            )
            for name, trace in traces.items():
                trace[part] = chunk.trace(name, fed)[: part.stop - part.start]
            if progress is not None:
                progress(part.stop)
        return traces

    def array(self, name: str, *shape: int) -> Codes:
        """Zeros (..., length) for the codes of a tensor."""
        t = self._model.tensors[name]
        return np.zeros((*shape, t.length), DTYPES[t.bits])

    def plan(self, operations: tuple[Operation, ...], rows: int, given: dict[str, Codes]) -> Plan:
        return Plan(operations, self._model, rows, self._clamps, given, self._hidden)

    def _loop(self) -> Plan:
        """The plan of the recurrence. fed: what it reads of each step, states apart."""
        own = {*self.states, *(name for op in self.recurrent for name in written(op))}
        reads = dict.fromkeys([*imports(self.recurrent), *(s.source for s in self.scan.states)])
        self.fed = [name for name in reads if name not in own]
        given = {name: self.array(name, self.batch) for name in self.fed}
        return self.plan(self.recurrent, self.batch, given | self.states)

    def _chunk(self, size: int) -> "_Chunk":
        if size not in self._chunks:
            if len(self._chunks) > 1:  # one of long runs, one of single steps
                self._chunks.clear()
            self._chunks[size] = _Chunk(self, size)
        return self._chunks[size]


class _Chunk:
    """`steps` steps: plans of all of them at once before and after the recurrence, its traces."""

    def __init__(self, walk: Walk, steps: int):
        self._walk, self._steps = walk, steps
        self._rows = rows = steps * walk.batch
        fed = {name: walk.array(name, rows) for name in imports(walk.before)}
        self._before = walk.plan(walk.before, rows, fed)
        given = dict(self._before.arrays)
        missing = [n for n in (*imports(walk.after), *walk.visible) if n not in given]
        traced = [n for n in missing if n in walk.loop.arrays]
        self._traces = {n: walk.array(n, steps, walk.batch) for n in traced}
        given |= {n: trace.reshape(rows, -1) for n, trace in self._traces.items()}
        given |= {n: walk.array(n, rows) for n in imports(walk.after) if n not in given}
        self._after = walk.plan(walk.after, rows, given)
        self._moves = [
            (state, np.empty_like(state), walk.loop.arrays[s.source])
            for s, state in ((s, walk.states[s.name]) for s in walk.scan.states)
        ]

    def run(
        self, feeds: Mapping[str, Codes], tokens: Int64 | None, live: Mask | None, count: int
    ) -> None:
        """The first `count` steps."""
        rows, mask = count * self._walk.batch, None
        if live is not None or rows < self._rows:
            mask = np.zeros(self._rows, np.bool_)
            mask[:rows] = True if live is None else live.ravel()
        for plan in (self._before, self._after):
            plan.rows.mask = mask
            if tokens is not None:
                plan.tokens[:rows] = tokens.ravel()
            for name in feeds.keys() & plan.arrays.keys():
                plan.arrays[name][:rows] = feeds[name].reshape(rows, -1)
        self._before.run()
        if self._walk.loop.arrays:
            self._recur(feeds, live, count)
        self._after.run()

    def _recur(self, feeds: Mapping[str, Codes], live: Mask | None, count: int) -> None:
        walk, loop = self._walk, self._walk.loop
        given = [(loop.arrays[n], self.trace(n, feeds)) for n in walk.fed]
        kept = [(trace, loop.arrays[name]) for name, trace in self._traces.items()]
        for t in range(count):
            for target, codes in given:
                np.copyto(target, codes[t])
            loop.rows.mask = None if live is None else live[t]
            loop.run()
            for trace, codes in kept:
                trace[t] = codes
            self._move(True if live is None else live[t][:, np.newaxis])

    def _move(self, live: bool | Mask) -> None:
        """Each state to its source, in two moves, because a state may be the source of another;
        that of a sequence that has ended stays."""
        for _, held, source in self._moves:
            np.copyto(held, source)
        for state, held, _ in self._moves:
            np.copyto(state, held, where=live)

    def trace(self, name: str, feeds: Mapping[str, Codes]) -> Codes:
        """(steps, batch, length) of a tensor."""
        for arrays in (feeds, self._traces):
            if name in arrays:
                return arrays[name]
        return self._after.arrays[name].reshape(self._steps, self._walk.batch, -1)
