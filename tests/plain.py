"""A model run on the plain definitions: one sequence, one step, one operation after another."""

import numpy as np

from golden.activation import look_up, pwl
from golden.attention import AttentionClamps, attend, remember
from golden.elementwise import add, affine, minimum, multiply, one_minus
from golden.feed import Feed
from golden.fixed import ClampCount
from golden.linear import embedding, matvec
from golden.madnorm import MadNormClamps, madnorm
from golden.model import IntModel
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
    Pwl,
    Slice,
    stepwise,
    written,
)

Counts = dict[str, tuple[int, int]]
MOVES = Input | Embedding | Slice | Concatenate | Minimum | LookUp


def interpret(model: IntModel, feeds: dict[str, Feed]) -> tuple[dict[str, np.ndarray], Counts]:
    """Codes (T, length) of every tensor that has one value a step, and (clamped, seen) of those
    that saturate. feeds: of one sequence each, without padding."""
    clamps = {
        name: ClampCount()
        for op in model.operations
        for name in written(op)
        if not isinstance(op, MOVES) and model.tensors[name].bits != 32
    }
    traces: dict[str, np.ndarray] = {}
    for scan in model.scans:
        feed = feeds[scan.sequence]
        given = {name: np.asarray(x)[0] for name, x in feed.inputs.items()}
        tokens = None if feed.tokens is None else np.asarray(feed.tokens)[0]
        steps = len(tokens) if tokens is not None else len(next(iter(given.values())))
        held = {s.name: np.full(model.tensors[s.name].length, model.tensors[s.name].zero_point)
                for s in scan.states}  # fmt: skip
        own = [n for op in scan.operations for n in stepwise(op)]
        found = {n: np.zeros((steps, model.tensors[n].length), int) for n in own}
        for t in range(steps)[:: -1 if scan.reverse else 1]:
            values = {n: x[t] for n, x in traces.items() if len(x) == steps} | held
            for op in scan.operations:
                if isinstance(op, Input):
                    values[op.output] = given[op.output][t]
                elif isinstance(op, Embedding):
                    values[op.output] = embedding(op.table, tokens[t])
                else:
                    values |= _evaluate(model, op, values, traces, clamps)
            for n in own:
                found[n][t] = values[n]
            held = {s.name: values[s.source] for s in scan.states}
        traces |= found
    return traces, {n: (c.clamped, c.seen) for n, c in clamps.items()}


def _evaluate(model, op, values, traces, clamps) -> dict[str, np.ndarray]:
    spec, count = model.spec(op.output), clamps.get(op.output)
    if isinstance(op, Attend):
        key, encoder = (traces[n][np.newaxis] for n in op.inputs[1:])
        memory = remember(key, encoder, [key.shape[1]])
        counts = AttentionClamps(*(clamps[n] for n in written(op)))
        query = values[op.inputs[0]][np.newaxis]
        return {op.output: attend(spec, query, memory, counts).context[0]}
    x = [values[name] for name in op.inputs]
    match op:
        case MatVec():
            return {op.output: matvec(spec, *x, count)}
        case Slice():
            return {op.output: x[0][op.start : op.start + model.tensors[op.output].length]}
        case Concatenate():
            return {op.output: np.concatenate(x)}
        case Add():
            return {op.output: add(spec, *x, clamps=count)}
        case OneMinus():
            return {op.output: one_minus(spec, *x, model.tensors[op.inputs[0]].bits, count)}
        case Multiply():
            return {op.output: multiply(spec, *x, count)}
        case Minimum():
            return {op.output: minimum(*x)}
        case Affine():
            return {op.output: affine(spec, *x, count)}
        case Pwl():
            return {op.output: pwl(spec, *x, count)}
        case LookUp():
            return {op.output: look_up(spec, *x)}
        case MadNorm():
            names = written(op)
            trace = madnorm(spec, *x, MadNormClamps(*(clamps[n] for n in names)))
            return dict(zip(names, trace, strict=True))
    raise AssertionError(op)
