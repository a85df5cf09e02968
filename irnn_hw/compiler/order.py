"""Tokens and fences: the order that a time step's instructions need, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from golden.npu_config import VECTOR_WRITE_LATENCY
from irnn_hw.compiler.lowered import Lowered


@dataclass
class Order:
    """Flags by instruction index, and the sync instructions that end the step.

    closing: engines that must wait, at the end of the step, for a token of the other.
    """

    waits: set[int] = field(default_factory=set)
    signals: set[int] = field(default_factory=set)
    fences: set[int] = field(default_factory=set)
    closing: set[str] = field(default_factory=set)


def order(step: Sequence[Lowered], lanes: int) -> Order:
    """Tokens across the engines and fences within the vector engine, for a step that repeats."""
    result = Order()
    for engine in ("mac", "vector"):
        _tokens(step, engine, result)
    _fences(step, lanes, result)
    return result


def _conflicts(first: Lowered, second: Lowered) -> bool:
    """Whether `second` must come after `first`: it reads or writes what the other touches."""
    pairs = ((first.writes, (*second.reads, *second.writes)), (first.reads, second.writes))
    return any(a.overlaps(b) for ours, theirs in pairs for a in ours for b in theirs)


def _tokens(step: Sequence[Lowered], engine: str, result: Order) -> None:
    """Tokens that `engine` waits for. In order on both sides: a token covers all before it."""
    synced = -1
    carried = -1
    others = [n for n, i in enumerate(step) if i.engine != engine]
    for n, instruction in enumerate(step):
        if instruction.engine != engine:
            continue
        before = [p for p in others if p < n and _conflicts(step[p], instruction)]
        if before and before[-1] > synced:
            synced = before[-1]
            result.waits.add(n)
            result.signals.add(synced)
        if synced < 0:  # nothing of this step covers what the last step left behind
            left = [p for p in others if _conflicts(step[p], instruction)]
            carried = max([carried, *left])
    if carried > synced:
        result.closing.add(engine)
        result.signals.add(carried)


def _fences(step: Sequence[Lowered], lanes: int, result: Order) -> None:
    """A vector instruction that would read a result of its own engine before it is written.

    Beat j of an instruction is issued at least as many beats after beat i of an earlier one as
    lie between them; what it reads must have been written a cycle before.
    """
    vector = [n for n, i in enumerate(step) if i.engine == "vector"]
    twice = vector + vector  # the step that follows
    for position, n in enumerate(twice):
        beats = 0
        for p in reversed(twice[:position]):
            beats += step[p].fields["beats"]
            if beats > 2 * VECTOR_WRITE_LATENCY + step[n].fields["beats"] + step[p].fields["beats"]:
                break
            if _too_close(step[p], step[n], beats, lanes):
                result.fences.add(n)
            if p in result.fences:
                break


def _too_close(first: Lowered, second: Lowered, beats: int, lanes: int) -> bool:
    (write,) = first.writes
    return any(
        write.overlaps(read) and beats + (write.start - read.start) // lanes <= VECTOR_WRITE_LATENCY
        for read in second.reads
    )
