"""irnn verify: training module, golden model and NPU over a test set, value by value."""

import json
from dataclasses import replace

import numpy as np
import pytest
from models import with_operations
from typer.testing import CliRunner

from golden.errors import InputError
from golden.model import IntModel
from golden.npu_config import CONFIGS
from irnn_hw.cli import app
from irnn_hw.compiler import compile_model
from irnn_hw.data.corpus import load_corpus
from irnn_hw.held_out import input_parts, text_parts
from irnn_hw.qat.config import TrainConfig
from irnn_hw.qat.export import export_model
from irnn_hw.qat.train import train
from irnn_hw.verify import compare_with_machine, verify

CONFIG = TrainConfig(embedding=8, hidden=16, batch=16, window=16, float_steps=20, range_steps=3,
                     lut_steps=2, pwl_steps=2)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """text.txt, c.pt trained on it, and its m.irnn."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "text.txt").write_text(load_corpus().train[:12_000])
    train(CONFIG, load_corpus(str(folder / "text.txt")), folder / "c.pt")
    export_model(folder / "c.pt").save(folder / "m.irnn")
    return folder


def run(files, *more, model="m.irnn"):
    arguments = ["verify", "--model", files / model, "--checkpoint", files / "c.pt"]
    arguments += ["--corpus", files / "text.txt", "--json", *more]
    return CliRunner().invoke(app, [str(a) for a in arguments])


def characters(files):
    corpus = load_corpus(str(files / "text.txt"))
    return (len(corpus.held_out) - 1) // 32 * 32, len(corpus.vocabulary)


def test_every_logit_of_the_test_set_is_compared(files):
    done = run(files)
    assert done.exit_code == 0
    figures, (count, symbols) = json.loads(done.stdout), characters(files)
    assert figures["values_compared"] == count * symbols
    assert figures["values_differing"] == 0
    assert figures["tensors"] == {"module": {"logits": [count * symbols, 0]}}


def test_so_is_every_tensor(files):
    done = run(files, "--all")
    assert done.exit_code == 0
    tensors, (count, _) = json.loads(done.stdout)["tensors"]["module"], characters(files)
    model = IntModel.load(files / "m.irnn")
    held = {s.name for s in model.states}
    expected = {n: [count * t.length, 0] for n, t in model.tensors.items() if n not in held}
    assert tensors == expected


def test_the_npu_executes_the_program_of_the_model(files):
    model = IntModel.load(files / "m.irnn")
    compile_model(model, CONFIGS["tiny"]).save(files / "p.irnn")
    done = run(files, "--program", files / "p.irnn")
    assert done.exit_code == 0
    figures, (count, symbols) = json.loads(done.stdout), characters(files)
    assert figures["tensors"]["npu"]["logits"] == [count * symbols, 0]
    assert figures["tensors"]["npu"]["h.next"] == [count * 16, 0]
    assert figures["values_differing"] == 0


def test_a_weight_that_is_off_by_one_is_found(files):
    model = IntModel.load(files / "m.irnn")
    weights = model.spec("ph").weights.copy()
    weights[3, 5] += 1 if weights[3, 5] < 100 else -1
    with_operations(model, ph={"weights": weights}).save(files / "off.irnn")
    done = run(files, "--all", model="off.irnn")
    assert done.exit_code == 1
    figures = json.loads(done.stdout)
    counts = figures["tensors"]["module"]
    assert counts["x"][1] == counts["px"][1] == 0
    assert counts["ph"][1] > 0
    assert figures["values_differing"] == sum(differing for _, differing in counts.values())


def test_a_program_whose_memory_is_off_is_found(files):
    model = IntModel.load(files / "m.irnn")
    program = compile_model(model, CONFIGS["tiny"])
    bias = program.bias.copy()
    bias[0] += 1000
    parts = text_parts(model, load_corpus(str(files / "text.txt")))
    short = [{"text": replace(parts[0]["text"], tokens=np.asarray(parts[0]["text"].tokens)[:2])}]
    counts = compare_with_machine(model, replace(program, bias=bias), short)
    assert sum(differing for _, differing in counts.values()) > 0


def test_a_model_of_another_checkpoint_is_refused(files, tmp_path):
    other = tmp_path / "c.pt"
    train(replace(CONFIG, hidden=24), load_corpus(str(files / "text.txt")), other)
    model = IntModel.load(files / "m.irnn")
    parts = text_parts(model, load_corpus(str(files / "text.txt")))
    with pytest.raises(InputError, match=r"^model: h has 16 values of 8 bits, 24 of 8 in the"):
        verify(model, other, parts)
    corpus = load_corpus()
    with pytest.raises(InputError, match="its characters are not the model's vocabulary"):
        text_parts(model, corpus)
    with pytest.raises(InputError, match="model: 0 inputs of vectors"):
        input_parts(model, files / "x.npy")
    program = compile_model(export_model(other), CONFIGS["tiny"])
    with pytest.raises(InputError, match="program: compiled from another model"):
        verify(model, files / "c.pt", parts, program=program)
