"""Both ends of a unit's streams, cycle by cycle, for simulators that Python drives."""

from collections.abc import Sequence

from sim.streams import Observed, Pattern

RESET_CYCLES = 2
IDLE_CYCLES = 512  # nothing moves for so long: done, or stuck
SURPLUS = 16  # too many words out: a unit that repeats itself


class Exchange:
    """Sends all inputs and takes what comes out, until nothing moves any more.

    In each cycle: `prepare`, drive payload, valid and ready, read the unit at the clock edge, and
    pass that to `edge`. sim/native.cpp does the same.
    """

    def __init__(self, inputs: Sequence[int], room: int, pattern: Pattern):
        """room: words expected; it ends soon after more have come."""
        self.payload, self.valid, self.ready = 0, False, False
        self._inputs, self._room = inputs, room
        self._offer, self._take = pattern.offer.tolist(), pattern.take.tolist()
        self._outputs: list[int] = []
        self._taken_at: list[int] = []
        self._cycle = self._last_move = self._accepted = 0
        self._last_accepted = self._first_valid = self._unstable = -1
        self._held: int | None = None

    def prepare(self) -> bool:
        """Decide what to drive in the coming cycle; False when the exchange is over."""
        cycle = self._cycle
        if not self.valid and self._accepted < len(self._inputs):
            self.valid = bool(self._offer[cycle % len(self._offer)])
            self.payload = self._inputs[self._accepted]
        self.ready = bool(self._take[cycle % len(self._take)])
        return cycle < self._last_move + IDLE_CYCLES and len(self._outputs) < self._room + SURPLUS

    def edge(self, accepts: bool, word: int | None) -> None:
        """The unit at the clock edge: whether it is ready, and its payload where it is valid."""
        cycle = self._cycle
        if self._unstable < 0 and self._held is not None and word != self._held:
            self._unstable = cycle
        if self._first_valid < 0 and word is not None:
            self._first_valid = cycle
        self._held = None if self.ready else word
        if self.ready and word is not None:
            self._outputs.append(word)
            self._taken_at.append(cycle)
            self._last_move = cycle
        if self.valid and accepts:
            self.valid = False
            self._accepted += 1
            self._last_accepted = self._last_move = cycle
        self._cycle = cycle + 1

    def observed(self) -> Observed:
        """What has happened so far."""
        return Observed(
            self._outputs,
            self._taken_at,
            self._cycle,
            self._accepted,
            self._last_accepted,
            self._first_valid,
            self._unstable,
        )
