"""What an NPU run leaves behind: every architectural write and every stream word, with its cycle.

The machine and the RTL produce the same trace; co-simulation compares them word by word.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.int64]

# Event kinds, in the order in which a divergence at the same cycle is reported.
KINDS = ("result", "activation", "output")


def _empty() -> Column:
    return np.empty(0, np.int64)


@dataclass
class Events:
    """Writes of one kind in order: cycle, address and data of each (int64, same length)."""

    cycle: Column = field(default_factory=_empty)
    address: Column = field(default_factory=_empty)
    data: Column = field(default_factory=_empty)

    def __len__(self) -> int:
        return len(self.cycle)


@dataclass
class Trace:
    """One run.

    result: MAC writes, a byte each. activation: vector writes, `lanes` bytes each, first lowest.
    output: accumulators entering the output queue; address 1 marks the last of an instruction.
    arrivals: cycle at which each input symbol was taken; departures: at which each output word was.
    cycles: from start to done. Cycle 0 is the one that starts the program.
    """

    result: Events
    activation: Events
    output: Events
    arrivals: Column
    departures: Column
    cycles: int
    mac_beats: int


@dataclass(frozen=True)
class Divergence:
    """The first event in which two traces differ: (cycle, address, data), None where one ended."""

    kind: str
    index: int
    expected: tuple[int, int, int] | None
    found: tuple[int, int, int] | None

    @property
    def cycle(self) -> int:
        return min(event[0] for event in (self.expected, self.found) if event is not None)


def first_divergence(expected: Trace, found: Trace) -> Divergence | None:
    """The earliest event that differs in cycle, address or data; None where traces are equal."""
    candidates = []
    for kind in KINDS:
        a, b = getattr(expected, kind), getattr(found, kind)
        wrong = _wrong(a, b)
        index = int(np.argmax(wrong)) if wrong.any() else len(wrong)
        if index < max(len(a), len(b)):
            candidates.append(Divergence(kind, index, _event(a, index), _event(b, index)))
    return min(candidates, key=lambda d: d.cycle, default=None)


def count_differing(expected: Trace, found: Trace) -> int:
    """Events that differ in cycle, address or data, are missing, or are too many."""
    pairs = [(getattr(expected, kind), getattr(found, kind)) for kind in KINDS]
    return sum(int(_wrong(a, b).sum()) + abs(len(a) - len(b)) for a, b in pairs)


def _wrong(a: Events, b: Events) -> NDArray[np.bool_]:
    """Of each pair of events that both sides have: whether they differ."""
    n = min(len(a), len(b))
    wrong = np.zeros(n, bool)
    for ours, theirs in ((a.cycle, b.cycle), (a.address, b.address), (a.data, b.data)):
        wrong |= ours[:n] != theirs[:n]
    return wrong


def _event(events: Events, index: int) -> tuple[int, int, int] | None:
    if index >= len(events):
        return None
    return (int(events.cycle[index]), int(events.address[index]), int(events.data[index]))
