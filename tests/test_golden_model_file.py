"""What a model file may not say, by exact message."""

import re

import pytest
from every_operation import MODEL
from models import operation_named
from mutants import DIGEST, header_of, signed, with_header

from golden.errors import InputError
from golden.model import IntModel
from golden.operations import MAX_LENGTH, OPERATIONS

DATA = MODEL.to_bytes()
DELETED = object()
KINDS = ", ".join(OPERATIONS)


def refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=f"^f: {re.escape(message)}$"):
        IntModel.from_bytes(data, "f")


def edited(*path, value) -> bytes:
    """The file with another value at the path into its header."""
    header = place = header_of(DATA)
    for key in path[:-1]:
        place = place[key]
    if value is DELETED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return with_header(DATA, header)


HEADER = [
    (("more",), 1, "fields metadata, outputs, scans, tensors expected"),
    (("scans",), [], "model: 0 scans, 3 outputs; it needs one of each"),
    (("outputs",), [], "model: 4 scans, 0 outputs; it needs one of each"),
    (("outputs", 0), ["logits"], "outputs: ['logits'] is no list of 2"),
    (("outputs", 0, 0), None, "outputs: None is no name"),
    (("outputs", 0, 1), [1], "outputs: [1] is no list of 2"),
    (("outputs", 0, 1), [True, 3], "outputs: True is no integer of 64 bits"),
    (("outputs", 0, 1), [0, 3], "outputs: mantissa 0 is not in 1..2^31-1"),
    (("outputs", 0, 1), [1, 63], "outputs: shift 63 is not in 0..62"),
    (("outputs", 0, 0), "nobody", "output nobody: never written"),
    (("tensors",), {}, "tensors: {} is no list"),
    (("scans",), {}, "scans: {} is no list"),
    (("outputs",), 7, "outputs: 7 is no list"),
    (("metadata",), [], "metadata: [] is no object"),
    (("tensors", 0), ["frame", 4, 8], "tensors[0]: ['frame', 4, 8] is no list of 4"),
    (("tensors", 0, 0), 7, "tensors[0]: 7 is no name"),
    (("tensors", 0, 0), "", "tensors[0]: '' is no name"),
    (("tensors", 0, 0), "a\x1b[2J", "tensors[0]: 'a\\x1b[2J' is no name"),
    (("tensors", 0, 0), "\ud800", "tensors[0]: '\\ud800' is no name"),
    (("tensors", 0, 1), "4", "tensors[0]: '4' is no integer of 64 bits"),
    (("tensors", 0, 1), MAX_LENGTH + 1, "tensors[0]: tensor frame: length 1048577, 8 bits"),
    (("tensors", 0, 2), 32, "tensors[0]: tensor frame: zero point 128"),
    (("tensors", 0, 3), 1 << 70, "tensors[0]: 1180591620717411303424 is no integer of 64 bits"),
    (("tensors", 1, 0), "frame", "tensors[1]: frame: there are two of this name"),
    (("scans", 0), 3, "scan: fields operations, reverse, sequence, states expected"),
    (("scans", 0, "more"), 3, "scan: fields operations, reverse, sequence, states expected"),
    (("scans", 0, "sequence"), None, "scan: sequence: None is no name"),
    (("scans", 0, "reverse"), 0, "scan of speech: reverse: 0 is neither true nor false"),
    (("scans", 0, "states"), None, "scan of speech: states: None is no list"),
    (("scans", 0, "states", 0), ["f"], "scan of speech: states: ['f'] is no list of 2"),
    (("scans", 0, "operations"), 1, "scan of speech: operations: 1 is no list"),
    (("scans", 0, "operations", 0), [], f"operation []: none of {KINDS}"),
    (("scans", 0, "operations", 0), {}, f"operation None: none of {KINDS}"),
    (("scans", 0, "operations"), [], "scan of speech: operations: none; one expected"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), HEADER)
def test_a_header_that_lies(path, value, message):
    refused(edited(*path, value=value), message)


OPERATION = [
    ("fx", "bias", "fx.weights", "bias: int8; int32 expected"),
    ("fx", "inputs", "frame", "inputs: 'frame' is no list"),
    ("fx", "weights", "nobody", "weights: there is no array nobody"),
    ("fx", "weights", "fx.bias", "weights: int32; int8 or uint8 expected"),
    ("fx", "multiplier", [], "multiplier: [] is no list of 2"),
    ("fx", "multiplier", [[1], 2], "multiplier: [1] is no integer of 64 bits"),
    ("fx", "multiplier", [[1, 1, 1], [1, 1]],
     "multiplier: shifts: one int64 for each mantissa expected"),
    ("fx", "multiplier", [[1, 0, 1], [1, 1, 1]], "multiplier: mantissa 0 is not in 1..2^31-1"),
    ("fx", "multiplier", [[1, 1], [1, 1]], "multiplier: 2 for 3 rows"),
    ("fx", "multiplier", None, "output bits"),
    ("fx", "weight_format", 3, "weight_format: 3 is no name"),
    ("fx", "weight_format", "binary",
     "weights: format 'binary': none of ternary, power of two, exponential"),
    ("fx", "weight_format", "ternary", "weights: packed weights: (3, 4) bytes for 12 weights"),
    ("fx", "weight_zero_point", -129, "weights: zero point -129 is no code of theirs"),
    ("fh", "weights", "x.table", "weights: packed weights: (5, 3) bytes for 9 weights"),
    ("fh", "weight_zero_point", 1, "weights: one is not of format ternary"),
    ("fh", "inputs", ["nobody"], "weights: they lead from one known tensor to another"),
    ("fh", "inputs", ["f", "f"], "weights: they lead from one known tensor to another"),
    ("kept", "multiplier", None, "multiplier: None is no list of 2"),
    ("kept", "multiplier", [[5], [1]], "multiplier: [5] is no integer of 64 bits"),
    ("kept", "multiplier", [(1 << 31) - 1, 9], "multiply: mantissa 2147483647 exceeds 30 bits"),
    ("gate", "knots", None, "knots: None is no list"),
    ("gate", "knots", [0, 9, 1 << 65], f"knots: {1 << 65} is no integer of 64 bits"),
    ("gate", "slopes", [0, 0], "knots, slopes, intercepts: one of each a piece"),
    ("gate", "shift", "4", "shift: '4' is no integer of 64 bits"),
    ("gate", "shift", 1 << 62, f"shift {1 << 62} is not in 0..62"),
    ("gate.pre", "start", None, "start: None is no integer of 64 bits"),
    ("scaled", "gamma", "scaled.beta", "gamma: int64; int8 or int16 expected"),
    ("scaled", "beta", "scaled.gamma", "beta: int8; int64 expected"),
    ("wide", "table", "fx.bias", "table: int32; uint8 or uint16 expected"),
    ("x", "table", "wide.table", "table: uint8 matrix expected"),
    ("px.norm", "mean", None, "mean: None is no name"),
    ("px.norm", "mean_multiplier", [0, 0], "mean_multiplier: mantissa 0 is not in 1..2^31-1"),
    ("context", "total", None, "total: operation add expected"),
    ("context", "total", {"op": "attend"}, "total: operation add expected"),
]  # fmt: skip
SHAPELESS = [
    ("fx", "op", "warp", f"operation 'warp': none of {KINDS}"),
    ("fx", "op", ["matvec"], f"operation ['matvec']: none of {KINDS}"),
    ("fx", "output", 3, "operation matvec: output: 3 is no name"),
    ("frame", "shift", 0, "operation input: fields inputs, op, output expected"),
    ("keep", "shift", DELETED,
     "operation one minus: fields inputs, mantissas, op, output, shift expected"),
    ("context", "total", DELETED,
     "operation attend: fields exp, inputs, multiplier, op, output, score, tanh, total expected"),
]  # fmt: skip


def with_field(output: str, field: str, value: object) -> bytes:
    """The file with another value, or none, in a field of the operation of this output."""
    header = header_of(DATA)
    op = operation_named(header, output)
    op[field] = value
    if value is DELETED:
        del op[field]
    return with_header(DATA, header)


@pytest.mark.parametrize(("output", "field", "value", "message"), OPERATION)
def test_a_field_that_lies(output, field, value, message):
    kind = operation_named(header_of(DATA), output)["op"]
    refused(with_field(output, field, value), f"operation {kind} -> {output}: {message}")


@pytest.mark.parametrize(("output", "field", "value", "message"), SHAPELESS)
def test_an_operation_of_no_kind(output, field, value, message):
    refused(with_field(output, field, value), message)


def test_attention_holds_no_attention():
    whole = operation_named(header_of(DATA), "context")
    message = "operation attend -> context: total: operation add expected"
    refused(with_field("context", "total", whole), message)


def test_a_part_of_attention_is_named_within_it():
    where = "operation attend -> context: "
    score = operation_named(header_of(DATA), "context")["score"] | {"bias": "nobody"}
    message = "score: operation matvec -> att.score: bias: there is no array nobody"
    refused(with_field("context", "score", score), where + message)
    fields = "exp: operation pwl: fields inputs, intercepts, knots, op, output, shift, slopes"
    refused(with_field("context", "exp", {"op": "pwl"}), f"{where}{fields} expected")


def with_byte(array: str, index: int, value: int) -> bytes:
    """The file with one byte of an array replaced."""
    start = 16 + int.from_bytes(DATA[8:16], "little") + header_of(DATA)["arrays"][array]["offset"]
    body = bytearray(DATA[:-DIGEST])
    body[start + index] = value
    return signed(bytes(body))


FORM = "malformed model (ValueError('not in the one form that a model has')); export it again"


@pytest.mark.parametrize(
    ("array", "index", "value", "message"),
    [
        ("fh.weights", 0, 0b10, "operation matvec -> fh: weights: codes: 2 is none of this format"),
        ("fh.weights", 2, 0b100, FORM),
        (
            "fx.weights",
            5,
            0x80,
            "operation matvec -> fx: weights: the code -128 is not used, so that negation is exact",
        ),
    ],
)
def test_a_byte_that_lies(array, index, value, message):
    refused(with_byte(array, index, value), message)


def test_other_json_of_the_same_content():
    refused(with_header(DATA, header_of(DATA), indent=1), FORM)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (edited("arrays", "b.pre", value={}), "array b.pre: dtype, offset, shape expected"),
        (edited("arrays", "key.bias", "offset", value=0), "key.bias: offset 0, the one before"),
        (signed(DATA[:-DIGEST] + b"\0"), "arrays: they end at "),
        (edited("kind", value="model!"), "kind 'model!'"),
    ],
)
def test_arrays_that_lie(data, message):
    with pytest.raises(InputError, match=rf"^f: malformed header \(.*{re.escape(message)}"):
        IntModel.from_bytes(data, "f")


def test_a_byte_order_mark_is_refused():
    text = b"\xef\xbb\xbf" + DATA[16 : 16 + int.from_bytes(DATA[8:16], "little")]
    rest = DATA[16 + len(text) - 3 : -DIGEST]
    with pytest.raises(InputError, match=r"^f: malformed header \(JSONDecodeError.*BOM"):
        IntModel.from_bytes(signed(DATA[:8] + len(text).to_bytes(8, "little") + text + rest), "f")
