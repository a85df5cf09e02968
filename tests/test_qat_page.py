"""docs/training.md: its Python runs, its commands print what it shows."""

import re
import shlex
from pathlib import Path

from test_docs import BLOCK, PYTHON, words
from typer.testing import CliRunner

from irnn_hw.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
ANY = re.compile(f"{PYTHON.pattern}|{BLOCK.pattern}", re.DOTALL | re.MULTILINE)


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    blocks = ANY.findall(PAGE.read_text())
    assert len(blocks) == 6
    for python, console in blocks:
        if python:
            exec(compile(python, str(PAGE), "exec"), names)
            continue
        command, *shown = console.splitlines()
        program, *arguments = shlex.split(command.removeprefix("$ "))
        done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
        assert (program, done.exit_code) == ("irnn", 0), done.output
        for line in shown:
            assert words(line) in words(done.output), done.output
