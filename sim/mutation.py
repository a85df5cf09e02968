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
        "pwl-16-in16",
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
        "requantizer-8",
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
        "constant knots off by one",
        "pwl-16-in16",
        "pwl_bank.py",
        "result = above | equal & result",
        "result = above | equal & result & Const(n > 0, 1)",
    ),
    Mutation(
        "loaded knots off by one",
        "pwl-load-16-in16",
        "pwl_bank.py",
        "[self.q >= knot for knot in knots]",
        "[self.q > knot for knot in knots]",
    ),
    Mutation(
        "knot registers written by every word",
        "pwl-load-16-in8",
        "pwl_bank.py",
        "self.write & (self.load.address == n)",
        "self.write & (self.load.address >= n)",
    ),
    Mutation(
        "search step greater instead of greater or equal",
        "pwl-load-search-128-in16",
        "pwl_search.py",
        "found = Cat(q >= knot, index)",
        "found = Cat(q > knot, index)",
    ),
    Mutation(
        "last step of the search dropped",
        "pwl-search-96-in16",
        "pwl_search.py",
        "reached = q >= choose(knots, unsigned(len(q)), index)",
        "reached = (q >= choose(knots, unsigned(len(q)), index)) & (level < self.LATENCY - 1)",
    ),
    Mutation(
        "knot memory asynchronous",
        "pwl-load-search-16-in8",
        "pwl_search.py",
        "read = memory.write_port(), memory.read_port()",
        'read = memory.write_port(), memory.read_port(domain="comb")',
    ),
    Mutation(
        "knots of the level before",
        "pwl-search-16-in8",
        "pwl_search.py",
        "knots[step // 2 :: step]",
        "knots[step // 4 :: step]",
    ),
    Mutation(
        "knots written to any level",
        "pwl-load-search-128-in16",
        "pwl_search.py",
        "(low == 1 << (len(low) - 1))",
        "low[-1]",
    ),
    Mutation(
        "offset of the next code's piece",
        "pwl-load-16-in16",
        "pwl_pieces.py",
        'late = delayed(m, index, 1, "late")\n            slope',
        'late = delayed(m, index, 0, "late")\n            slope',
    ),
    Mutation(
        "offset in block RAM a cycle late",
        "pwl-search-96-in16",
        "pwl_pieces.py",
        "delayed(m, row[width:], 2,",
        "delayed(m, row[width:], 3,",
    ),
    Mutation(
        "write enable of the constants stuck",
        "pwl-load-search-128-in16",
        "pwl_pieces.py",
        "write.en.eq(self.write)",
        "write.en.eq(1)",
    ),
    Mutation(
        "slope of the wrong sign",
        "pwl-16-in8",
        "pwl_datapath.py",
        "m.d.sync += product.eq(exact)",
        "m.d.sync += product.eq(-exact)",
    ),
    Mutation(
        "ties of a loaded table not rounded up",
        "pwl-load-16-in16",
        "pwl_datapath.py",
        "tie = ones & ones_so_far & ~rest[-1]",
        "tie = Const(0, 1)",
    ),
    Mutation(
        "overflow of a loaded table ignored",
        "pwl-load-16-in16",
        "pwl_datapath.py",
        "tie, over | beyond)",
        "tie, over & beyond)",
    ),
    Mutation(
        "words of a table give outputs",
        "pwl-load-16-in8",
        "pwl_loadable.py",
        "valid[1].eq(valid[0] & ~i.write)",
        "valid[1].eq(valid[0])",
    ),
    Mutation(
        "zero point not loaded",
        "pwl-load-search-16-in8",
        "pwl_loadable.py",
        "zero_point.eq(i.zero_point)",
        "zero_point.eq(0)",
    ),
    Mutation(
        "table address without its highest bit",
        "pwl-load-table-in16",
        "pwl_table.py",
        "read.addr.eq(i.q)",
        "read.addr.eq(i.q[:-1])",
    ),
    Mutation(
        "table halves exchanged",
        "pwl-table-in8",
        "pwl_pieces.py",
        "Mux(index[-1], choose(",
        "Mux(~index[-1], choose(",
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
    Mutation(
        "quotient bit 0 though the divisor fits exactly",
        "divider-8",
        "divider.py",
        "fits = ~difference[-1]",
        "fits = difference > 0",
    ),
    Mutation(
        "quotient bits of the wrong sense",
        "divider-32",
        "divider.py",
        "digits = Cat(fits, digits[:-1])",
        "digits = Cat(~fits, digits[:-1])",
    ),
    Mutation(
        "sign of a quotient not restored",
        "divider-reciprocal",
        "divider.py",
        "return Mux(negative, -magnitude, magnitude)",
        "return magnitude",
    ),
    Mutation(
        "half of the divisor not added",
        "divider-8",
        "divider.py",
        "t.eq((halves + divisor) >> 1)",
        "t.eq(halves >> 1)",
    ),
    Mutation(
        "division by zero",
        "divider-8",
        "divider.py",
        "divisor.eq(Mux(i.d == 0, 1, i.d))",
        "divisor.eq(i.d)",
    ),
    Mutation(
        "dividend saturated a bit early",
        "divider-32",
        "divider.py",
        "as_signed(), width + 1)",
        "as_signed(), width)",
    ),
    Mutation(
        "overflow of a quotient ignored",
        "divider-reciprocal",
        "divider.py",
        "quotient[: self._bits] | quotient[self._bits :].any().replicate(self._bits)",
        "quotient[: self._bits]",
    ),
    Mutation(
        "reciprocals a bit short",
        "divider-reciprocal",
        "divider.py",
        "tuple(-(-(1 << k) // max(d, 1)) for",
        "tuple(-(-(1 << (k - 1)) // max(d, 1)) * 2 for",
    ),
    Mutation(
        "clamp of a normalized code dropped",
        "madnorm-30",
        "divider.py",
        "saturate(total, self._bits)",
        "total[: self._bits]",
    ),
    Mutation(
        "sum of a row not cleared",
        "madnorm-30",
        "madnorm.py",
        "Mux(count == 0, 0, total)",
        "total",
    ),
    Mutation(
        "sum of magnitudes not cleared",
        "madnorm-30",
        "madnorm.py",
        'Mux(delayed(m, walk.first, SUMMED - 1, "first"), 0, total)',
        "total",
    ),
    Mutation(
        "deviation without magnitudes",
        "madnorm-30",
        "madnorm.py",
        "rest + abs(c)",
        "rest + c",
    ),
    Mutation(
        "mean not held for its row",
        "madnorm-30",
        "madnorm.py",
        'delayed(m, mean.o.valid, 1, "mean")',
        "Const(1, 1)",
    ),
    Mutation(
        "row buffer too short",
        "madnorm-30",
        "madnorm.py",
        "(spec.length + FIRST_ADDRESS - 1).bit_length()",
        "(spec.length - 1).bit_length()",
    ),
    Mutation(
        "numerator of a context not cleared",
        "context-1",
        "context.py",
        "Mux(first, 0, acc) + product",
        "acc + product",
    ),
    Mutation(
        "weights of a context not cleared",
        "context-2",
        "context.py",
        "Mux(first, 0, total) + weight",
        "total + weight",
    ),
    Mutation(
        "lanes of a context overwritten",
        "context-2",
        "context.py",
        "(left == 0) | (taken & (left == 1))",
        "(left == 0) | taken",
    ),
    Mutation(
        "a quotient bit short",
        "context-2",
        "divider.py",
        "left.eq(left - 1), self.o.valid.eq(left == 1)",
        "left.eq(left - 1), self.o.valid.eq(left == 2)",
    ),
    Mutation(
        "divisor not held",
        "context-2",
        "divider.py",
        "EnableInserter(accepted | preparing[:-1].any())(prepare)",
        "prepare",
    ),
    Mutation(
        "gamma does not start anew",
        "affine-30",
        "affine.py",
        "last = index == len(spec.gamma) - 1",
        "last = Const(0, 1)",
    ),
    Mutation(
        "beta a cycle early",
        "affine-30",
        "affine.py",
        'delayed(m, offset, 2, "offset")',
        'delayed(m, offset, 1, "offset")',
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
