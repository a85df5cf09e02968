"""What is wrong with the operands of an operation: their number, lengths, bits, parameters."""

from collections.abc import Mapping, Sequence

import numpy as np

from golden.operations import (
    Add,
    Affine,
    Attend,
    Concatenate,
    Embedding,
    Input,
    LookUp,
    MadNorm,
    MatVec,
    Minimum,
    Multiply,
    OneMinus,
    Operation,
    Pwl,
    Slice,
    Tensor,
)
from golden.weights import FORMATS

Tensors = Mapping[str, Tensor]


def shape_problem(op: Operation, tensors: Tensors) -> str | None:
    """What does not fit; None: all does. Every name must be known."""
    out, inputs = tensors[op.output], [tensors[name] for name in op.inputs]
    if any(t.bits == 32 for t in inputs):
        return "reads 32-bit accumulators"
    arity = _arity(op, len(inputs))
    if len(inputs) != arity:
        return f"{len(inputs)} inputs, {arity} expected"
    if out.bits == 32 and not isinstance(op, MatVec):
        return "only a matrix-vector product has a 32-bit output"
    match op:
        case Input():
            return None
        case Embedding():
            return _embedding(op, out)
        case MatVec():
            return _matvec(op, inputs[0], out)
        case Slice():
            fits = op.start >= 0 and op.start + out.length <= inputs[0].length
            return None if _alike(inputs[0], out) and fits else (
                "slice outside its input, or of other parameters"
            )  # fmt: skip
        case Concatenate():
            fits = sum(t.length for t in inputs) == out.length
            return None if fits and _alike(*inputs, out) else "parts of other length or parameters"
        case Minimum() if not _alike(*inputs, out):
            return "operands and output differ in their parameters"
        case LookUp() if (op.table.dtype.name, op.table.ndim) != (f"uint{out.bits}", 1):
            return f"table: uint{out.bits} vector expected, got {op.table.dtype} {op.table.shape}"
        case OneMinus() if len(op.mantissas) != 2:
            return f"mantissas: {len(op.mantissas)}; of 1 and x expected"
        case Affine() if op.gamma.shape != (out.length,):
            return f"gamma: {op.gamma.shape} for a length of {out.length}"
        case MadNorm():
            return _madnorm(op, tensors)
        case Attend():
            return _attend(op, tensors)
    return None if all(t.length == out.length for t in inputs) else "operand lengths differ"


def _arity(op: Operation, given: int) -> int:
    """How many inputs an operation takes; at least one of a sum or a concatenation."""
    if isinstance(op, Add | Concatenate):
        return given or 1
    return {Input: 0, Embedding: 0, Multiply: 2, Minimum: 2, Attend: 3}.get(type(op), 1)


def _alike(*tensors: Tensor) -> bool:
    """Whether codes may move from one to the other: same bits, same zero point."""
    return len({(t.bits, t.zero_point) for t in tensors}) == 1


def _embedding(op: Embedding, out: Tensor) -> str | None:
    if op.table.dtype != np.uint8 or op.table.ndim != 2 or op.table.shape[0] < 1:
        return "table: uint8 matrix expected"
    return None if (op.table.shape[1], 8) == (out.length, out.bits) else "output length"


def _matvec(op: MatVec, x: Tensor, out: Tensor) -> str | None:
    if op.weights.shape != (out.length, x.length):
        return f"weights {op.weights.shape} for {x.length} -> {out.length}"
    if op.weight_format is not None:
        if op.weight_format not in FORMATS:
            return f"weight format {op.weight_format}: none of {', '.join(FORMATS)}"
        grid = FORMATS[op.weight_format].grid
        if op.weights.dtype != np.int8 or op.weight_zero_point or not _within(op.weights, grid):
            return f"weights: one is not of format {op.weight_format}"
    return None if (out.bits == 32) == (op.multiplier is None) else "output bits"


def _within(weights: np.ndarray, grid: np.ndarray) -> bool:
    return bool(np.isin(weights, grid).all())


def _madnorm(op: MadNorm, tensors: Tensors) -> str | None:
    x, out = tensors[op.inputs[0]], tensors[op.output]
    mu, x_hat, d = (tensors[name] for name in (op.mean, op.centred, op.deviation))
    if not x.length == x_hat.length == out.length or mu.length != d.length:
        return "operand lengths differ"
    if x.length % mu.length:
        return f"{mu.length} means for a length of {x.length}"
    if len(op.mantissas) != 2:
        return f"mantissas: {len(op.mantissas)}; of x and mu expected"
    if d.zero_point:
        return f"{op.deviation}: zero point {d.zero_point}; a mean deviation has 0"
    return None


def _attend(op: Attend, tensors: Tensors) -> str | None:
    query, key, memory = op.inputs
    kinds = Add, Pwl, MatVec, Pwl
    if not all(isinstance(part, kind) for part, kind in zip(op.parts, kinds, strict=True)):
        return "total, tanh, score, exp: add, pwl, matvec, pwl expected"
    chain: Sequence[tuple[Operation, tuple[str, ...]]] = (
        (op.total, (query, key)),
        (op.tanh, (op.total.output,)),
        (op.score, (op.tanh.output,)),
        (op.exp, (op.score.output,)),
    )
    for part, reads in chain:
        if part.inputs != reads:
            return f"{part.output}: reads {', '.join(part.inputs)}, not {', '.join(reads)}"
        problem = shape_problem(part, tensors)
        if problem:
            return f"{part.output}: {problem}"
    if tensors[memory].length != tensors[op.output].length:
        return "memory and context differ in length"
    return None
