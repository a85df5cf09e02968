"""Activation units: PWLs and tables, constant or loadable."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product

from irnn_hw.sweep.design import Design, Fit
from irnn_hw.sweep.units.family import Axes, Family, Spec
from rtl.pipeline import Pipeline
from rtl.pwl import Pwl, PwlSearch
from rtl.pwl_load import PwlSizes
from rtl.pwl_loadable import LoadablePwl, LoadablePwlSearch
from rtl.pwl_table import LoadablePwlTable, PwlTable

# Inputs that a network gives these functions; where it goes on, they are flat or repeat.
RANGES: dict[str, tuple[float, float]] = {
    "sigmoid": (-8.0, 8.0),
    "tanh": (-4.0, 4.0),
    "exp": (-10.0, 0.0),
    "gelu": (-3.0, 3.0),
    "relu": (-1.0, 1.0),
    "cos": (-math.pi, math.pi),
}
TABLES = ("constant", "loadable")
VARIANTS = ("bank", "search", "table")

# (variant, tables) -> the component of a table, which loadable ones take their sizes from.
BUILDERS: Mapping[tuple[str, str], Callable[[Spec], Pipeline]] = {
    ("bank", "constant"): lambda spec: Pwl(spec=spec),
    ("search", "constant"): lambda spec: PwlSearch(spec=spec),
    ("table", "constant"): lambda spec: PwlTable(spec=spec),
    ("bank", "loadable"): lambda spec: LoadablePwl(sizes=_sizes(spec)),
    ("search", "loadable"): lambda spec: LoadablePwlSearch(sizes=_sizes(spec, power_of_two=True)),
    ("table", "loadable"): lambda spec: LoadablePwlTable(
        in_bits=spec.in_bits, out_bits=spec.out_bits
    ),
}


def _sizes(spec: Spec, power_of_two: bool = False) -> PwlSizes:
    """Of a unit that holds the pieces of the table, and any constants that the fits make."""
    pieces = max(spec.pieces, 2)
    if power_of_two:
        pieces = 1 << (pieces - 1).bit_length()
    return PwlSizes(pieces=pieces, in_bits=spec.in_bits, out_bits=spec.out_bits)


def _build(design: Design, spec: Spec | None) -> Pipeline:
    assert spec is not None
    return BUILDERS[design.variant, design.size("tables")](spec)


def _designs(axes: Axes) -> Iterator[Design]:
    """A table has no pieces and no knots, and is there once."""
    names = ("functions", "in_bits", "out_bits", "variants", "tables")
    for function, in_bits, out_bits, variant, tables in product(*(axes[n] for n in names)):
        shapes = [(0, "")] if variant == "table" else product(axes["pieces"], axes["knots"])
        for pieces, knots in shapes:
            ends = axes["span"] or RANGES[function]
            fit = Fit(function, *ends, in_bits, out_bits, pieces, knots)
            yield Design("pwl", variant, (("tables", tables),), fit)


PWL = Family(
    "pwl",
    "activation units",
    VARIANTS,
    ("functions", "tables", "pieces", "in_bits", "out_bits", "knots"),
    _designs,
    _build,
    same=("function", "range", "in_bits", "out_bits", "tables"),
    fronts={"error": "worst_lsb", "network": "bits_per_char"},
    x=lambda row: row["worst_lsb"],
    x_label="worst error, LSB",
    panel=lambda row: f"{row['in_bits']} to {row['out_bits']} bits",
    mark=lambda row: str(row["pieces"] or ""),
)
