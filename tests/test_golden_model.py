from dataclasses import replace

import numpy as np
import pytest
from models import variant
from mutants import attempt, flipped, forged, header_of, with_header

from golden import container
from golden.errors import InputError
from golden.executor import Executor
from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.operations import Add, Embedding, LookUp, MatVec, Multiply, Slice, State, Tensor
from golden.zoo import lstm

MODEL = lstm(1, 5, 3, 4)
DATA = MODEL.to_bytes()


def every_operation() -> IntModel:
    """One of each, with 16-bit codes among them."""
    tensors = [
        Tensor("x", 3),
        Tensor("y", 4, 16, 1000),
        Tensor("y.0", 2, 16, 1000),
        Tensor("y.1", 2, 16, 1000),
        Tensor("s", 2, 8, 3),
        Tensor("p", 2, 8, 9),
        Tensor("l", 2, 16),
        Tensor("h", 2, 16),
        Tensor("out", 2, 32),
    ]
    weights = np.arange(-6, 6, dtype=np.int8).reshape(4, 3)
    operations = (
        Embedding("x", np.arange(6, dtype=np.uint8).reshape(2, 3)),
        MatVec("y", ("x",), weights, np.arange(4, dtype=np.int32), FixedPoint(5, 1)),
        Slice("y.0", ("y",), 0),
        Slice("y.1", ("y",), 2),
        Add("s", ("y.0", "h", "y.1"), (100, -200, 3), 9),
        Multiply("p", ("s", "h"), FixedPoint(1 << 14, 18)),
        LookUp("l", ("p",), np.arange(0, 65536, 256, np.uint16)),
        MatVec("out", ("s",), weights[:2, :2], np.arange(2, dtype=np.int32), None),
    )
    return IntModel.single({t.name: t for t in tensors}, (State("h", "l"),), operations, "out",
                    FixedPoint(3, 4), {"task": "all", "words": ["a", "ß"]})  # fmt: skip


@pytest.mark.parametrize("model", [MODEL, every_operation()], ids=["lstm", "every operation"])
def test_round_trip_byte_for_byte(model, tmp_path):
    model.save(tmp_path / "model.irnn")
    again = IntModel.load(tmp_path / "model.irnn")
    assert again.to_bytes() == model.to_bytes() == (tmp_path / "model.irnn").read_bytes()
    assert again.sha256 == model.sha256
    assert again.metadata == model.metadata
    tokens = [[0, 1, 1, 0, 1]]
    ours, theirs = (Executor(m).run(tokens)[m.output] for m in (model, again))
    assert np.array_equal(ours, theirs)


def test_equal_seeds_give_equal_files():
    assert lstm(1, 5, 3, 4).to_bytes() == DATA
    assert lstm(2, 5, 3, 4).to_bytes() != DATA


def test_truncated_and_altered_files_are_refused():
    rng = np.random.default_rng(3)
    for length in rng.integers(len(DATA), size=300):
        with pytest.raises(InputError, match=r"^model: "):
            IntModel.from_bytes(DATA[:length])
    for damaged in flipped(DATA, rng, 300):
        with pytest.raises(InputError, match=r"^model: "):
            IntModel.from_bytes(damaged)


def test_forged_files_give_a_sound_model_or_an_input_error():
    """2,500 mutants with a right digest: the parser and the checks stand alone."""
    sound = 0
    for damaged in forged(DATA, np.random.default_rng(4), 2500):
        model = attempt(IntModel.from_bytes, damaged, "file")
        if isinstance(model, str):
            assert model.startswith("file: ")
            continue
        sound += 1
        assert model.to_bytes() == damaged
        with np.errstate(all="raise"):
            logits = Executor(model).run([[0, 0, 0]])[model.output]
        assert logits.dtype == np.int64
    assert 50 < sound < 2000


def test_another_kind_is_refused():
    with pytest.raises(InputError, match=r"^f: holds a program, a model was expected$"):
        IntModel.from_bytes(container.pack("program", {}, {}), "f")


def changed(**fields) -> bytes:
    return with_header(DATA, header_of(DATA) | fields)


def scanned(**fields) -> bytes:
    return changed(scans=[header_of(DATA)["scans"][0] | fields])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(outputs=[["nobody", [1, 0]]]), "output nobody: never written"),
        (changed(outputs=[["h", [1, 0]]] * 2), "outputs: two of the same tensor"),
        (changed(outputs=[]), "model: 1 scans, 0 outputs; it needs one of each"),
        (changed(scans=[]), "model: 0 scans, 1 outputs; it needs one of each"),
        (changed(outputs=[[["h"], [1, 0]]]), r"malformed model \(.*no name"),
        (changed(outputs=[["logits", [1]]]), "malformed model"),
        (changed(outputs=[["logits", [True, 3]]]), "malformed model .*no integer"),
        (changed(outputs=[["logits", [1 << 40, 3]]]), "malformed model .*mantissa 1099511627776"),
        (scanned(states=[["h", "h.next"]]), r"operation .* reads c before it is written"),
        (scanned(reverse=0), "malformed model .*scan: reverse: 0 is neither true nor false"),
        (
            scanned(more=0),
            "malformed model .*scan: fields operations, reverse, sequence, states exp",
        ),
        (scanned(sequence=None), "malformed model .*None is no name"),
        (changed(extra=1), "fields metadata, outputs, scans, tensors expected"),
        (changed(metadata=3), "malformed model"),
        (changed(tensors=header_of(DATA)["tensors"] * 2), "malformed model .*two of the same name"),
        (changed(tensors=[[1, 2, 3, 4]]), "malformed model .*1 is no name"),
        (with_header(DATA, header_of(DATA), indent=1), "malformed model .*not in the one form"),
    ],
)
def test_a_header_that_lies_is_refused_by_name(data, message):
    with pytest.raises(InputError, match=f"^f: {message}"):
        IntModel.from_bytes(data, "f")


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
         "state h: nobody is never written"),
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("t", 0), "tensor t: length 0, 8 bits"),
        (("t", 1 << 30), "tensor t: length 1073741824, 8 bits"),
        (("t", 3, 9), "tensor t: length 3, 9 bits"),
        (("t", 3, 8, 256), "tensor t: zero point 256"),
        (("t", 3, 8, -1), "tensor t: zero point -1"),
        (("t", 3, 32, 1), "tensor t: zero point 1"),
    ],
)
def test_tensors_have_codes(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Tensor(*arguments)


def test_an_accumulator_that_could_overflow_is_refused():
    """The worst case is over all inputs, whether they occur or not."""
    bias = np.full(5, (1 << 31) - 1, np.int32)
    with pytest.raises(InputError, match=r"^operation matvec -> logits: row \d: worst-case accum"):
        with_operation("logits", bias=bias)


def test_a_missing_file_names_itself(tmp_path):
    with pytest.raises(InputError, match=r"nothing.irnn: cannot read the model"):
        IntModel.load(tmp_path / "nothing.irnn")
