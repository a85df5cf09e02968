"""Whole networks in exact rational arithmetic, from the bytes of a model file.

As far apart as tests/reference.py, which evaluates every operation: the file is read as
docs/model-file.md says, one sequence is walked at a time, one step, one operation, one vector after
another. Codes are Python integers, a vector is a list of them; an operation is the object that the
file holds, with its arrays in place of their names.
"""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import reference

Codes = list[int]
Operation = dict[str, Any]
Values = dict[str, Any]  # of a step, by tensor: codes; within attention, one an encoder step

LAYOUTS = {"int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "int64": "q"}
ARRAYS = "weights", "bias", "table", "gamma", "beta"
PARTS = "total", "tanh", "score", "exp"  # within attention
POWERS = [2**e for e in range(7)]
MAGNITUDES = {"ternary": [0, 1], "power of two": [0, *POWERS], "exponential": POWERS}
ELEMENTS = {
    "one minus": reference.one_minus,
    "multiply": reference.multiply,
    "minimum": reference.minimum,
    "affine": reference.affine,
    "pwl": reference.pwl,
    "lookup": reference.look_up,
}


class Tensor(NamedTuple):
    length: int
    bits: int
    zero_point: int


class Network(NamedTuple):
    """outputs: pairs of a tensor and the mantissa and shift of its scale."""

    tensors: dict[str, Tensor]
    scans: list[dict[str, Any]]
    outputs: list[list[Any]]


class Step(NamedTuple):
    """What one step of a sequence is fed: a symbol, codes of each input."""

    symbol: int | None
    inputs: Mapping[str, Codes]


# The file


def read(data: bytes) -> Network:
    """Raises ValueError for another magic, version or kind, and for a wrong digest."""
    magic, version, length = struct.unpack_from("<4sIQ", data)
    header, blob = json.loads(data[16 : 16 + length]), data[16 + length : -32]
    if (magic, version, header["kind"]) != (b"IRNN", 2, "model"):
        raise ValueError(f"magic {magic}, version {version}, kind {header['kind']}")
    if hashlib.sha256(data[:-32]).digest() != data[-32:]:
        raise ValueError("the digest differs")
    arrays = {name: _array(blob, **entry) for name, entry in header["arrays"].items()}
    tensors = {name: Tensor(*numbers) for name, *numbers in header["tensors"]}
    for scan in header["scans"]:
        scan["operations"] = [_operation(op, arrays, tensors) for op in scan["operations"]]
    return Network(tensors, header["scans"], header["outputs"])


def _array(blob: bytes, dtype: str, shape: Sequence[int], offset: int) -> list:
    """The numbers of a vector, the rows of a matrix."""
    numbers = list(struct.unpack_from(f"<{prod(shape)}{LAYOUTS[dtype]}", blob, offset))
    return _rows(numbers, *shape) if len(shape) == 2 else numbers


def _rows(numbers: Codes, rows: int, columns: int) -> list[Codes]:
    return [numbers[r * columns : (r + 1) * columns] for r in range(rows)]


def _operation(op: Operation, arrays: Mapping, tensors: Mapping[str, Tensor]) -> Operation:
    made = {name: arrays[value] if name in ARRAYS else value for name, value in op.items()}
    if op["op"] == "attend":
        made |= {name: _operation(op[name], arrays, tensors) for name in PARTS}
    if op.get("weight_format"):
        shape = tensors[op["output"]].length, tensors[op["inputs"][0]].length
        weights = _unpacked(made["weights"], MAGNITUDES[op["weight_format"]], prod(shape))
        made["weights"] = _rows(weights, *shape)
    return made


def _unpacked(packed: Codes, magnitudes: Sequence[int], count: int) -> list[int]:
    """Weights of codes one after another, the first in the lowest bits: a sign above the index of
    a magnitude."""
    indices = 2 ** (len(magnitudes) - 1).bit_length()
    stream = int.from_bytes(bytes(packed), "little")
    codes = [stream // (2 * indices) ** n % (2 * indices) for n in range(count)]
    return [(-1) ** (code // indices) * magnitudes[code % indices] for code in codes]


# The walk


def run(network: Network, feeds: Mapping[str, Sequence[Step]]) -> dict[str, list[Values]]:
    """What every tensor holds at every step of each sequence; a state: through the step.

    A scan walks one way, its states at their zero points first. What an earlier scan of its
    sequence wrote at a step is there at that step.
    """
    walked: dict[str, list[Values]] = {}
    for scan in network.scans:
        feed = feeds[scan["sequence"]]
        steps = walked.setdefault(scan["sequence"], [{} for _ in feed])
        plan = [(op, _constants(op, network.tensors)) for op in scan["operations"]]
        zeros = ((name, network.tensors[name]) for name, _ in scan["states"])
        held = {name: [t.zero_point] * t.length for name, t in zeros}
        for t in reversed(range(len(feed))) if scan["reverse"] else range(len(feed)):
            steps[t] |= held
            for op, numbers in plan:
                steps[t] |= _evaluate(op, numbers, steps[t], feed[t], walked)
            held = {name: steps[t][source] for name, source in scan["states"]}
    return walked


def _constants(op: Operation, tensors: Mapping[str, Tensor]) -> tuple:
    """In the order in which the function of tests/reference.py takes them; of MadNorm, the number
    of rows first."""
    out, inputs = tensors[op["output"]], [tensors[name] for name in op["inputs"]]
    last, zeros = (out.zero_point, out.bits), [t.zero_point for t in inputs]
    match op["op"]:
        case "matvec":
            products = op["weights"], op["bias"], zeros[0], op["weight_zero_point"]
            pair = op["multiplier"] or ()
            each = (c if isinstance(c, list) else [c] * out.length for c in pair)
            return (*products, *each, *last) if pair else products
        case "slice":
            return op["start"], op["start"] + out.length
        case "add":
            return zeros, op["mantissas"], op["shift"], *last
        case "one minus":
            return inputs[0].bits, zeros[0], op["mantissas"], op["shift"], *last
        case "multiply" | "affine":
            return *zeros, *op["multiplier"], *last
        case "pwl":
            table = op["knots"], op["slopes"], op["intercepts"], op["shift"]
            return *table, out.zero_point, inputs[0].bits, out.bits
        case "lookup":
            return (op["table"],)
        case "madnorm":
            mu, x_hat, d = (tensors[op[name]] for name in ("mean", "centred", "deviation"))
            steps = (
                (*op["mean_multiplier"], mu.zero_point, mu.bits),
                (*op["mantissas"], op["shift"], x_hat.zero_point, x_hat.bits),
                (*op["deviation_multiplier"], d.bits),
                (*op["multiplier"], *last),
            )
            return mu.length, zeros[0], *steps
        case "attend":
            parts = [_constants(op[name], tensors) for name in PARTS]
            return *parts, (zeros[2], *op["multiplier"], *last)
    return ()


def _evaluate(
    op: Operation, numbers: tuple, values: Values, step: Step, walked: Mapping[str, list[Values]]
) -> Values:
    """What the operation writes, given what the step has so far."""
    if op["op"] == "attend":
        return _attend(op, numbers, values, walked)
    operands = [values[name] for name in op["inputs"]]
    match op["op"]:
        case "madnorm":
            return _madnorm(op, numbers, *operands)
        case "input":
            codes = step.inputs[op["output"]]
        case "embedding":
            codes = reference.embedding(step.symbol, op["table"])
        case "matvec":
            function = reference.matvec if op["multiplier"] else reference.accumulate
            codes = function(*operands, *numbers)
        case "slice":
            codes = operands[0][slice(*numbers)]
        case "concatenate":
            codes = _joined(operands)
        case "add":
            codes = [reference.add(terms, *numbers) for terms in zip(*operands, strict=True)]
        case kind:
            constant = (op["gamma"], op["beta"]) if kind == "affine" else ()
            rows = zip(*operands, *constant, strict=True)
            codes = [ELEMENTS[kind](*terms, *numbers) for terms in rows]
    return {op["output"]: codes}


def _joined(parts: Sequence[Codes]) -> Codes:
    return [q for part in parts for q in part]


def _madnorm(op: Operation, numbers: tuple, x: Codes) -> Values:
    count, *rest = numbers
    rows = [reference.madnorm(row, *rest) for row in _rows(x, count, len(x) // count)]
    mu, x_hat, d, y = zip(*rows, strict=True)
    names = (op[name] for name in ("mean", "centred", "deviation", "output"))
    return dict(zip(names, ([*mu], _joined(x_hat), [*d], _joined(y)), strict=True))


def _attend(op: Operation, numbers: tuple, values: Values, walked: Mapping) -> Values:
    """Over every step of the one sequence that has the key."""
    query, key, memory = op["inputs"]
    (steps,) = (steps for steps in walked.values() if key in steps[0])
    keys, encoder = ([step[name] for step in steps] for name in (key, memory))
    total, tanh, score, _, exp, context = reference.attend(values[query], keys, encoder, *numbers)
    inner = zip(PARTS, (total, tanh, score, exp), strict=True)
    return {op[part]["output"]: codes for part, codes in inner} | {op["output"]: context}
