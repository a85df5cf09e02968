"""Mutation tests: small faults put into the units on purpose, each of which a check must find.

A mutant is the Verilog of a unit emitted from an edited copy of the rtl package, in a process of
its own; golden, the stimulus and the checks are the true ones.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import rtl
from sim.unit_check import TOPLEVEL

_EMIT = """
import sys
from rtl.emit import verilog_text
from rtl.units import UNITS
print(verilog_text(UNITS[sys.argv[1]].build(), sys.argv[2]), end="")
"""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Replace `old` by `new` in file rtl/`file`; `unit` of the registry shows it."""

    name: str
    unit: str
    file: str
    old: str
    new: str


def mutant_verilog(mutation: Mutation, emit: str = _EMIT, toplevel: str = TOPLEVEL) -> str:
    """Verilog of the unit with the fault in it, as module `toplevel`.

    emit: a program that prints it, given the names of unit and module. Raises ValueError unless
    the edit applies in exactly one place, RuntimeError when the mutant cannot be emitted.
    """
    with tempfile.TemporaryDirectory(prefix="irnn-mutant-") as folder:
        copy = Path(folder, "rtl")
        shutil.copytree(
            Path(rtl.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
        )
        source = copy / mutation.file
        text = source.read_text()
        if text.count(mutation.old) != 1:
            raise ValueError(
                f"{mutation.name}: {mutation.old!r} stands {text.count(mutation.old)} times "
                f"in rtl/{mutation.file}; change the mutation along with the source"
            )
        source.write_text(text.replace(mutation.old, mutation.new))
        return _emitted(emit, mutation.unit, toplevel, folder)


def _emitted(program: str, unit: str, toplevel: str, folder: str) -> str:
    """The unit's Verilog, its rtl package from `folder` and everything else from here."""
    path = os.pathsep.join([folder, *(os.path.abspath(p) for p in sys.path)])
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, unit, toplevel],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{unit}: the mutant could not be emitted:\n{done.stderr[-2000:]}")
    return done.stdout
