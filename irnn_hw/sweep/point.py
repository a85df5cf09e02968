"""What is computed of a point: a fitted table, its Verilog, its area. Each step is a function of
plain values alone, so that it runs in any process on any machine."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from golden.activation import LutSpec, PwlSpec
from irnn_hw.area import nextpnr
from irnn_hw.area.targets import target_named
from irnn_hw.area.yosys import Point, estimate
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, ideal_table
from irnn_hw.quant.pwl_methods import fit_by, output_range, pwl_error
from irnn_hw.sweep.design import Design, Fit
from irnn_hw.sweep.store import versions
from irnn_hw.sweep.units import FAMILIES
from irnn_hw.sweep.units.family import Spec
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


def emit_fitted(fitted: Figures, design: Design) -> Figures:
    """A unit that holds a fitted table, or one of its size: see emit."""
    return emit(design, spec_of(fitted))


def emit(design: Design, spec: Spec | None = None) -> Figures:
    """The unit's Verilog, latency and interval in cycles, and what it was made with."""
    family = FAMILIES[design.unit]
    unit = family.build(design, spec)
    verilog = verilog_text(unit, TOP)
    return {
        "component": type(unit).__name__,
        "latency": unit.LATENCY,
        "interval": family.interval(design, unit),
        "verilog": verilog,
        "verilog_sha256": sha256(verilog.encode()).hexdigest(),
        "tools": versions(),
    }


def measure(unit: Figures, target: str, cache: str | None) -> Figures:
    """Area of a unit. cache: folder of syntheses done, None for none. Raises YosysError."""
    with _folder(cache) as folder:
        result = estimate(unit["verilog"], TOP, target, folder)
    return {"area": result["total"], "synthesis_sha256": result["sha256"]}


def route(unit: Figures, area: Figures, target: str, cache: str | None) -> Figures:
    """Clock frequency of a unit by nextpnr, one seed. Raises InputError, YosysError."""
    with _folder(cache) as folder:
        point = Point(TOP, target_named(target), unit["verilog"])
        result = nextpnr.place_and_route(point, area["area"], folder)
    names = ("fmax_mhz", "device", "tool", "version")
    return {name: result[name] for name in names} | {"pnr_sha256": result["sha256"]}


@contextmanager
def _folder(cache: str | None) -> Iterator[Path]:
    """That of a cache, or one that is gone afterwards."""
    if cache is not None:
        yield Path(cache)
        return
    with tempfile.TemporaryDirectory(prefix="irnn-sweep-") as folder:
        yield Path(folder)
