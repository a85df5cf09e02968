"""The axes of a sweep, and the points that they span."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from golden.errors import InputError
from irnn_hw.area.targets import TARGETS
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS
from irnn_hw.quant.pwl_methods import METHODS
from irnn_hw.sweep.units import VARIANTS, check_exists, existing

# Inputs that a network gives these functions; where it goes on, they are flat or repeat.
RANGES: dict[str, tuple[float, float]] = {
    "sigmoid": (-8.0, 8.0),
    "tanh": (-4.0, 4.0),
    "exp": (-10.0, 0.0),
    "gelu": (-3.0, 3.0),
    "relu": (-1.0, 1.0),
    "cos": (-math.pi, math.pi),
}
TABLES = {"constant": False, "loadable": True}
WIDTHS = (8, 16)
MOST_PIECES = 65535


@dataclass(frozen=True, slots=True)
class Fit:
    """A function on codes. pieces 0: the look-up table; knots: a name of METHODS, "" for it."""

    function: str
    low: float
    high: float
    in_bits: int
    out_bits: int
    pieces: int
    knots: str


@dataclass(frozen=True, slots=True)
class Design:
    """A unit that computes a Fit: its variant, and whether its tables can be loaded."""

    fit: Fit
    variant: str
    loadable: bool


@dataclass(frozen=True, slots=True)
class Point:
    """A design on a target: a row of the results."""

    design: Design
    target: str

    def labels(self) -> dict[str, Any]:
        """What tells the point apart, by column."""
        d, f = self.design, self.design.fit
        return {
            "function": f.function,
            "range": [f.low, f.high],
            "variant": d.variant,
            "tables": "loadable" if d.loadable else "constant",
            "pieces": f.pieces or None,
            "in_bits": f.in_bits,
            "out_bits": f.out_bits,
            "knots": f.knots or None,
            "target": self.target,
        }


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of these is a point; a table has no pieces and no knots, and is there once.

    span: range of the input, of one function alone; None: that of RANGES. targets ("all",): every
    one. Raises InputError naming the axis.
    """

    functions: tuple[str, ...] = ("sigmoid",)
    variants: tuple[str, ...] = ()
    tables: tuple[str, ...] = ("constant",)
    pieces: tuple[int, ...] = (4, 16, 64)
    in_bits: tuple[int, ...] = WIDTHS
    out_bits: tuple[int, ...] = (8,)
    knots: tuple[str, ...] = ("optimal",)
    targets: tuple[str, ...] = ("ecp5", "gates")
    span: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.targets == ("all",):
            object.__setattr__(self, "targets", tuple(TARGETS))
        if not self.variants:
            object.__setattr__(self, "variants", existing())
        for name, values, allowed in self._axes():
            _check_axis(name, values, allowed)
        for variant, table in product(self.variants, self.tables):
            check_exists(variant, TABLES[table])
        if self.span is not None and len(self.functions) > 1:
            raise InputError("range: is of one function; give one --function, or no --range")
        for function in self.functions:
            QuantParams.from_range(*self._range(function))

    def _axes(self) -> tuple[tuple[str, Sequence[Any], Collection[Any]], ...]:
        return (
            ("function", self.functions, FUNCTIONS),
            ("variant", self.variants, VARIANTS),
            ("tables", self.tables, TABLES),
            ("pieces", self.pieces, range(1, MOST_PIECES + 1)),
            ("in-bits", self.in_bits, WIDTHS),
            ("out-bits", self.out_bits, WIDTHS),
            ("knots", self.knots, METHODS),
            ("target", self.targets, TARGETS),
        )

    def _range(self, function: str) -> tuple[float, float]:
        return self.span or RANGES[function]

    def points(self) -> list[Point]:
        """In order of the axes, targets of one design together."""
        return [Point(design, t) for design in self._designs() for t in self.targets]

    def _designs(self) -> Iterator[Design]:
        axes = (self.functions, self.in_bits, self.out_bits, self.variants, self.tables)
        for function, in_bits, out_bits, variant, table in product(*axes):
            for pieces, knots in self._shapes(variant):
                ends = self._range(function)
                fit = Fit(function, *ends, in_bits, out_bits, pieces, knots)
                yield Design(fit, variant, TABLES[table])

    def _shapes(self, variant: str) -> list[tuple[int, str]]:
        """Pieces and method of the knots."""
        return [(0, "")] if variant == "table" else list(product(self.pieces, self.knots))

    def describe(self) -> dict[str, Any]:
        """The axes, and the ranges in use."""
        axes = {name.replace("-", "_"): list(values) for name, values, _ in self._axes()}
        return {**axes, "range": {f: list(self._range(f)) for f in self.functions}}


def full(**chosen: Any) -> Grid:
    """The grid of the published figures, with the axes that are chosen instead of its own."""
    axes = {"pieces": (4, 8, 16, 32, 64, 96, 160), "targets": tuple(TARGETS)}
    return Grid(**(axes | chosen))


def _check_axis(name: str, values: Sequence[Any], allowed: Collection[Any]) -> None:
    choice = (
        f"{allowed[0]}..{allowed[-1]}"
        if isinstance(allowed, range)
        else ", ".join(map(str, allowed))
    )
    if not values:
        raise InputError(f"{name}: nothing is given; choose of {choice}")
    for value in values:
        if value not in allowed:
            raise InputError(f"{name}: {value!r} is none of {choice}; choose of these")
        if values.count(value) > 1:
            raise InputError(f"{name}: {value!r} is there twice; give it once")
