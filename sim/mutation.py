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


MUTATIONS = (
    Mutation(
        "rounding bit dropped",
        "requantizer-8",
        "fixed.py",
        "rounded = ((shifted + 1) >> 1) + zero_point",
        "rounded = (shifted >> 1) + zero_point",
    ),
    Mutation(
        "ties upwards, not away from zero",
        "requantizer-8",
        "fixed.py",
        "negative = p.as_signed()[-1]",
        "negative = Const(0, 1)",
    ),
    Mutation(
        "upper clamp dropped",
        "requantizer-16",
        "fixed.py",
        "Mux(overflow, Const(-1, signed(bits)), value[:bits])",
        "value[:bits]",
    ),
    Mutation(
        "lower clamp dropped",
        "pwl-16-in8",
        "fixed.py",
        "Mux(value[-1], Const(0, bits), ",
        "Mux(Const(0, 1), Const(0, bits), ",
    ),
    Mutation(
        "early saturation dropped",
        "requantizer-8",
        "fixed.py",
        "fits = ~top.any() | top.all()",
        "fits = Const(1, 1)",
    ),
    Mutation(
        "early saturation two bits short",
        "pwl-2-in8",
        "fixed.py",
        "narrow(halves >> shift, bits + 3)",
        "narrow(halves >> shift, bits + 1)",
    ),
    Mutation(
        "zero point a cycle early",
        "requantizer-8",
        "rounder.py",
        "delayed(m, self.zero_point, 2,",
        "delayed(m, self.zero_point, 1,",
    ),
    Mutation(
        "knots off by one",
        "pwl-16-in16",
        "pwl.py",
        "sum(self.q >= knot for",
        "sum(self.q > knot for",
    ),
    Mutation(
        "slope of the wrong sign",
        "pwl-16-in8",
        "pwl.py",
        "product.eq(slope *",
        "product.eq(-slope *",
    ),
    Mutation(
        "latency off by one",
        "pwl-2-in8",
        "pipeline.py",
        "self.o.valid.eq(valid[-1])",
        "self.o.valid.eq(valid[-2])",
    ),
    Mutation(
        "stages do not wait",
        "pwl-2-in8",
        "pipeline.py",
        "EnableInserter(advance)(stages)",
        "stages",
    ),
    Mutation(
        "valid waits for ready",
        "mac-array-2x2",
        "pipeline.py",
        "advance.eq(self.o.ready | ~self.o.valid)",
        "advance.eq(self.o.ready)",
    ),
    Mutation(
        "accumulator not cleared",
        "mac-array-2x2",
        "mac_array.py",
        "m.d.sync += acc.eq(total)",
        "m.d.sync += acc.eq(acc + total)",
    ),
    Mutation(
        "sum of products one bit short",
        "mac-array-8x8",
        "mac_array.py",
        "signed(16 + self._columns.bit_length())",
        "signed(14 + self._columns.bit_length())",
    ),
    Mutation(
        "weights unsigned",
        "mac-array-2x2",
        "mac_array.py",
        "ArrayLayout(signed(8), columns)",
        "ArrayLayout(unsigned(8), columns)",
    ),
    Mutation(
        "offset of PWL not added",
        "vector-lane",
        "vector_lane.py",
        'Mux(delayed(m, pwl, 1, "pwl_scaled"), addend, scaled_b)',
        "scaled_b",
    ),
)


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
