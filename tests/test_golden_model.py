"""Model files: bytes there and back, the same from every process, and whatever damage is done."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import every_operation
import numpy as np
import pytest
from every_operation import feeds
from mutants import attempt, flipped, forged, header_of

from golden import container
from golden.errors import InputError
from golden.executor import Executor
from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.operations import OPERATIONS, Attend, LookUp, Pwl, Tensor
from golden.weights import FORMATS
from golden.zoo import lstm

EVERY = every_operation.MODEL
MODEL = lstm(1, 5, 3, 4)
DATA = MODEL.to_bytes()


def wide_table() -> IntModel:
    """EVERY with a look-up table of 16-bit codes."""
    table = (np.arange(1 << 16) >> 8).astype(np.uint8)
    *before, last = EVERY.scans
    operations = tuple(
        LookUp("gate", ("gate.pre",), table) if op.output == "gate" else op
        for op in last.operations
    )
    return replace(EVERY, scans=(*before, replace(last, operations=operations)))


MODELS = {"lstm": MODEL, "every operation": EVERY, "a table of 16 bits": wide_table()}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))


def test_every_operation_is_there():
    """Of each type one, of products each form, of tables and curves each width."""
    operations = [*EVERY.operations, *(p for o in EVERY.operations if isinstance(o, Attend)
                                       for p in o.parts)]  # fmt: skip
    assert {type(op) for op in operations} == set(OPERATIONS.values())
    products = [op for op in operations if hasattr(op, "weights")]
    assert {op.weight_format for op in products} == {*FORMATS, None}
    assert {op.weights.dtype.name for op in products} == {"int8", "uint8"}
    assert {type(op.multiplier).__name__ for op in products} == {
        "FixedPoint", "FixedPoints", "NoneType"
    }  # fmt: skip
    bits = {name: t.bits for name, t in EVERY.tensors.items()}
    widths = {(type(op), bits[op.inputs[0]], bits[op.output]) for op in operations if op.inputs}
    assert {(Pwl, 8, 8), (Pwl, 16, 8), (Pwl, 16, 16), (LookUp, 8, 8), (LookUp, 8, 16)} <= widths
    assert {op.gamma.dtype.name for op in operations if hasattr(op, "gamma")} == {"int8", "int16"}
    means = {EVERY.tensors[op.mean].length for op in operations if hasattr(op, "mean")}
    assert means == {1, 2}  # joint, and in rows
    assert {scan.reverse for scan in EVERY.scans} == {True, False}
    assert len(EVERY.outputs) == 3


def run(model: IntModel) -> dict[str, np.ndarray]:
    with np.errstate(all="raise"):
        return Executor(model, 2).run(feeds(model))


@each_model
def test_round_trip_byte_for_byte(model, tmp_path):
    model.save(tmp_path / "model.irnn")
    again = IntModel.load(tmp_path / "model.irnn")
    assert again.to_bytes() == model.to_bytes() == (tmp_path / "model.irnn").read_bytes()
    assert again.sha256 == model.sha256
    assert (again.metadata, again.outputs) == (model.metadata, model.outputs)
    assert dict(again.tensors) == dict(model.tensors)
    ours, theirs = run(model), run(again)
    assert list(ours) == list(theirs)
    for name, codes in ours.items():
        assert np.array_equal(codes, theirs[name])


@each_model
def test_what_a_model_yields_is_not_constant(model):
    """A damaged constant could show."""
    assert all(np.unique(codes).size > 2 for codes in run(model).values())


def test_equal_seeds_give_equal_files():
    assert lstm(1, 5, 3, 4).to_bytes() == DATA
    assert lstm(2, 5, 3, 4).to_bytes() != DATA


def test_equal_arrays_are_stored_once():
    """The logits' weights are the embedding's table: one array, under the name of the first."""
    header = header_of(EVERY.to_bytes())
    assert "x.table" in header["arrays"]
    assert "logits.weights" not in header["arrays"]
    (logits,) = [op for op in header["scans"][3]["operations"] if op["output"] == "logits"]
    assert logits["weights"] == "x.table"
    untied = [replace(op, weights=op.weights ^ 1) if op.output == "logits" else op
              for op in EVERY.scans[3].operations]  # fmt: skip
    other = replace(EVERY, scans=(*EVERY.scans[:3], replace(EVERY.scans[3], operations=untied)))
    assert "logits.weights" in header_of(other.to_bytes())["arrays"]


@pytest.mark.parametrize("seed", ["0", "1", "4294967295"])
def test_every_process_writes_the_same_bytes(seed, tmp_path):
    """Made there, and made here but read and written there."""
    EVERY.save(tmp_path / "model.irnn")
    program = (
        "from pathlib import Path; from every_operation import MODEL; from golden.model import *\n"
        "print(MODEL.sha256, IntModel.load(Path('model.irnn')).sha256)"
    )
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [EVERY.sha256] * 2


@each_model
def test_truncated_and_altered_files_are_refused(model):
    rng, data = np.random.default_rng(3), model.to_bytes()
    for length in rng.integers(len(data), size=150):
        with pytest.raises(InputError, match=r"^model: "):
            IntModel.from_bytes(data[:length])
    for damaged in flipped(data, rng, 150):
        with pytest.raises(InputError, match=r"^model: "):
            IntModel.from_bytes(damaged)


def survivors(model: IntModel, seed: int, count: int) -> int:
    """How many mutants with a right digest are models: these keep their bytes, and run."""
    sound = ran = 0
    for damaged in forged(model.to_bytes(), np.random.default_rng(seed), count):
        mutant = attempt(IntModel.from_bytes, damaged, "file")
        if isinstance(mutant, str):
            assert mutant.startswith("file: ")
            continue
        sound += 1
        assert mutant.to_bytes() == damaged
        ran += runs(mutant)
    assert ran > 0.95 * sound
    return sound


def runs(model: IntModel) -> bool:
    """Whether it does; it may say that its sequences have no length, or its context no room."""
    try:
        results = run(model)
    except ValueError as error:
        if not re.search(
            r"fed \[\] steps; one number|^lengths: one is not in 1\.\.[12]$", str(error)
        ):
            raise
        return False
    assert set(results) == {output.tensor for output in model.outputs}
    return True


@pytest.mark.parametrize("model", [MODEL, EVERY], ids=["lstm", "every operation"])
def test_forged_files_give_a_sound_model_or_an_input_error(model):
    """1,600 mutants each: the parser and the checks stand alone."""
    assert 300 < survivors(model, 4, 1600) < 1300


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("model", [MODEL, EVERY], ids=["lstm", "every operation"])
def test_many_forged_files(model, seed):
    """100,000 in all."""
    assert 2000 < survivors(model, 100 + seed, 10_000) < 8000


def test_another_kind_is_refused():
    with pytest.raises(InputError, match=r"^f: holds a program, a model was expected$"):
        IntModel.from_bytes(container.pack("program", {}, {}), "f")


def test_a_missing_file_names_itself(tmp_path):
    with pytest.raises(InputError, match=r"nothing.irnn: cannot read the model"):
        IntModel.load(tmp_path / "nothing.irnn")


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


def test_one_scan_and_one_output_by_name():
    assert MODEL.output == "logits"
    assert MODEL.output_scale == FixedPoint(1 << 15, 26)
    assert (len(MODEL.scans), MODEL.scans[0].sequence) == (1, "text")
