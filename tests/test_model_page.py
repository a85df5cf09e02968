"""docs/model-file.md: its reader needs nothing of this project, and what it shows is true."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from every_operation import MODEL
from test_cli import irnn
from test_docs import commands, words

from golden import container, model_file
from golden.model import IntModel
from golden.operations import OPERATION_NAMES, OPERATIONS, Attend
from golden.weights import FORMATS
from golden.zoo import lstm

PAGE = Path(__file__).parents[1] / "docs" / "model-file.md"
TEXT = PAGE.read_text()
(READER,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
CHECK = """
np.savez("arrays.npz", **arrays)
own = {"golden", "irnn_hw", "rtl", "sim"}
print("imported", *own & {name.split(".")[0] for name in sys.modules})
"""


def operations(model: IntModel) -> list[tuple]:
    """(sequence, operation, its header), the parts of attention after it."""
    found = []
    header = container.unpack(model.to_bytes(), "model", "model")[0]
    for scan, of_file in zip(model.scans, header["scans"], strict=True):
        for op, described in zip(scan.operations, of_file["operations"], strict=True):
            found.append((scan.sequence, op, described))
            for name in model_file.PARTS if isinstance(op, Attend) else ():
                found.append((scan.sequence, getattr(op, name), described[name]))
    return found


def read_by_the_page(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """What the reader prints, and its arrays: run in an empty folder, apart from the project."""
    folder = path.parent / "empty"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-I", "-c", READER + CHECK, path],
        cwd=folder,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    *lines, imported = done.stdout.splitlines()
    assert imported == "imported"
    with np.load(folder / "arrays.npz") as arrays:
        return lines, dict(arrays)


@pytest.mark.parametrize("model", [MODEL, lstm(1, 5, 3, 4)], ids=["every operation", "lstm"])
def test_the_reader(model, tmp_path):
    model.save(tmp_path / "model.irnn")
    lines, arrays = read_by_the_page(tmp_path / "model.irnn")
    assert lines == [
        f"{sequence} {OPERATION_NAMES[type(op)]} {op.output} <- {', '.join(op.inputs)}"
        for sequence, op, _ in operations(model)
    ]
    compared = set()
    for _, op, described in operations(model):
        for field in model_file.ARRAYS.keys() & described.keys():
            packed = field == "weights" and op.weight_format
            name = op.output if packed else described[field]
            assert np.array_equal(arrays[name], getattr(op, field))
            compared |= {name, described[field]}
    assert compared == set(arrays)


def test_the_reader_is_short():
    assert len(READER.splitlines()) <= 36


def test_its_commands_print_what_is_shown(tmp_path):
    lstm(1, 5, 3, 4).save(tmp_path / "model.irnn")
    page = commands(PAGE)
    assert len(page) == 2
    for command, shown in page:
        program, *arguments = shlex.split(command)
        assert program == "irnn"
        done = irnn(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert shown
        for line in shown:
            assert words(line) in words(done.stdout), line


def table(title: str) -> list[list[str]]:
    """Cells of the table below a title."""
    section = TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_operations_and_their_fields_are_those_of_the_code():
    rows = table("Operations")
    assert [row[0].strip("`") for row in rows] == list(OPERATIONS)
    for name, _, described, _ in rows:
        own = {f.name for f in fields(OPERATIONS[name.strip("`")])} - {"output", "inputs"}
        assert own == set(re.findall(r"[`*](\w+)[`*]", described)) - {"null"}
        arrays = set(re.findall(r"\*(\w+)\*", described))
        assert arrays == own & model_file.ARRAYS.keys()


def test_header_and_formats_are_those_of_the_code():
    assert {row[0].strip("`") for row in table("The header")} == {
        *model_file.KEYS, "kind", "arrays"
    }  # fmt: skip
    for name, bits, magnitudes in table("Packed weights"):
        form = FORMATS[name.strip("`")]
        assert form.bits == int(bits)
        assert magnitudes.split(";")[0] == ", ".join(map(str, form.magnitudes))
    assert {row[0].strip("`") for row in table("Packed weights")} == set(FORMATS)
    assert f"schema version, {container.SCHEMA_VERSION};" in TEXT
