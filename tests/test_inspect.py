"""`irnn inspect`: its figures add up, and are those of the model."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from every_operation import MODEL, TABLE
from models import with_operations
from test_cli import irnn, refused

from golden.model import IntModel
from golden.operations import MatVec, Tensor
from golden.zoo import lstm
from irnn_hw.inspect import inspect_model
from irnn_hw.quant.overflow import prove_no_overflow

FIGURES = inspect_model(MODEL)
LSTM = lstm(1, 96, 64, 400)
ROWS = {row["output"]: row for row in FIGURES["operations"]}


def test_a_row_for_each_operation_and_each_part_of_attention():
    expected = []
    for op in MODEL.operations:
        expected += [op.output, *(p.output for p in getattr(op, "parts", ()))]
    assert [row["output"] for row in FIGURES["operations"]] == expected
    for row in ROWS.values():
        tensor = MODEL.tensors[row["output"]]
        assert (row["length"], row["bits"]) == (tensor.length, tensor.bits)
    assert [ROWS[name]["within"] for name in ("context", "att.score")] == ["", "context"]
    assert {row["scan"] for row in ROWS.values()} == {0, 1, 2, 3}
    assert ROWS["f.pre"]["inputs"] == ["fx", "fh"]


def test_formats_and_what_they_take():
    """Bytes: of weights, their bits rounded up to bytes, and of a bias 4 each."""
    formats = {n: (r["weight_format"], r["bits_per_weight"]) for n, r in ROWS.items()}
    assert formats["fx"] == ("int8", 8)
    assert formats["fh"] == ("ternary", 2)
    assert formats["bx"] == ("power of two", 4)
    assert formats["bh"] == ("exponential", 4)
    assert formats["key"] == formats["x"] == formats["logits"] == ("uint8", 8)
    assert formats["scaled.more"] == ("int16", 16)
    assert formats["f.pre"] == formats["wide"] == (None, None)
    for name in ("fx", "fh", "bx", "bh", "key", "att.score"):
        rows, columns = ROWS[name]["length"], MODEL.tensors[ROWS[name]["inputs"][0]].length
        size = math.ceil(rows * columns * ROWS[name]["bits_per_weight"] / 8)
        assert ROWS[name]["parameters"] == rows * columns + rows
        assert ROWS[name]["sizes"] == {"weights": size, "biases": 4 * rows, "tables": 0}
    assert ROWS["wide"]["sizes"] == {"weights": 0, "biases": 0, "tables": 512}
    assert (ROWS["wide"]["parameters"], ROWS["gate"]["parameters"]) == (0, 0)
    assert ROWS["gate"]["bytes"] > 0


def test_what_is_stored_once_counts_once():
    assert ROWS["x"]["parameters"] == TABLE.size
    assert ROWS["logits"]["parameters"] == 5  # its bias
    assert (ROWS["x"]["shared"], ROWS["logits"]["shared"]) == (None, "x.table")
    untied = inspect_model(with_operations(MODEL, logits={"weights": TABLE ^ 1}))
    assert untied["parameters"] == FIGURES["parameters"] + TABLE.size


@pytest.mark.parametrize("model", [MODEL, LSTM], ids=["every operation", "lstm"])
def test_sizes_add_up_to_the_file(model, tmp_path):
    figures = inspect_model(model)
    model.save(tmp_path / "model.irnn")
    *parts, size = figures["bytes"].values()
    assert list(figures["bytes"]) == ["weights", "biases", "tables", "other", "file"]
    assert sum(parts) == size == (tmp_path / "model.irnn").stat().st_size
    assert sum(row["bytes"] for row in figures["operations"]) == sum(parts[:3])
    assert figures["float32_bytes"] == 4 * figures["parameters"]
    assert figures["sha256"] == model.sha256


def test_sums_are_those_of_the_proof():
    proof = prove_no_overflow(MODEL)
    names = "operation", "row", "worst", "bound"
    assert [[row[name] for name in names] for row in FIGURES["accumulators"]] == [
        [getattr(case, name) for name in names] for case in proof
    ]
    products = [op.output for op in MODEL.operations if isinstance(op, MatVec)]
    assert {*products, "att.score"} <= {row["operation"] for row in FIGURES["accumulators"]}
    for row in FIGURES["accumulators"]:
        assert row["headroom_bits"] == round(math.log2(row["bound"] / row["worst"]), 2)


def test_what_goes_in_and_comes_out():
    speech, text = FIGURES["sequences"]
    frame = {"tensor": "frame", "length": 4, "bits": 8, "zero_point": 128}
    assert speech == {"name": "speech", "symbols": None, "inputs": [frame]}
    assert text == {"name": "text", "symbols": 5, "inputs": []}
    assert [scan["sequence"] for scan in FIGURES["scans"]] == ["speech"] * 3 + ["text"]
    assert [scan["reverse"] for scan in FIGURES["scans"]] == [False, True, False, False]
    (state,) = FIGURES["scans"][1]["states"]
    assert (state["tensor"], state["source"]) == ("b", "b.next")
    assert [o["tensor"] for o in FIGURES["outputs"]] == ["logits", "low", "memory"]
    assert FIGURES["outputs"][0]["scale"] == [3, 4]


def ternary(model: IntModel) -> IntModel:
    """With the signs of its int8 weights."""
    signs = {op.output: {"weights": np.sign(op.weights), "weight_format": "ternary"}
             for op in model.operations if isinstance(op, MatVec)}  # fmt: skip
    return with_operations(model, **signs)


def test_compression_against_float32():
    """The paper's 4x, and what a weight of 2 bits gives."""
    figures = inspect_model(LSTM)
    assert figures["parameters"] == 96 * 64 + 1600 * (64 + 400 + 2) + 96 * (400 + 1)
    assert 3.9 < figures["compression"] < 4
    assert figures["compression"] == round(4 * figures["parameters"] / figures["bytes"]["file"], 3)
    assert inspect_model(ternary(LSTM))["compression"] > 13


@pytest.fixture
def path(tmp_path) -> Path:
    MODEL.save(tmp_path / "model.irnn")
    return tmp_path / "model.irnn"


def test_json_is_the_figures(path):
    done = irnn("inspect", path.name, "--json", cwd=path.parent)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == FIGURES


@pytest.mark.parametrize("columns", ["80", "120", "200"])
def test_tables_fit_the_terminal(path, columns):
    done = irnn("inspect", path.name, cwd=path.parent, COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert "scan 2, of speech, in reverse; b <- b.next" in [line.rstrip() for line in lines]
    cells = [line.split() for line in lines]
    assert ["matvec", "fh", "f", "3", "8", "ternary", "(2)", "12", "15"] in cells
    assert ["file", f"{FIGURES['bytes']['file']:,}"] in cells
    assert ["compression", f"{FIGURES['compression']:.2f}x"] in cells
    assert [f"{FIGURES['parameters']:,}", "parameters", "in", "float32", "672"] in cells


def test_names_are_no_markup(tmp_path):
    """Brackets in a name, or in what is wrong with it, are shown as they are."""
    name = "[/bold][red]x"
    one = lstm(1, 3, 2, 2)
    table = replace(one.operations[0], output=name)
    product = replace(one.operations[1], inputs=(name,))
    scan = replace(one.scans[0], operations=(table, product, *one.operations[2:]))
    tensors = {n: t for n, t in one.tensors.items() if n != "x"} | {name: Tensor(name, 2)}
    replace(one, tensors=tensors, scans=(scan,)).save(tmp_path / "[/x].irnn")
    done = irnn("inspect", "[/x].irnn", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout
    assert "[/x].irnn" in done.stdout
    (tmp_path / "[/x].irnn").write_bytes(b"IRNN")
    refused(irnn("inspect", "[/x].irnn", cwd=tmp_path), "error: [/x].irnn: truncated at 4 bytes")


def test_it_is_in_the_help(tmp_path):
    assert "inspect" in irnn("--help", cwd=tmp_path).stdout


def test_bad_files_are_named(path):
    refused(irnn("inspect", "nowhere.irnn", cwd=path.parent), "nowhere.irnn", "No such file")
    path.write_bytes(path.read_bytes()[:-1])
    refused(irnn("inspect", path.name, "--json", cwd=path.parent), "model.irnn: SHA-256 differs")
