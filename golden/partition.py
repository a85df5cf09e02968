"""How a scan is cut: what needs no state runs for many steps at once, the rest step by step."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from golden.operations import (
    Add,
    Attend,
    Input,
    LookUp,
    Multiply,
    Operation,
    Pwl,
    Scan,
    Slice,
    Tensor,
    written,
)

Part = tuple[Operation, ...]
S = TypeVar("S")


class Ties(NamedTuple):
    """What a step of a scan reads of its own sequence and writes, its output last; attends: it
    reads another sequence as a whole, too."""

    reads: Sequence[str]
    writes: Sequence[str]
    attends: bool


def ties_of(op: Operation) -> Ties:
    attends = isinstance(op, Attend)
    return Ties(op.inputs[:1] if attends else op.inputs, written(op), attends)


def cut(
    steps: Sequence[S], states: Iterable[tuple[str, str]], ties: Callable[[S], Ties]
) -> tuple[list[S], list[S], list[S]]:
    """The steps before, in and after the recurrence of states (name, source), each in order.

    Before: what depends on no state. In: what a state's next value depends on, and attention, whose
    memory is one of each sequence and not of each step. After: what reads states but feeds none.
    """
    names = dict(states)
    held, needed = set(names), set(names.values())
    for step in steps:
        reads, writes, attends = ties(step)
        if attends or held & set(reads):
            held |= set(writes)
    for step in reversed(steps):
        reads, writes, attends = ties(step)
        if attends or needed & set(writes):
            needed |= {*reads, *writes}
    outputs = [(step, ties(step).writes[-1]) for step in steps]
    before = [step for step, output in outputs if output not in held]
    loop = [step for step, output in outputs if output in held & needed]
    after = [step for step, output in outputs if output in held - needed]
    return before, loop, after


def unwritten(steps: Iterable[S], ties: Callable[[S], Ties], own: Iterable[str] = ()) -> list[str]:
    """Tensors of their own sequence, beside `own`, that steps read and do not write before, each
    once."""
    written_so_far, found = set(own), dict[str, None]()
    for step in steps:
        reads, writes, _ = ties(step)
        found |= dict.fromkeys(name for name in reads if name not in written_so_far)
        written_so_far |= set(writes)
    return list(found)


def parts(scan: Scan, seen: Collection[str]) -> tuple[Part, Part, Part]:
    """The operations before, in and after the recurrence (`cut`), each in order.

    Inputs are in none of them; a slice is in each part that reads it, as a view, and in its own
    where it is seen.
    """
    operations = [op for op in scan.operations if not isinstance(op, Input)]
    states = [(state.name, state.source) for state in scan.states]
    before, loop, after = cut(operations, states, ties_of)
    return (
        _with_views(scan, before, seen),
        _with_views(scan, loop, seen),
        _with_views(scan, after, seen),
    )


def _with_views(scan: Scan, part: Iterable[Operation], seen: Collection[str]) -> Part:
    """The part with the slices that it reads, without those that nobody reads there."""
    slices = {op.output: op for op in scan.operations if isinstance(op, Slice)}
    kept: set[str] = set()

    def keep(op: Operation) -> None:
        kept.add(op.output)
        for name in op.inputs:
            if name in slices and name not in kept:
                keep(slices[name])

    for op in part:
        if not isinstance(op, Slice) or op.output in seen:
            keep(op)
    return tuple(op for op in scan.operations if op.output in kept)


def imports(operations: Iterable[Operation]) -> list[str]:
    """Tensors of their own sequence that operations read and do not write, each once."""
    return unwritten(operations, ties_of)


def hidden(scan: Scan, tensors: Mapping[str, Tensor], seen: Collection[str]) -> set[str]:
    """Sums and products of 8-bit codes that one activation alone reads: a table does both."""
    readers: dict[str, list[Operation]] = {}
    for op in scan.operations:
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    found = set()
    for op in scan.operations:
        if not isinstance(op, Add | Multiply) or op.output in seen or len(op.inputs) > 2:
            continue
        reading = readers.get(op.output, [])
        names = (*op.inputs, op.output, *(r.output for r in reading))
        small = all(tensors[name].bits == 8 for name in names)
        if small and len(reading) == 1 and isinstance(reading[0], Pwl | LookUp):
            found.add(op.output)
    return found
