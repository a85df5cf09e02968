"""Operands, lengths, widths and constants that do not fit, by exact message, of every operation."""

import re
from dataclasses import replace

import numpy as np
import pytest
from every_operation import ATTENTION, MODEL, TENSORS
from models import with_operations

from golden.errors import InputError
from golden.fixed import FixedPoint, FixedPoints
from golden.model import IntModel
from golden.operations import OPERATION_NAMES, LookUp, Tensor

OPS = {op.output: op for op in MODEL.operations}
HALF = FixedPoint(1, 1)


def wide(*names: str) -> dict[str, Tensor]:
    """These tensors, at 16 bits."""
    return {t.name: replace(t, bits=16) for t in TENSORS if t.name in names}


def zero(name: str, zero_point: int) -> dict[str, Tensor]:
    return {name: replace(MODEL.tensors[name], zero_point=zero_point)}


def long(length: int, *names: str) -> dict[str, Tensor]:
    return {name: replace(MODEL.tensors[name], length=length) for name in names}


@pytest.mark.parametrize(
    ("output", "fields", "message"),
    [
        ("frame", {"inputs": ("frame",)}, "reads frame before it is written"),
        ("x", {"inputs": ("s",)}, "1 inputs, 0 expected"),
        ("x", {"table": OPS["x"].table[0]}, "table: uint8 matrix expected"),
        ("x", {"table": OPS["x"].table[:0]}, "table: uint8 matrix expected"),
        ("x", {"table": OPS["x"].table[:, 1:]}, "output length"),
        ("fx", {"inputs": ("frame", "f")}, "2 inputs, 1 expected"),
        ("fx", {"weights": OPS["fx"].weights.T}, "weights (4, 3) for 4 -> 3"),
        ("fx", {"weights": OPS["fx"].weights.astype(np.int16)},
         "weights: int8 or uint8 matrix expected, got int16"),
        ("fx", {"bias": OPS["fx"].bias[:2]}, "bias: one int32 a row expected"),
        ("fx", {"bias": OPS["fx"].bias.astype(">i4")}, "bias: one int32 a row expected"),
        ("fx", {"multiplier": FixedPoints(np.ones(2, int), np.ones(2, int))},
         "multiplier: 2 for 3 rows"),
        ("fx", {"multiplier": None}, "output bits"),
        ("logits", {"multiplier": HALF}, "output bits"),
        ("logits", {"weight_zero_point": 256}, "weights: zero point 256 is no code of theirs"),
        ("fx", {"weight_format": "ternary"}, "weights: one is not of format ternary"),
        ("fx", {"weight_format": "binary"},
         "weight format binary: none of ternary, power of two, exponential"),
        ("bh", {"weights": OPS["bh"].weights * 0}, "weights: one is not of format exponential"),
        ("bx", {"weights": OPS["bx"].weights.astype(np.uint8) & 64},
         "weights: one is not of format power of two"),
        ("bx", {"weight_zero_point": 1}, "weights: one is not of format power of two"),
        ("gate.pre", {"start": 4}, "slice outside its input, or of other parameters"),
        ("gate.pre", {"start": -1}, "slice outside its input, or of other parameters"),
        ("gate.pre", {"inputs": ("rows.norm",)}, "slice outside its input, or of other parameters"),
        ("memory", {"inputs": ()}, "0 inputs, 1 expected"),
        ("memory", {"inputs": ("f.next",)}, "parts of other length or parameters"),
        ("f.pre", {"inputs": ()}, "0 inputs, 1 expected"),
        ("f.pre", {"inputs": ("fx", "frame")}, "operand lengths differ"),
        ("f.pre", {"mantissas": (1,)}, "add: one zero point and one mantissa a term"),
        ("f.pre", {"mantissas": (1, 1 << 31)}, "add: mantissas (1, 2147483648) exceed 31 bits"),
        ("f.pre", {"shift": 63}, "shift 63 is not in 0..62"),
        ("keep", {"mantissas": (1,)}, "mantissas: 1; of 1 and x expected"),
        ("keep", {"mantissas": (1, 1, 1)}, "mantissas: 3; of 1 and x expected"),
        ("keep", {"mantissas": (1, -1)}, "subtract: mantissas (1, -1) are not positive"),
        ("keep", {"inputs": ("gate", "gate")}, "2 inputs, 1 expected"),
        ("kept", {"inputs": ("keep",)}, "1 inputs, 2 expected"),
        ("kept", {"inputs": ("keep", "query")}, "operand lengths differ"),
        ("kept", {"multiplier": FixedPoint((1 << 31) - 1, 0)},
         "multiply: mantissa 2147483647 exceeds 30 bits"),
        ("least", {"inputs": ("mixed",)}, "1 inputs, 2 expected"),
        ("least", {"inputs": ("mixed", "gate")}, "operands and output differ in their parameters"),
        ("scaled", {"gamma": OPS["scaled"].gamma[1:]}, "gamma: (5,) for a length of 6"),
        ("scaled", {"gamma": OPS["scaled"].gamma.astype(np.int32)},
         "gamma: int8 or int16 vector expected, got int32"),
        ("scaled", {"beta": OPS["scaled"].beta[1:]}, "beta: one int64 for each gamma expected"),
        ("scaled", {"beta": OPS["scaled"].beta.astype(np.int32)},
         "beta: one int64 for each gamma expected"),
        ("scaled", {"beta": np.full(6, -1 << 63)},
         f"beta: with its product, one may reach {1 << 62}"),
        ("scaled.more", {"gamma": np.full(6, -1 << 15, np.int16)},
         "gamma: the most negative code is not used, so that negation is exact"),
        ("gate", {"knots": (1, 2, 3)}, "knots: the first piece starts at code 0"),
        ("gate", {"knots": (0, 3, 3)}, "knots: not strictly increasing"),
        ("b.next", {"knots": (0, 3, 256)}, "knots: 256 does not fit 8 bits"),
        ("gate", {"slopes": (1, 2)}, "knots, slopes, intercepts: one of each a piece"),
        ("gate", {"slopes": (0, 0, 1 << 44)}, "slopes: one exceeds 44 bits"),
        ("gate", {"intercepts": (0, -1 << 60, 0)}, "intercepts: one exceeds 60 bits"),
        ("f.next", {"table": np.zeros(255, np.uint8)}, "table: 255 entries for 8 bits"),
        ("f.next", {"table": np.zeros(256, np.uint16)},
         "table: uint8 vector expected, got uint16 (256,)"),
        ("f.next", {"table": np.zeros((256, 1), np.uint8)},
         "table: uint8 vector expected, got uint8 (256, 1)"),
        ("f.next", {"table": np.zeros((), np.uint8)},
         "table: uint8 vector expected, got uint8 ()"),
        ("px.norm", {"mantissas": (1,)}, "mantissas: 1; of x and mu expected"),
        ("px.norm", {"mantissas": (1, 0)}, "subtract: mantissas (1, 0) are not positive"),
        ("px.norm", {"multiplier": FixedPoint(1, 47)},
         "quotient: shift 47 leaves no room for the divisor"),
        ("px.norm", {"mean": "nobody"}, "unknown tensor nobody"),
        ("px.norm", {"mean": "px.deviation"}, "px.deviation is written twice"),
        ("px.norm", {"centred": "x"}, "x is written twice"),
        ("context", {"inputs": ("query", "key")}, "2 inputs, 3 expected"),
        ("context", {"multiplier": FixedPoint(1, 32)},
         "context: shift 32 leaves no room for 32 bits"),
    ],
)  # fmt: skip
def test_an_operation_that_does_not_fit(output, fields, message):
    where = f"operation {OPERATION_NAMES[type(OPS[output])]} -> {output}"
    with pytest.raises(InputError, match=f"^{re.escape(f'{where}: {message}')}$"):
        with_operations(MODEL, **{output: fields})


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("total", {"inputs": ("key", "query")}, "att.total: reads key, query, not query, key"),
        ("total", {"inputs": ("query", "key", "key")},
         "att.total: reads query, key, key, not query, key"),
        ("tanh", {"inputs": ("query",)}, "att.tanh: reads query, not att.total"),
        ("score", {"inputs": ("att.total",)}, "att.score: reads att.total, not att.tanh"),
        ("exp", {"inputs": ("att.tanh",)}, "att.exp: reads att.tanh, not att.score"),
        ("score", {"weights": ATTENTION.score.weights[:, :1]},
         "att.score: weights (1, 1) for 2 -> 1"),
        ("score", {"multiplier": None}, "att.score: output bits"),
        ("total", {"output": "nobody"}, "unknown tensor nobody"),
        ("tanh", {"output": "att.total"}, "att.total is written twice"),
        ("total", {"mantissas": (1,)}, "add: one zero point and one mantissa a term"),
        ("exp", {"shift": 63}, "shift 63 is not in 0..62"),
    ],
)  # fmt: skip
def test_a_part_of_attention_that_does_not_fit(name, fields, message):
    changed = {name: replace(getattr(ATTENTION, name), **fields)}
    refusal = re.escape(f"operation attend -> context: {message}")
    with pytest.raises(InputError, match=f"^{refusal}$"):
        with_operations(MODEL, context=changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"total": ATTENTION},
        {"tanh": LookUp("att.tanh", ("att.total",), np.zeros(1 << 16, np.uint8))},
        {"exp": OPS["least"]},
        {"score": replace(ATTENTION.total, output="att.score")},
    ],
)
def test_attention_holds_its_four_operations(changed):
    with pytest.raises(InputError, match=r"^operation attend -> context: "):
        with_operations(MODEL, context=changed)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (zero("least", 1),
         "operation minimum -> least: operands and output differ in their parameters"),
        (wide("new.8"),
         "operation minimum -> least: operands and output differ in their parameters"),
        (zero("gate.pre", 1),
         "operation slice -> gate.pre: slice outside its input, or of other parameters"),
        (zero("memory", 1),
         "operation concatenate -> memory: parts of other length or parameters"),
        (long(5, "memory"),
         "operation concatenate -> memory: parts of other length or parameters"),
        (long(4, "px.mean", "px.deviation"),
         "operation madnorm -> px.norm: 4 means for a length of 6"),
        (long(12, "px.mean", "px.deviation"),
         "operation madnorm -> px.norm: 12 means for a length of 6"),
        (long(2, "px.mean"), "operation madnorm -> px.norm: operand lengths differ"),
        (long(3, "px.centred"), "operation madnorm -> px.norm: operand lengths differ"),
        (zero("px.deviation", 1),
         "operation madnorm -> px.norm: px.deviation: zero point 1; a mean deviation has 0"),
        (wide("x"), "operation embedding -> x: output length"),
        (wide("f.next"),
         "operation lookup -> f.next: table: uint16 vector expected, got uint8 (256,)"),
        (wide("f.pre"), "operation lookup -> f.next: table: 256 entries for 16 bits"),
        ({"least": Tensor("least", 3, 32)},
         "operation minimum -> least: only a matrix-vector product has a 32-bit output"),
        ({"px.mean": Tensor("px.mean", 1, 32)},
         "operation madnorm -> px.norm: madnorm mean: 32 bits; operands have 8 or 16"),
        ({"mixed": Tensor("mixed", 3, 32)}, "operation matvec -> mixed: output bits"),
        ({"frame": Tensor("frame", 4, 32)},
         "operation input -> frame: only a matrix-vector product has a 32-bit output"),
        (long(3, "query"), "operation matvec -> query: weights (2, 3) for 3 -> 3"),
        (long(4, "context"), "operation attend -> context: memory and context differ in length"),
        (long(3, "att.total", "att.tanh"),
         "operation attend -> context: att.total: operand lengths differ"),
        (long(2, "att.score"), "operation attend -> context: att.score: weights (1, 2) for 2 -> 2"),
        (long(2, "att.exp"), "operation attend -> context: att.exp: operand lengths differ"),
        (zero("att.exp", 1),
         "operation attend -> context: attention: exp and context: (8, 1) is not (8, 0)"),
        ({"att.total": replace(MODEL.tensors["att.total"], bits=8, zero_point=0)},
         "operation attend -> context: knots: 49152 does not fit 8 bits"),
        ({"att.score": Tensor("att.score", 1, 32)},
         "operation attend -> context: att.score: output bits"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit(tensors, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        IntModel({**MODEL.tensors, **tensors}, MODEL.scans, MODEL.outputs)
