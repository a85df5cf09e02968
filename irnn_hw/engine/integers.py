"""The operations of an integer model as lines of a tape, and their constants."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from golden.activation import LutSpec, PwlSpec
from golden.fixed import FixedPoint
from golden.kernels import evaluate
from golden.linear import MatVecSpec
from golden.model import IntModel
from golden.operations import (
    Add,
    Affine,
    Concatenate,
    LookUp,
    MadNorm,
    MatVec,
    Minimum,
    Multiply,
    OneMinus,
    Operation,
    Pwl,
    Slice,
    written,
)
from irnn_hw.engine.tape import TERMS, Code, Float32, Instruction, Line, Tape

CODES: Mapping[type[Operation], Code] = {
    MatVec: Code.PRODUCT,
    Add: Code.ADD,
    OneMinus: Code.ADD,
    Multiply: Code.MULTIPLY,
    Affine: Code.AFFINE,
    Pwl: Code.TABLE,
    LookUp: Code.TABLE,
    MadNorm: Code.MADNORM,
    Minimum: Code.MINIMUM,
    Concatenate: Code.CONCATENATE,
}


def integer_lines(
    operations: Sequence[Operation], model: IntModel, masks: Mapping[str, str] | None = None
) -> list[Line] | None:
    """The operations as lines; None where one is beyond the engine: attention, sums of 32 bits.

    masks: of slices that are dropouts, the tensor that says which values are kept.
    """
    lines, masks = list[Line](), masks or {}
    for op in operations:
        if op.output in masks:
            lines.append(Line(Code.MASK, (*op.inputs, masks[op.output]), (op.output,)))
        elif isinstance(op, Slice):
            lines.append(Line(None, op.inputs, (op.output,), op.start))
        elif type(op) not in CODES or model.tensors[op.output].bits == 32 or len(op.inputs) > TERMS:
            return None
        else:
            lines.append(Line(CODES[type(op)], op.inputs, written(op)))
    return lines


def load_integers(tape: Tape, model: IntModel, slopes: Mapping[str, Float32] | None = None) -> None:
    """Set the constants of every instruction to those of a model.

    slopes[output]: of an activation, its slope at every code of its input; needed to train.
    """
    tape.forget()
    for op in model.operations:
        if op.output in tape.instructions and type(op) in CODES:
            to = tape.instructions[op.output]
            for n, name in enumerate(written(op)):
                t = model.tensors[name]
                to.low[n], to.high[n] = -t.zero_point, (1 << t.bits) - 1 - t.zero_point
            _load(tape, op, model, to)
            if slopes and op.output in slopes:
                to.slopes = tape.keep(slopes[op.output])


def _load(tape: Tape, op: Operation, model: IntModel, to: Instruction) -> None:
    spec = model.spec(op.output)
    match op:
        case MatVec():
            _load_product(tape, spec, to)
        case Add():
            to.mantissa[: len(op.inputs)], to.shift[0] = op.mantissas, op.shift
        case OneMinus():
            one, of_x = op.mantissas
            top = (1 << model.tensors[op.inputs[0]].bits) - 1
            to.offset, to.mantissa[0], to.shift[0] = one * top, -of_x, op.shift
        case Multiply():
            _multiplier(to, 0, op.multiplier)
        case Affine():
            _multiplier(to, 0, op.multiplier)
            to.gamma, to.bias = tape.keep(op.gamma), tape.keep(op.beta, np.int64)
        case Pwl() | LookUp():
            values = _table(spec) - np.float32(model.tensors[op.output].zero_point)
            to.values, to.first = tape.keep(values), model.tensors[op.inputs[0]].zero_point
        case MadNorm():
            _multiplier(to, 0, op.mean_multiplier)
            _multiplier(to, 2, op.deviation_multiplier)
            _multiplier(to, 3, op.multiplier)
            of_x, of_mean = op.mantissas
            to.mantissa[1], to.offset, to.shift[1] = of_x, -of_mean, op.shift


def _multiplier(to: Instruction, n: int, m: FixedPoint) -> None:
    to.mantissa[n], to.shift[n] = m.mantissa, m.shift


def _load_product(tape: Tape, spec: MatVecSpec, to: Instruction) -> None:
    tape.set_weights(to, spec.centred.astype(np.float32), not spec.narrow)
    to.bias = tape.keep(spec.bias, np.int64)
    m: Any = spec.multiplier
    if isinstance(m, FixedPoint):
        _multiplier(to, 0, m)
    else:
        to.mantissas, to.shifts = tape.keep(m.mantissa, np.int64), tape.keep(m.shift, np.int64)


@lru_cache(maxsize=64)
def _table(spec: PwlSpec | LutSpec) -> Float32:
    """The output code of every code."""
    return evaluate(spec, [np.arange(1 << spec.in_bits)], None).astype(np.float32)
