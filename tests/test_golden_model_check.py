"""What makes a model unsound as a whole: names, the order of writes, sequences, states, outputs."""

import re
from dataclasses import replace

import numpy as np
import pytest
from every_operation import ATTENTION, BACKWARD, DECODER, FORWARD, JOINT
from every_operation import MODEL as EVERY
from models import variant, with_operations

from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.operations import Add, Input, Output, Scan, State, Tensor
from golden.zoo import lstm

MODEL = lstm(1, 5, 3, 4)


def with_operation(name: str, /, **fields) -> IntModel:
    """MODEL with other fields in one operation."""
    operations = tuple(
        replace(op, **fields) if op.output == name else op for op in MODEL.operations
    )
    return variant(MODEL, operations=operations)


def with_tensor(name: str, **fields) -> IntModel:
    tensors = dict(MODEL.tensors)
    tensors[name] = replace(tensors[name], **fields)
    return variant(MODEL, tensors=tensors)


def op(output: str):
    return next(op for op in MODEL.operations if op.output == output)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: with_operation("fc", inputs=("f", "nobody")),
         "operation multiply -> fc: unknown tensor nobody"),
        (lambda: with_operation("fc", inputs=("f", "h.next")),
         "operation multiply -> fc: reads h.next before it is written"),
        (lambda: with_operation("fc", inputs=("f",)),
         "operation multiply -> fc: 1 inputs, 2 expected"),
        (lambda: with_operation("fc", inputs=("f", "x")),
         "operation multiply -> fc: operand lengths differ"),
        (lambda: with_operation("ij", output="fc"),
         "operation multiply -> fc: fc is written twice"),
        (lambda: with_operation("ij", output="h"),
         "operation multiply -> h: h is written twice"),
        (lambda: with_operation("px", weights=op("ph").weights),
         r"operation matvec -> px: weights \(16, 4\) for 3 -> 16"),
        (lambda: with_operation("px", multiplier=None), "operation matvec -> px: output bits"),
        (lambda: with_operation("logits", multiplier=FixedPoint(1, 0)),
         "operation matvec -> logits: output bits"),
        (lambda: with_operation("px", bias=op("px").bias[:3]),
         "operation matvec -> px: bias: one int32 a row expected"),
        (lambda: with_operation("x", table=op("x").table.astype(np.int8)),
         "operation embedding -> x: table: uint8 matrix expected"),
        (lambda: with_operation("x", table=op("x").table[:, :2]),
         "operation embedding -> x: output length"),
        (lambda: with_operation("px.i", start=13),
         "operation slice -> px.i: slice outside its input, or of other parameters"),
        (lambda: with_operation("px.i", start=-1),
         "operation slice -> px.i: slice outside its input, or of other parameters"),
        (lambda: with_operation("i", shift=70),
         "operation pwl -> i: shift 70 is not in 0..62"),
        (lambda: with_operation("i", slopes=(1,)),
         "operation pwl -> i: knots, slopes, intercepts: one of each a piece"),
        (lambda: with_operation("i.pre", mantissas=(1,)),
         "operation add -> i.pre: add: one zero point and one mantissa a term"),
        (lambda: with_operation("i.pre", inputs=("px.i", "ph.i", "logits")),
         "operation add -> i.pre: reads logits before it is written"),
        (lambda: variant(MODEL, output="nobody"), "output nobody: never written"),
        (lambda: variant(MODEL, states=MODEL.states[:1]),
         "operation multiply -> fc: reads c before it is written"),
        (lambda: variant(MODEL, states=(*MODEL.states, State("h", "c.next"))),
         "state h: there are two of this name"),
        (lambda: variant(MODEL, states=(*MODEL.states, State("new", "c.next"))),
         "state new: unknown tensor"),
        (lambda: variant(MODEL, states=(State("h", "nobody"), MODEL.states[1])),
         "state h: nobody is not written in its scan"),
        (lambda: variant(MODEL, states=(State("h", "c.next"), MODEL.states[1])),
         "state h: differs from c.next in shape"),
        (lambda: with_tensor("h", zero_point=1), "state h: differs from h.next in shape"),
        (lambda: variant(MODEL, tensors={**MODEL.tensors, "spare": Tensor("spare", 3)}),
         "tensor spare: never written"),
        (lambda: variant(MODEL, tensors={**MODEL.tensors, "alias": MODEL.tensors["x"]}),
         "tensor alias: filed under another name than its own, x"),
        (lambda: with_tensor("fc", bits=32, zero_point=0),
         "operation multiply -> fc: only a matrix-vector product has a 32-bit output"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(build, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        build()


def test_accumulators_are_read_by_nobody():
    tensors = {**MODEL.tensors, "z": Tensor("z", 5)}
    extra = Add("z", ("logits",), (1,), 0)
    with pytest.raises(InputError, match=r"^operation add -> z: reads 32-bit accumulators$"):
        variant(MODEL, tensors=tensors, operations=(*MODEL.operations, extra))


def test_an_accumulator_that_could_overflow_is_refused():
    """The worst case is over all inputs, whether they occur or not."""
    bias = np.full(5, (1 << 31) - 1, np.int32)
    with pytest.raises(InputError, match=r"^operation matvec -> logits: row \d: worst-case accum"):
        with_operation("logits", bias=bias)


def refused(message: str):
    return pytest.raises(InputError, match=f"^{re.escape(message)}$")


ALONE = "attention, and it alone, takes key and memory from another sequence"


@pytest.mark.parametrize(
    ("output", "fields", "message"),
    [
        ("context", {"inputs": ("query", "query", "memory")},
         f"operation attend -> context: reads query of sequence text; {ALONE}"),
        ("context", {"inputs": ("query", "key", "rows.norm")},
         f"operation attend -> context: reads rows.norm of sequence text; {ALONE}"),
        ("context", {"inputs": ("key", "key", "memory")},
         f"operation attend -> context: reads key of sequence speech; {ALONE}"),
        ("mixed", {"inputs": ("memory",)},
         f"operation matvec -> mixed: reads memory of sequence speech; {ALONE}"),
        ("keep", {"inputs": ("s.next",)},
         "operation one minus -> keep: reads s.next before it is written"),
        ("b.pre", {"inputs": ("bx", "bh", "b.next")},
         "operation add -> b.pre: reads b.next before it is written"),
        ("new.8", {"inputs": ("att.total",)},
         "operation add -> new.8: reads att.total before it is written"),
        ("key", {"output": "memory"}, "operation matvec -> memory: memory is written twice"),
    ],
)  # fmt: skip
def test_who_reads_what(output, fields, message):
    with refused(message):
        with_operations(EVERY, **{output: fields})


def test_two_sequences_are_not_attended_to_at_once():
    noise = Scan("noise", (Input("noise"),))
    attention = replace(ATTENTION, inputs=("query", "key", "noise"))
    operations = tuple(attention if op is ATTENTION else op for op in DECODER.operations)
    tensors = {**EVERY.tensors, "noise": Tensor("noise", 6, 8, 120)}
    scans = (FORWARD, BACKWARD, JOINT, noise, replace(DECODER, operations=operations))
    with refused("operation attend -> context: key and memory are of different sequences"):
        IntModel(tensors, scans, EVERY.outputs)


def test_a_context_that_no_sequence_fits_is_refused():
    """One step of 16 bits about a zero point of 0, weighed with 16 bits: beyond 32."""
    wide = Tensor("wide.memory", 6, 16), Tensor("att.exp", 1, 16)
    speech = Scan("speech", (*JOINT.operations, Input("wide.memory")))
    attention = replace(ATTENTION, inputs=("query", "key", "wide.memory"))
    operations = tuple(attention if op is ATTENTION else op for op in DECODER.operations)
    scans = (FORWARD, BACKWARD, speech, replace(DECODER, operations=operations))
    context = "context: the sum of a single step may exceed 32 bits"
    with refused(f"operation attend -> context: {context}"):
        IntModel({**EVERY.tensors, **{t.name: t for t in wide}}, scans, EVERY.outputs)


def with_scans(*scans: Scan, outputs: tuple[Output, ...] = EVERY.outputs) -> IntModel:
    return IntModel(EVERY.tensors, scans, outputs)


def test_scans():
    with refused("model: 0 scans, 3 outputs; it needs one of each"):
        with_scans()
    with refused("scan of speech: operations: none; one expected"):
        with_scans(FORWARD, BACKWARD, JOINT, Scan("speech", ()), DECODER)
    with refused("sequence '': no name; printable characters expected"):
        with_scans(FORWARD, BACKWARD, JOINT, replace(DECODER, sequence=""))
    with refused("operation matvec -> bx: reads frame before it is written"):
        with_scans(BACKWARD, FORWARD, JOINT, DECODER)
    with refused("state f: there are two of this name"):
        with_scans(FORWARD, FORWARD, BACKWARD, JOINT, DECODER)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ((State("s", "f.next"),), "state s: f.next is not written in its scan"),
        ((State("s", "f"),), "state s: f is not written in its scan"),
        ((State("s", "s.next"), State("f", "s.next")), "state f: there are two of this name"),
        ((State("s", "s.next"), State("s", "kept")), "state s: there are two of this name"),
        ((State("s", "s.next"), State("lost", "kept")), "state lost: unknown tensor"),
        ((State("s", "gate"),), "state s: differs from gate in shape"),
        ((State("s", "query"),), "state s: differs from query in shape"),
        ((State("s", "scaled"),), "state s: differs from scaled in shape"),
    ],
)
def test_states(states, message):
    with refused(message):
        with_scans(FORWARD, BACKWARD, JOINT, replace(DECODER, states=states))


def test_what_is_within_attention_is_read_by_nobody_else():
    within = "is within attention; its context alone is read"
    more = replace(DECODER, operations=(*DECODER.operations, Add("z", ("att.exp",), (1,), 0)))
    with refused(f"operation add -> z: att.exp {within}"):
        scans = (FORWARD, BACKWARD, JOINT, more)
        IntModel({**EVERY.tensors, "z": Tensor("z", 1)}, scans, EVERY.outputs)
    tensors = {**EVERY.tensors, "last": replace(EVERY.tensors["att.tanh"], name="last")}
    last = replace(DECODER, states=(*DECODER.states, State("last", "att.tanh")))
    with refused(f"state last: att.tanh {within}"):
        IntModel(tensors, (FORWARD, BACKWARD, JOINT, last), EVERY.outputs)
    with refused(f"output att.score: att.score {within}"):
        with_scans(*EVERY.scans, outputs=(Output("att.score", FixedPoint(1, 0)),))


def test_outputs():
    first = EVERY.outputs[0]
    with refused("model: 4 scans, 0 outputs; it needs one of each"):
        with_scans(*EVERY.scans, outputs=())
    with refused("outputs: two of the same tensor"):
        with_scans(*EVERY.scans, outputs=(first, replace(first, scale=FixedPoint(1, 0))))
    with refused("output nobody: never written"):
        with_scans(*EVERY.scans, outputs=(first, replace(first, tensor="nobody")))


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[2J", "\x7f", "\x9b", "\u2028", "\ud800"])
def test_names_can_be_printed(name):
    with refused(f"tensor {name!r}: no name; printable characters expected"):
        IntModel({**EVERY.tensors, name: Tensor(name, 3)}, EVERY.scans, EVERY.outputs)


def test_a_state_may_hold_an_input_a_state_or_itself():
    """A delay line, and what never changes."""
    tensors = {name: Tensor(name, 2, 8, 7) for name in ("x", "late", "later", "same", "y")}
    scan = Scan(
        "text",
        (Input("x"), Add("y", ("late", "later", "same"), (1, 1, 1), 0)),
        (State("later", "late"), State("late", "x"), State("same", "same")),
    )
    model = IntModel(tensors, (scan,), (Output("y", FixedPoint(1, 0)),))
    assert IntModel.from_bytes(model.to_bytes()).to_bytes() == model.to_bytes()
