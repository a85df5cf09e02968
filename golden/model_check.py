"""What makes an integer model sound: specs of its operations, shapes, and the order of writes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from golden.activation import LutSpec, PwlSpec
from golden.elementwise import AddSpec, MultiplySpec
from golden.errors import InputError
from golden.linear import MatVecSpec
from golden.operations import (
    OPERATION_NAMES,
    Add,
    Embedding,
    LookUp,
    MatVec,
    Multiply,
    Operation,
    Pwl,
    Slice,
    State,
    Tensor,
)


def spec_of(op: Operation, tensors: Mapping[str, Tensor]) -> Any:
    """The spec dataclass that golden evaluates (and RTL is built from) for this operation."""
    out = tensors[op.output]
    zero_points = tuple(tensors[name].zero_point for name in op.inputs)
    match op:
        case MatVec():
            x = tensors[op.inputs[0]]
            last = op.multiplier is None
            return MatVecSpec(
                op.weights,
                op.bias,
                x.zero_point,
                op.multiplier,
                0 if last else out.zero_point,
                x.bits,
                8 if last else out.bits,
            )
        case Add():
            return AddSpec(zero_points, op.mantissas, op.shift, out.zero_point, out.bits)
        case Multiply():
            a, b = zero_points
            return MultiplySpec((a, b), op.multiplier, out.zero_point, out.bits)
        case Pwl():
            x = tensors[op.inputs[0]]
            return PwlSpec(
                op.knots, op.slopes, op.intercepts, op.shift, out.zero_point, x.bits, out.bits
            )
        case LookUp():
            return LutSpec(op.table, tensors[op.inputs[0]].bits, out.bits)
    return None


def check(
    tensors: Mapping[str, Tensor],
    states: Sequence[State],
    operations: Sequence[Operation],
    output: str,
) -> None:
    """Raise InputError unless every tensor is known, is written once before it is read, and has
    the shape that its use needs."""
    for name, tensor in tensors.items():
        if name != tensor.name:
            raise InputError(f"tensor {name}: filed under another name than its own, {tensor.name}")
    known: set[str] = set()
    for state in states:
        if state.name in known:
            raise InputError(f"state {state.name}: there are two of this name")
        known.add(state.name)
    for op in operations:
        _check_operation(op, tensors, known)
        known.add(op.output)
    for state in states:
        _check_state(state, tensors, known)
    if output not in known:
        raise InputError(f"output {output}: never written")
    for name in tensors:
        if name not in known:
            raise InputError(f"tensor {name}: never written")


def _check_operation(op: Operation, tensors: Mapping[str, Tensor], known: Iterable[str]) -> None:
    where = f"operation {OPERATION_NAMES[type(op)]} -> {op.output}"
    for name in (*op.inputs, op.output):
        if name not in tensors:
            raise InputError(f"{where}: unknown tensor {name}")
    for name in op.inputs:
        if name not in known:
            raise InputError(f"{where}: reads {name} before it is written")
    if op.output in known:
        raise InputError(f"{where}: {op.output} is written twice")
    problem = _shape_problem(op, tensors)
    if problem:
        raise InputError(f"{where}: {problem}")
    try:
        spec_of(op, tensors)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _check_state(state: State, tensors: Mapping[str, Tensor], known: Iterable[str]) -> None:
    if state.name not in tensors:
        raise InputError(f"state {state.name}: unknown tensor")
    if state.source not in known:
        raise InputError(f"state {state.name}: {state.source} is never written")
    a, b = tensors[state.name], tensors[state.source]
    if (a.length, a.bits, a.zero_point) != (b.length, b.bits, b.zero_point):
        raise InputError(f"state {state.name}: differs from {state.source} in shape")


def _shape_problem(op: Operation, tensors: Mapping[str, Tensor]) -> str | None:
    out, inputs = tensors[op.output], [tensors[name] for name in op.inputs]
    if any(t.bits == 32 for t in inputs):
        return "reads 32-bit accumulators"
    arity = {Embedding: 0, Add: len(inputs) or 1, Multiply: 2}.get(type(op), 1)
    if len(inputs) != arity:
        return f"{len(inputs)} inputs, {arity} expected"
    if out.bits == 32 and not isinstance(op, MatVec):
        return "only a matrix-vector product has a 32-bit output"
    match op:
        case Embedding():
            if op.table.dtype != np.uint8 or op.table.ndim != 2 or op.table.shape[0] < 1:
                return "table: uint8 matrix expected"
            return None if (op.table.shape[1], 8) == (out.length, out.bits) else "output length"
        case MatVec():
            if op.weights.shape != (out.length, inputs[0].length):
                return f"weights {op.weights.shape} for {inputs[0].length} -> {out.length}"
            return None if (out.bits == 32) == (op.multiplier is None) else "output bits"
        case Slice():
            same = (out.bits, out.zero_point) == (inputs[0].bits, inputs[0].zero_point)
            fits = op.start >= 0 and op.start + out.length <= inputs[0].length
            return None if same and fits else "slice outside its input, or of other parameters"
    return None if all(t.length == out.length for t in inputs) else "operand lengths differ"
