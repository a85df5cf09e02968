"""Yosys in a process of its own: an error ends the process, and state would leak between runs."""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

YOSYS_VERSION = version("pyosys")


class YosysError(RuntimeError):
    """Yosys stopped; the text is the end of its log."""


# Ctrl-C ends Yosys at once: Python's own handler would wait for the end of the pass.
_RUNNER = """
import signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
from pyosys import libyosys
design = libyosys.Design()
for line in open("script.ys"):
    if line.strip():
        libyosys.run_pass(line.strip(), design)
"""


def run_yosys(script: str, files: dict[str, str], outputs: tuple[str, ...] = ()) -> dict[str, str]:
    """Run a script, a command a line, in a fresh process and folder.

    files: name -> text, written before. Returns the text of `outputs` and of `yosys.log`.
    Raises YosysError with the end of the log when Yosys stops.
    """
    with tempfile.TemporaryDirectory(prefix="irnn-yosys-") as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text)
        Path(folder, "script.ys").write_text(script)
        done = subprocess.run(
            [sys.executable, "-c", _RUNNER],
            cwd=folder,
            env={**os.environ, "TMPDIR": folder},  # what Yosys keeps for its next run, too
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode or not all(Path(folder, name).exists() for name in outputs):
            raise YosysError(f"yosys stopped ({done.returncode}):\n{done.stdout[-2000:]}")
        return {name: Path(folder, name).read_text() for name in outputs} | {
            "yosys.log": done.stdout
        }
