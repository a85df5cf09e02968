"""A hand-made model of every operation and weight format, and what any model can be fed."""

import numpy as np

from golden.feed import Feed
from golden.fixed import FixedPoint, FixedPoints
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
    Output,
    Pwl,
    Scan,
    Slice,
    State,
    Tensor,
)
from golden.weights import FORMATS

RNG = np.random.default_rng(1)
TENSORS = (
    Tensor("frame", 4, 8, 128),
    *(Tensor(name, 3, 8, 120) for name in ("f", "fx", "fh", "f.pre", "f.next")),
    *(Tensor(name, 3, 8, 120) for name in ("b", "bx", "bh", "b.pre", "b.next")),
    Tensor("memory", 6, 8, 120),
    Tensor("key", 2, 8, 90),
    Tensor("x", 3, 8, 128),
    *(Tensor(name, 6, 16, 30000) for name in ("px", "px.centred", "px.norm", "rows.centred")),
    *(Tensor(name, 1, 16, zero) for name, zero in (("px.mean", 30000), ("px.deviation", 0))),
    *(Tensor(name, 2, 16, zero) for name, zero in (("rows.mean", 30000), ("rows.deviation", 0))),
    Tensor("rows.norm", 6, 8, 128),
    *(Tensor(name, 6, 16, 32768) for name in ("scaled", "scaled.more")),
    *(Tensor(name, 3, 16, 32768) for name in ("gate.pre", "new.pre", "new", "wide")),
    *(Tensor(name, 3) for name in ("gate", "keep")),
    *(Tensor(name, 3, 8, 128) for name in ("new.8", "least", "kept", "s", "s.next", "low")),
    Tensor("query", 2, 8, 100),
    Tensor("att.total", 2, 16, 32768),
    Tensor("att.tanh", 2, 8, 128),
    Tensor("att.score", 1, 16, 30000),
    Tensor("att.exp", 1),
    Tensor("context", 6, 8, 128),
    Tensor("mixed", 3, 8, 128),
    Tensor("logits", 5, 32),
)
TABLE = RNG.integers(0, 256, (5, 3)).astype(np.uint8)  # of the embedding, and of the logits


def product(out: str, source: str, rows: int, columns: int, shift: int = 0, **more) -> MatVec:
    """Random weights: int8, of a weight format, or uint8 about a zero point."""
    weights = RNG.integers(-127, 128, (rows, columns)).astype(np.int8)
    if "weight_format" in more:
        weights = RNG.choice(FORMATS[more["weight_format"]].grid, weights.shape).astype(np.int8)
    if "weight_zero_point" in more:
        weights = (weights.astype(np.int64) + 128).astype(np.uint8)
    more = {"weights": weights, "multiplier": FixedPoint(40000, shift), **more}
    return MatVec(out, (source,), bias=RNG.integers(-99, 99, rows).astype(np.int32), **more)


def curve(out: str, source: str, in_bits: int, low: int, high: int) -> Pwl:
    """A ramp from `low` to `high` in the middle half of the input, in units of the output."""
    quarter = 1 << (in_bits - 2)
    rise = ((high - low) << 12) // (2 * quarter)
    constants = (low << 12, low << 12, high << 12)
    return Pwl(out, (source,), (0, quarter, 3 * quarter), (0, rise, 0), constants, 12)


ROWS = FixedPoints(np.array([40000, 50000, 3]), np.array([22, 21, 8]))
FORWARD = Scan(
    "speech",
    (
        Input("frame"),
        product("fx", "frame", 3, 4, multiplier=ROWS),
        product("fh", "f", 3, 3, 17, weight_format="ternary"),
        Add("f.pre", ("fx", "fh"), (60000, 50000), 16),
        LookUp("f.next", ("f.pre",), np.roll(np.arange(256), 9).astype(np.uint8)),
    ),
    (State("f", "f.next"),),
)
BACKWARD = Scan(
    "speech",
    (
        product("bx", "frame", 3, 4, 20, weight_format="power of two"),
        product("bh", "b", 3, 3, 20, weight_format="exponential"),
        Add("b.pre", ("bx", "bh", "b"), (60000, 50000, -9000), 16),
        curve("b.next", "b.pre", 8, -100, 100),
    ),
    (State("b", "b.next"),),
    reverse=True,
)
JOINT = Scan(
    "speech",
    (
        Concatenate("memory", ("f.next", "b.next")),
        product("key", "memory", 2, 6, 22, weight_zero_point=128),
    ),
)
NORMALIZED = (
    Embedding("x", TABLE),
    product("px", "x", 6, 3, 16),
    MadNorm(
        "px.norm", ("px",), "px.mean", "px.centred", "px.deviation", FixedPoint(43691, 18),
        (32768, 32768), 15, FixedPoint(43691, 18), FixedPoint(60000, 3),
    ),
    MadNorm(
        "rows.norm", ("px",), "rows.mean", "rows.centred", "rows.deviation", FixedPoint(43691, 17),
        (32768, 32768), 15, FixedPoint(43691, 17), FixedPoint(50, 0),
    ),
    Affine(
        "scaled", ("px.norm",), np.array([9, -99, 127, 0, 64, -127], np.int8),
        np.arange(-2, 4, dtype=np.int64) << 20, FixedPoint(33000, 21),
    ),
    Affine(
        "scaled.more", ("rows.norm",), np.array([32767, -999, 1, 20000, -32767, 8], np.int16),
        np.arange(6, dtype=np.int64) << 24, FixedPoint(50000, 22),
    ),
)  # fmt: skip
ATTENTION = Attend(
    "context",
    ("query", "key", "memory"),
    Add("att.total", ("query", "key"), (40000, 50000), 9),
    curve("att.tanh", "att.total", 16, -127, 127),
    product("att.score", "att.tanh", 1, 2, 17),
    curve("att.exp", "att.score", 16, 1, 255),
    FixedPoint(50000, 15),
)
DECODER = Scan(
    "text",
    (
        *NORMALIZED,
        Slice("gate.pre", ("scaled",), 0),
        Slice("new.pre", ("scaled.more",), 3),
        curve("gate", "gate.pre", 16, 0, 255),
        curve("new", "new.pre", 16, -30000, 30000),
        Add("new.8", ("new",), (300,), 16),
        OneMinus("keep", ("gate",), (65535, 65535), 16),
        product("query", "s", 2, 3, 22),
        ATTENTION,
        product("mixed", "context", 3, 6, 16, weight_format="ternary"),
        Minimum("least", ("mixed", "new.8")),
        Multiply("kept", ("keep", "least"), FixedPoint(33000, 23)),
        Add("s.next", ("kept", "mixed"), (65536, 30000), 16),
        LookUp("wide", ("s.next",), np.arange(0, 1 << 16, 256).astype(np.uint16)),
        Multiply("low", ("wide", "gate"), FixedPoint(33000, 30)),
        MatVec("logits", ("s.next",), TABLE, np.arange(5, dtype=np.int32), None, 128),
    ),
    (State("s", "s.next"),),
)
MODEL = IntModel(
    {t.name: t for t in TENSORS},
    (FORWARD, BACKWARD, JOINT, DECODER),
    (
        Output("logits", FixedPoint(3, 4)),
        Output("low", FixedPoint(1, 8)),
        Output("memory", FixedPoint(1, 7)),
    ),
    {"task": "every operation", "words": ["a", "ß"], "nothing": None},
)


def feeds(model: IntModel, batch: int = 2, steps: int = 3) -> dict[str, Feed]:
    """Symbol 0 for every embedding, rising codes for every input, of all sequences."""
    tokens, inputs = set(), {scan.sequence: {} for scan in model.scans}
    for scan in model.scans:
        for op in scan.operations:
            if isinstance(op, Embedding):
                tokens.add(scan.sequence)
            if isinstance(op, Input):
                t = model.tensors[op.output]
                codes = np.arange(batch * steps * t.length) * 37 % (1 << t.bits)
                inputs[scan.sequence][op.output] = codes.reshape(batch, steps, t.length)
    zeros = np.zeros((batch, steps), np.int64)
    return {n: Feed(zeros if n in tokens else None, codes) for n, codes in inputs.items()}
