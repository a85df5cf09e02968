"""How a scan is cut: what needs no state runs for many steps at once, the rest step by step."""

from collections.abc import Collection, Iterable, Mapping

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


def parts(scan: Scan, seen: Collection[str]) -> tuple[Part, Part, Part]:
    """The operations before, in and after the recurrence, each in order.

    Before: what depends on no state. In: what a state's next value depends on, and attention.
    After: what reads states but feeds none. Inputs are in none of them; a slice is in each part
    that reads it, as a view, and in its own where it is seen.
    """
    operations = [op for op in scan.operations if not isinstance(op, Input)]
    held = {state.name for state in scan.states}
    for op in operations:
        if isinstance(op, Attend) or held & set(op.inputs):
            held |= set(written(op))
    needed = {state.source for state in scan.states}
    for op in reversed(operations):
        if isinstance(op, Attend) or needed & set(written(op)):
            needed |= {*op.inputs, *written(op)}
    before = [op for op in operations if op.output not in held]
    loop = [op for op in operations if op.output in held & needed]
    after = [op for op in operations if op.output in held - needed]
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
    own, found = set[str](), dict[str, None]()
    for op in operations:
        for name in op.inputs[:1] if isinstance(op, Attend) else op.inputs:
            if name not in own:
                found[name] = None
        own |= set(written(op))
    return list(found)


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
