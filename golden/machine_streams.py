"""The machine's two streams: symbols that come in, accumulators that go out, and their cycles."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from golden.npu_config import NpuConfig
from golden.trace import Column


def _none() -> Column:
    return np.empty(0, np.int64)


@dataclass
class Host:
    """What the outside does: the symbols it sends, and when words cross its streams.

    arrivals: cycle at which symbol n is taken into the input queue; departures: at which output
    word n leaves the output queue. Words beyond those given never make the NPU wait.
    """

    symbols: Sequence[int]
    arrivals: Column = field(default_factory=_none)
    departures: Column = field(default_factory=_none)


class Streams:
    """The input and output queues of an NPU with a host, in cycles."""

    def __init__(self, config: NpuConfig, host: Host):
        self._config, self._host = config, host
        self.taken: list[int] = []  # cycles at which symbols left the input queue
        self.departures: list[int] = []  # cycles at which words left the output queue
        self._reserved = 0  # words of the tiles started so far

    @property
    def exhausted(self) -> bool:
        """The host sends no further symbol."""
        return len(self.taken) == len(self._host.symbols)

    def arrival(self, n: int) -> int:
        """Cycle at which symbol n enters its queue: as recorded, or as early as there is room."""
        if n < len(self._host.arrivals):
            return int(self._host.arrivals[n])
        depth = self._config.input_depth
        return self.taken[n - depth] + 1 if n >= depth else -1

    def take(self, cycle: int) -> int:
        """The next symbol, which leaves its queue at `cycle`."""
        self.taken.append(cycle)
        return self._host.symbols[len(self.taken) - 1]

    def room(self, cycle: int) -> int:
        """The first cycle, not before `cycle`, at which a tile of R words may start."""
        owed = self._reserved + self._config.rows - self._config.output_depth
        return max(cycle, self.departures[owed - 1] + 1) if owed > 0 else cycle

    def queue(self, first: int, count: int) -> None:
        """Words of a tile, which enter the output queue from cycle `first` on, one a cycle."""
        self._reserved += count
        for cycle in range(first, first + count):
            n = len(self.departures)
            previous = self.departures[-1] if n else -1
            recorded = n < len(self._host.departures)
            leaves = int(self._host.departures[n]) if recorded else max(cycle, previous) + 1
            self.departures.append(leaves)
