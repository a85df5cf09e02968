"""What is computed of a point: a fitted table, its Verilog, its area. Each step is a function of
plain values alone, so that it runs in any process on any machine."""

import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from golden.activation import LutSpec, PwlSpec
from irnn_hw.area.yosys import estimate
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, ideal_table
from irnn_hw.quant.pwl_methods import fit_by, output_range, pwl_error
from irnn_hw.sweep.grid import Fit
from irnn_hw.sweep.store import versions
from irnn_hw.sweep.units import Spec, component
from rtl.emit import verilog_text

Figures = dict[str, Any]

TOP = "activation"
SPEC_FIELDS = ("knots", "slopes", "intercepts")


def fit_table(fit: Fit) -> Figures:
    """The table of a function, and its error in LSB of the output code at every input code.

    table_bits: of its constants, each kind as narrow as its widest. Raises InputError.
    """
    f = FUNCTIONS[fit.function]
    x = QuantParams.from_range(fit.low, fit.high, fit.in_bits)
    y = QuantParams.from_range(*output_range(fit.function, x), fit.out_bits)
    lut_bits = fit.out_bits << fit.in_bits
    made = {"lut_bits": lut_bits, "numpy": np.__version__, "in_bits": x.bits, "out_bits": y.bits}
    if not fit.pieces:
        table = list(ideal_table(f, x, y).table)
        exact = {"worst_lsb": 0, "mean_lsb": 0.0, "pieces_used": None, "shift": None}
        return made | exact | {"table_bits": lut_bits, "table": table}
    spec = fit_by(fit.knots, f, x, y, fit.pieces)
    error = pwl_error(spec, f, x, y)
    constants = {name: list(getattr(spec, name)) for name in SPEC_FIELDS}
    return made | constants | {
        "out_zero_point": spec.out_zero_point,
        "shift": spec.shift,
        "pieces_used": spec.pieces,
        "worst_lsb": error.worst,
        "mean_lsb": round(error.mean, 4),
        "table_bits": table_bits(spec),
    }  # fmt: skip


def table_bits(spec: PwlSpec) -> int:
    """Bits of interior knots, slopes and intercepts (Eq. 24)."""
    constants = _signed_bits(spec.slopes) + _signed_bits(spec.intercepts)
    return spec.pieces * constants + (spec.pieces - 1) * spec.in_bits


def _signed_bits(values: Iterable[int]) -> int:
    """Of the narrowest two's complement that holds all."""
    return max((v if v >= 0 else ~v).bit_length() for v in values) + 1


def spec_of(fitted: Figures) -> Spec:
    """The golden spec of a fit_table's result."""
    bits = fitted["in_bits"], fitted["out_bits"]
    if "table" in fitted:
        return LutSpec(tuple(fitted["table"]), *bits)
    constants = (tuple(fitted[name]) for name in SPEC_FIELDS)
    return PwlSpec(*constants, fitted["shift"], fitted["out_zero_point"], *bits)


def emit(fitted: Figures, variant: str, loadable: bool) -> Figures:
    """The unit's Verilog, latency in cycles, and what it was made with."""
    unit = component(variant, loadable, spec_of(fitted))
    verilog = verilog_text(unit, TOP)
    return {
        "component": type(unit).__name__,
        "latency": unit.LATENCY,
        "verilog": verilog,
        "verilog_sha256": sha256(verilog.encode()).hexdigest(),
        "tools": versions(),
    }


def measure(design: Figures, target: str, cache: str | None) -> Figures:
    """Area of a unit. cache: folder of syntheses done, None for none. Raises YosysError."""
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="irnn-sweep-") as folder:
            return measure(design, target, folder)
    result = estimate(design["verilog"], TOP, target, Path(cache))
    return {"area": result["total"], "yosys": result["version"], "synthesis": result["sha256"]}
