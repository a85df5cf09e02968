"""What makes an integer model sound: specs of its operations, shapes, and the order of writes."""

from collections.abc import Mapping, Sequence
from typing import Any

from golden.activation import LutSpec, PwlSpec
from golden.attention import AttentionSpec, ContextSpec
from golden.elementwise import AddSpec, AffineSpec, MultiplySpec, subtract_spec
from golden.errors import InputError
from golden.header import is_name
from golden.linear import MatVecSpec
from golden.madnorm import MadNormSpec
from golden.model_shapes import shape_problem
from golden.operations import (
    OPERATION_NAMES,
    Add,
    Affine,
    Attend,
    LookUp,
    MadNorm,
    MatVec,
    Multiply,
    OneMinus,
    Operation,
    Output,
    Pwl,
    Scan,
    State,
    Tensor,
    written,
)

Tensors = Mapping[str, Tensor]


def spec_of(op: Operation, tensors: Tensors) -> Any:
    """The spec dataclass that golden evaluates (and RTL is built from) for this operation.

    None: it moves codes and computes nothing.
    """
    out, inputs = tensors[op.output], [tensors[name] for name in op.inputs]
    zero_points = tuple(t.zero_point for t in inputs)
    match op:
        case MatVec():
            return _matvec(op, inputs[0], out)
        case Add():
            return AddSpec(zero_points, op.mantissas, op.shift, out.zero_point, out.bits)
        case OneMinus():
            one, x = op.mantissas
            return subtract_spec((0, zero_points[0]), (one, x), op.shift, out.zero_point, out.bits)
        case Multiply():
            a, b = zero_points
            return MultiplySpec((a, b), op.multiplier, out.zero_point, out.bits)
        case Affine():
            return AffineSpec(
                op.gamma, op.beta, zero_points[0], op.multiplier, out.zero_point, out.bits
            )
        case Pwl():
            constants = (op.knots, op.slopes, op.intercepts, op.shift)
            return PwlSpec(*constants, out.zero_point, inputs[0].bits, out.bits)
        case LookUp():
            return LutSpec(tuple(op.table.tolist()), inputs[0].bits, out.bits)
        case MadNorm():
            return _madnorm(op, tensors)
        case Attend():
            h, exp = inputs[2], tensors[op.exp.output]
            context = ContextSpec(
                h.zero_point, op.multiplier, out.zero_point, h.bits, out.bits, exp.bits
            )
            total, tanh, score, exp = (spec_of(part, tensors) for part in op.parts)
            return AttentionSpec(total, tanh, score, exp, context)
    return None


def _matvec(op: MatVec, x: Tensor, out: Tensor) -> MatVecSpec:
    last = op.multiplier is None
    return MatVecSpec(
        op.weights,
        op.bias,
        x.zero_point,
        op.multiplier,
        0 if last else out.zero_point,
        x.bits,
        8 if last else out.bits,
        op.weight_zero_point,
    )


def _madnorm(op: MadNorm, tensors: Tensors) -> MadNormSpec:
    x, out = tensors[op.inputs[0]], tensors[op.output]
    mu, x_hat, d = (tensors[name] for name in (op.mean, op.centred, op.deviation))
    of_x, of_mu = op.mantissas
    zero_points = (x.zero_point, mu.zero_point)
    centre = subtract_spec(zero_points, (of_x, of_mu), op.shift, x_hat.zero_point, x_hat.bits)
    return MadNormSpec(
        x.length // mu.length,
        op.mean_multiplier,
        centre,
        op.deviation_multiplier,
        op.multiplier,
        out.zero_point,
        x.bits,
        mu.bits,
        d.bits,
        out.bits,
    )


def check(tensors: Tensors, scans: Sequence[Scan], outputs: Sequence[Output]) -> tuple[Any, ...]:
    """The golden spec of each operation, None where it moves codes.

    Raises InputError unless every tensor is known, is written once before it is read, and has the
    shape that its use needs.
    """
    for name, tensor in tensors.items():
        if name != tensor.name:
            raise InputError(f"tensor {name}: filed under another name than its own, {tensor.name}")
        if not is_name(name):
            raise InputError(f"tensor {name!r}: no name; printable characters expected")
    if not scans or not outputs:
        raise InputError(f"model: {len(scans)} scans, {len(outputs)} outputs; it needs one of each")
    sequences: dict[str, str] = {}  # of every tensor written so far
    specs = [spec for scan in scans for spec in _check_scan(scan, tensors, sequences)]
    _check_inner(scans, outputs)
    for name in [output.tensor for output in outputs]:
        if name not in sequences:
            raise InputError(f"output {name}: never written")
    if len({output.tensor for output in outputs}) < len(outputs):
        raise InputError("outputs: two of the same tensor")
    for name in tensors:
        if name not in sequences:
            raise InputError(f"tensor {name}: never written")
    return tuple(specs)


def _check_inner(scans: Sequence[Scan], outputs: Sequence[Output]) -> None:
    """What is within attention has no value of a step, so that nothing else takes it."""
    operations = [op for scan in scans for op in scan.operations]
    inner = {p.output for op in operations if isinstance(op, Attend) for p in op.parts}
    readers = [(_where(op), name) for op in operations for name in op.inputs]
    readers += [(f"state {s.name}", s.source) for scan in scans for s in scan.states]
    readers += [(f"output {o.tensor}", o.tensor) for o in outputs]
    for where, name in readers:
        if name in inner:
            raise InputError(f"{where}: {name} is within attention; its context alone is read")


def _check_scan(scan: Scan, tensors: Tensors, sequences: dict[str, str]) -> list[Any]:
    """The specs of its operations; what it writes is added to the sequences."""
    if not is_name(scan.sequence):
        raise InputError(f"sequence {scan.sequence!r}: no name; printable characters expected")
    if not scan.operations:
        raise InputError(f"scan of {scan.sequence}: operations: none; one expected")
    own, specs = set[str](), []
    for state in scan.states:
        if state.name in sequences:
            raise InputError(f"state {state.name}: there are two of this name")
        if state.name not in tensors:
            raise InputError(f"state {state.name}: unknown tensor")
        sequences[state.name] = scan.sequence
        own.add(state.name)
    for op in scan.operations:
        _check_names(op, scan.sequence, tensors, sequences)
        specs.append(_check_operation(op, tensors))
        sequences |= dict.fromkeys(written(op), scan.sequence)
        own.update(written(op))
    for state in scan.states:
        _check_state(state, tensors, own)
    return specs


def _where(op: Operation) -> str:
    return f"operation {OPERATION_NAMES[type(op)]} -> {op.output}"


def _check_names(
    op: Operation, sequence: str, tensors: Tensors, sequences: Mapping[str, str]
) -> None:
    """Every name known, read after it is written, where it is written, and written once."""
    where, writes = _where(op), written(op)
    for name in (*op.inputs, *writes):
        if name not in tensors:
            raise InputError(f"{where}: unknown tensor {name}")
    for position, name in enumerate(op.inputs):
        if name not in sequences:
            raise InputError(f"{where}: reads {name} before it is written")
        elsewhere = isinstance(op, Attend) and position > 0
        if elsewhere != (sequences[name] != sequence):
            raise InputError(
                f"{where}: reads {name} of sequence {sequences[name]}; attention, and it alone, "
                "takes key and memory from another sequence"
            )
    for position, name in enumerate(writes):
        if name in sequences or name in writes[:position]:
            raise InputError(f"{where}: {name} is written twice")
    if isinstance(op, Attend) and len({sequences[name] for name in op.inputs[1:]}) != 1:
        raise InputError(f"{where}: key and memory are of different sequences")


def _check_operation(op: Operation, tensors: Tensors) -> Any:
    problem = shape_problem(op, tensors)
    if problem:
        raise InputError(f"{_where(op)}: {problem}")
    try:
        spec = spec_of(op, tensors)
    except ValueError as error:
        raise InputError(f"{_where(op)}: {error}") from error
    if isinstance(spec, AttentionSpec) and spec.context.max_steps < 1:
        raise InputError(f"{_where(op)}: context: the sum of a single step may exceed 32 bits")
    return spec


def _check_state(state: State, tensors: Tensors, own: set[str]) -> None:
    if state.source not in own:
        raise InputError(f"state {state.name}: {state.source} is not written in its scan")
    a, b = tensors[state.name], tensors[state.source]
    if (a.length, a.bits, a.zero_point) != (b.length, b.bits, b.zero_point):
        raise InputError(f"state {state.name}: differs from {state.source} in shape")
