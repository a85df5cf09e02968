"""Sums of slices side by side, and their activations: the gates of a cell, computed as one.

It changes no value: a sum of the slices of two tensors is a part of the sum of the tensors.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from golden.model_check import Tensors
from golden.operations import Add, LookUp, Operation, Pwl, Slice

MAX_TERMS = 16  # whose sum float64 holds: codes of 16 bits times mantissas of 31


@dataclass(frozen=True)
class Stack:
    """Sums of one length, each the input of the activation of its place. sources: the tensors whose
    consecutive slices, from `start` on, they add."""

    adds: tuple[Add, ...]
    activations: tuple[Pwl | LookUp, ...]
    sources: tuple[str, ...]
    starts: tuple[int, ...]
    length: int

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(op.output for op in (*self.adds, *self.activations))


def stacked(
    operations: Sequence[Operation], tensors: Tensors, wanted: Collection[str]
) -> list[Operation | Stack]:
    """The operations with stacks in place of what is in them, without slices that nobody reads.

    wanted: tensors that are read elsewhere. (A dropout, a slice in an IntModel, is as long as its
    source, and so none of several consecutive ones.)
    """
    stacks = list(_stacks(operations, tensors))
    first = {stack.adds[0].output: stack for stack in stacks}
    inside = {name for stack in stacks for name in stack.writes}
    read = {n for op in operations if op.output not in inside for n in op.inputs} | set(wanted)
    kept: list[Operation | Stack] = []
    for op in operations:
        if op.output in first:
            kept.append(first[op.output])
        elif op.output not in inside and not (isinstance(op, Slice) and op.output not in read):
            kept.append(op)
    return kept


def _stacks(operations: Sequence[Operation], tensors: Tensors) -> Iterator[Stack]:
    slices = {op.output: op for op in operations if isinstance(op, Slice)}
    activations = {op.inputs[0]: op for op in operations if isinstance(op, Pwl | LookUp)}
    groups: dict[tuple[object, ...], list[Add]] = {}
    for op in operations:
        few = isinstance(op, Add) and len(op.inputs) <= MAX_TERMS
        if few and op.output in activations and all(name in slices for name in op.inputs):
            groups.setdefault(_kind(op, activations[op.output], slices, tensors), []).append(op)
    for adds in groups.values():
        length = tensors[adds[0].output].length
        parts = [[slices[name] for name in op.inputs] for op in adds]
        in_order = all(
            part.start == first.start + n * length
            for n, row in enumerate(parts)
            for part, first in zip(row, parts[0], strict=True)
        )
        if len(adds) > 1 and in_order:
            yield Stack(
                tuple(adds),
                tuple(activations[op.output] for op in adds),
                tuple(part.inputs[0] for part in parts[0]),
                tuple(part.start for part in parts[0]),
                length,
            )


def _kind(
    op: Add, activation: Operation, slices: Mapping[str, Slice], tensors: Tensors
) -> tuple[object, ...]:
    """What sums of a stack have in common."""
    t, a = tensors[op.output], tensors[activation.output]
    return *(slices[name].inputs[0] for name in op.inputs), t.length, t.bits, a.bits
