"""The documentation is true: commands print what it shows, its tables are the code's."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from golden.model import IntModel

ROOT = Path(__file__).parents[1]
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """Each `$` command of a page's console blocks, with the lines shown below it."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall(page.read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def words(text: str) -> str:
    """Text without table borders, each run of space one blank."""
    return " ".join(re.sub(r"[^\x21-\x7e]+", " ", text.replace("|", " ")).split())


@pytest.mark.parametrize(
    ("name", "least"), [("walkthrough", 10), ("pwl", 5), ("area", 1), ("sweep", 2)]
)
def test_commands_print_what_is_shown(name, least, tmp_path):
    page = commands(ROOT / "docs" / f"{name}.md")
    assert len(page) >= least
    env = os.environ | {"COLUMNS": "200", "IRNN_CACHE": str(ROOT / "build" / "sim")}
    for command, shown in page:
        program, *arguments = shlex.split(command)
        assert program == "irnn"
        done = subprocess.run(
            [sys.executable, "-m", "irnn_hw.cli", *arguments],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        for line in shown:
            assert words(line) in words(done.stdout), f"{command}\n{done.stdout}"


def test_python_of_the_networks_page_runs(tmp_path):
    blocks = PYTHON.findall((ROOT / "docs" / "networks.md").read_text())
    assert len(blocks) == 3
    _python(tmp_path, "-c", "\n".join(blocks))
    assert (tmp_path / "gru.irnn").stat().st_size > 1000


def test_the_example_runs(tmp_path):
    printed = _python(tmp_path, str(ROOT / "examples" / "gru_from_torch.py"))
    assert "gru.h.next" in printed
    assert IntModel.load(tmp_path / "gru.irnn").output == "gru.h.next"


def _python(folder: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tables_are_those_of_the_code():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "update_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_files_that_a_page_names_exist(page):
    text = (ROOT / "docs" / page).read_text()
    named = re.findall(
        r"`((?:golden|rtl|sim|irnn_hw|tests|tools|docs|examples|benchmarks)/[\w/.]+\.\w+)`", text
    )
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing
