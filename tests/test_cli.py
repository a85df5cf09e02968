"""The command line on bad input: a line that names the field, exit code 2, nothing half-written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from golden.container import MAGIC
from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.npu_config import CONFIGS
from golden.zoo import lstm
from irnn_hw.compiler import compile_model


def irnn(*arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "irnn_hw.cli", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200"} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], *texts: str) -> None:
    """Exit code 2, an error that holds the texts, no traceback."""
    shown = " ".join(done.stderr.split())
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for text in texts:
        assert text in shown


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / "model.irnn"
    lstm(1, 7, 8, 8).save(path)
    return path


def test_help_teaches_every_command(tmp_path):
    top = irnn("--help", cwd=tmp_path)
    for command in ("demo", "train", "export", "run", "compile", "generate", "cosim", "area",
                    "report", "doctor", "pwl"):  # fmt: skip
        assert command in top.stdout
        assert irnn(command, "--help", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data[: len(data) // 2], "SHA-256 differs"),
        (lambda data: data[:20], "truncated"),
        (lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:], "SHA-256 differs"),
        (lambda data: MAGIC + (99).to_bytes(4, "little") + data[8:], "schema version 99"),
        (lambda data: b"PK" + data[2:], "not an irnn file"),
    ],
)
def test_a_damaged_model_is_refused_and_nothing_written(tmp_path, model, damage, says):
    model.write_bytes(damage(model.read_bytes()))
    done = irnn("compile", model, "-o", "out/program.irnn", cwd=tmp_path)
    refused(done, "model.irnn", says)
    assert not (tmp_path / "out").exists()


def test_a_missing_model_is_named(tmp_path):
    refused(irnn("run", "nowhere.irnn", cwd=tmp_path), "nowhere.irnn", "No such file")


def test_a_program_is_no_model(tmp_path, model):
    program = tmp_path / "program.irnn"
    compile_model(IntModel.load(model), CONFIGS["tiny"]).save(program)
    refused(irnn("compile", program, cwd=tmp_path), "holds a program, a model was expected")


def test_a_model_too_large_for_the_configuration(tmp_path):
    path = tmp_path / "model.irnn"
    lstm(1, 96, 64, 300).save(path)
    done = irnn("compile", path, "--config", "tiny", "-o", "p.irnn", cwd=tmp_path)
    refused(done, "configuration tiny holds", "choose a larger configuration")
    assert not (tmp_path / "p.irnn").exists()


def test_an_unknown_configuration_lists_those_there_are(tmp_path, model):
    refused(irnn("compile", model, "--config", "huge", cwd=tmp_path), "huge", "tiny, small, base")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"\xff\xfe\xfa" * 4000, "UTF-8"), (b"short", "characters")],
)
def test_a_corpus_that_cannot_be_read(tmp_path, content, says):
    (tmp_path / "corpus.txt").write_bytes(content)
    done = irnn("train", "--corpus", "corpus.txt", "-o", "c.pt", cwd=tmp_path)
    refused(done, "corpus.txt", says)
    assert not (tmp_path / "c.pt").exists()


def test_a_corpus_of_other_characters_than_the_model(tmp_path, model):
    refused(irnn("run", model, cwd=tmp_path), "vocabulary")


def test_unknown_unit_and_missing_arguments(tmp_path, model):
    refused(irnn("cosim", "divider", cwd=tmp_path), "no unit divider", "requantizer-8")
    refused(irnn("cosim", cwd=tmp_path), "--all")
    refused(irnn("cosim", "--model", model, cwd=tmp_path), "--program")
    refused(irnn("area", "divider", cwd=tmp_path), "divider")


def test_a_missing_compiler_is_a_failure_that_names_the_package(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("make", "perl", "python"):  # no c++, and no apt-get to fetch it
        (tools / name).symlink_to(sys.executable if name == "python" else f"/usr/bin/{name}")
    done = irnn("cosim", "pwl-2-in8", cwd=tmp_path, PATH=str(tools), IRNN_CACHE=str(tmp_path))
    refused(done, "c++", "g++")


def test_a_report_without_its_files_names_the_command(tmp_path):
    refused(irnn("report", tmp_path, cwd=tmp_path), "not there", "irnn")


def test_figures_as_json_on_stdout_alone(tmp_path, model):
    done = irnn("compile", model, "--config", "tiny", "-o", "p.irnn", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["config"] == "tiny"
    assert figures["memory_words"]["weights"][0] > 0


def test_generate_is_deterministic_and_complete(tmp_path, model):
    irnn("compile", model, "--config", "tiny", "-o", "p.irnn", cwd=tmp_path)
    for folder, seed in (("a", "1"), ("b", "2")):
        done = irnn("generate", "p.irnn", "-o", folder, cwd=tmp_path, PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert {"npu.v", "interface.json", "program.hex", "weights.hex", "program.lst"} <= names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_difference_ends_with_exit_code_1(tmp_path):
    """The program of one model with another's weights: the RTL must be seen to differ."""
    model = lstm(1, 7, 8, 8)
    program = compile_model(model, CONFIGS["tiny"])
    program.weights[0, 0, 0] += 1
    metadata = {"vocabulary": "abcdefg"}
    named = IntModel.single(
        model.tensors, model.states, model.operations, "logits", FixedPoint(1 << 15, 26), metadata
    )
    named.save(tmp_path / "m.irnn")
    altered = type(program)(**{**vars(program), "model_sha256": named.sha256})
    altered.save(tmp_path / "p.irnn")
    cache = str(Path("build/sim").absolute())
    files = ("--program", "p.irnn", "--model", "m.irnn")
    done = irnn("cosim", *files, "--prompt", "abc", "--write", 2, cwd=tmp_path, IRNN_CACHE=cache)
    assert done.returncode == 1, done.stderr
    assert "failed" in done.stderr
