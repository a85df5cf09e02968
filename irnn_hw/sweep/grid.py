"""The axes of a sweep, and the points that they span."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from golden.errors import InputError
from irnn_hw.area.targets import TARGETS
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS
from irnn_hw.quant.pwl_methods import METHODS
from irnn_hw.sweep.design import Design, Point
from irnn_hw.sweep.units import FAMILIES
from irnn_hw.sweep.units.divider import NUMERATOR
from irnn_hw.sweep.units.pwl import RANGES, TABLES
from rtl.divider import STEPS
from rtl.requantizer import MULTIPLIER_WIDTHS

WIDTHS = (8, 16)

# Field of a Grid -> the axis' name, and what may stand on it.
AXES: dict[str, tuple[str, Collection[Any]]] = {
    "units": ("unit", FAMILIES),
    "variants": ("variant", dict.fromkeys(v for f in FAMILIES.values() for v in f.variants)),
    "targets": ("target", TARGETS),
    "functions": ("function", FUNCTIONS),
    "tables": ("tables", TABLES),
    "pieces": ("pieces", range(1, 65536)),
    "in_bits": ("in-bits", WIDTHS),
    "out_bits": ("out-bits", WIDTHS),
    "knots": ("knots", METHODS),
    "rows": ("rows", range(1, 65)),
    "columns": ("columns", range(1, 65)),
    "multiplier_bits": ("multiplier-bits", MULTIPLIER_WIDTHS),
    "divisor_bits": ("divisor-bits", NUMERATOR),
    "step": ("step", STEPS),
}
COMMON = ("units", "variants", "targets")
# The grid of the published figures, where it is more than what a Grid has by itself.
FULL = {
    "targets": ("ecp5", "ice40", "xilinx", "gates"),
    "pieces": (4, 8, 16, 32, 64, 96, 160),
    "rows": (1, 2, 4, 8),
    "columns": (1, 2, 4, 8),
    "multiplier_bits": (8, 12, 16, 20, 24, 28, 32),
    "divisor_bits": (8, 32),
}


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of the axes of each unit is a point.

    variants: none given are all of the units. span: range of the input, of one function alone;
    None: that of RANGES. targets ("all",): every one. Raises InputError naming the axis.
    """

    units: tuple[str, ...] = ("pwl",)
    variants: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("ecp5", "gates")
    functions: tuple[str, ...] = ("sigmoid",)
    tables: tuple[str, ...] = ("constant",)
    pieces: tuple[int, ...] = (4, 16, 64)
    in_bits: tuple[int, ...] = WIDTHS
    out_bits: tuple[int, ...] = (8,)
    knots: tuple[str, ...] = ("optimal",)
    span: tuple[float, float] | None = None
    rows: tuple[int, ...] = (4,)
    columns: tuple[int, ...] = (1, 2, 4)
    multiplier_bits: tuple[int, ...] = (8, 16, 24, 32)
    divisor_bits: tuple[int, ...] = (8,)
    step: tuple[int, ...] = STEPS

    def __post_init__(self) -> None:
        if self.targets == ("all",):
            object.__setattr__(self, "targets", tuple(TARGETS))
        _check_axis("units", self.units)
        if not self.variants:
            every = [v for unit in self.units for v in FAMILIES[unit].variants]
            object.__setattr__(self, "variants", tuple(dict.fromkeys(every)))
        for field in AXES:
            _check_axis(field, getattr(self, field))
        self._check_belongs()
        if self.span is not None and len(self.functions) > 1:
            raise InputError("range: is of one function; give one --function, or no --range")
        for function in self.functions:
            QuantParams.from_range(*self._range(function))

    def _check_belongs(self) -> None:
        """What is given is of a unit of the grid, and each unit has a variant and a point."""
        used, units = used_axes(self.units), ", ".join(self.units)
        for field in fields(self):
            name = AXES.get(field.name, ("range",))[0]
            needs = "functions" if field.name == "span" else field.name
            if needs not in used and getattr(self, field.name) != field.default:
                raise InputError(f"{name}: is no axis of {units}; leave it out, or add a --unit")
        ways = {v for unit in self.units for v in FAMILIES[unit].variants}
        for variant in self.variants:
            if variant not in ways:
                raise InputError(f"variant: there is no {variant} of {units}; add a --unit")
        for unit in self.units:
            if next(self._designs(unit), None) is None:
                choice = ", ".join(FAMILIES[unit].variants)
                raise InputError(f"variant: none is left of {unit}; choose of {choice}")

    def _range(self, function: str) -> tuple[float, float]:
        return self.span or RANGES[function]

    def points(self) -> list[Point]:
        """In order of the axes, targets of one design together."""
        designs = (design for unit in self.units for design in self._designs(unit))
        return [Point(design, target) for design in designs for target in self.targets]

    def _designs(self, unit: str) -> Iterator[Design]:
        family = FAMILIES[unit]
        axes = {field.name: getattr(self, field.name) for field in fields(self)}
        axes["variants"] = [v for v in self.variants if v in family.variants]
        return family.designs(axes)

    def describe(self) -> dict[str, Any]:
        """The axes of its units, and the ranges in use."""
        used = used_axes(self.units)
        axes = {AXES[f][0].replace("-", "_"): list(getattr(self, f)) for f in AXES if f in used}
        ranges = {f: list(self._range(f)) for f in self.functions} if "functions" in used else {}
        return {**axes, "range": ranges}


def values_of(field: str, text: str) -> tuple[Any, ...]:
    """Values of an axis from words between commas. Raises InputError naming the axis."""
    name, allowed = AXES[field]
    words = tuple(word.strip() for word in text.split(","))
    if not all(isinstance(value, int) for value in allowed):
        return words
    try:
        return tuple(int(word) for word in words)
    except ValueError as error:
        raise InputError(f"{name}: {text!r} is not numbers; give them as 8,16") from error


def used_axes(units: Sequence[str]) -> set[str]:
    """Fields of a Grid that these units have."""
    return {*COMMON, *(axis for unit in units for axis in FAMILIES[unit].axes)}


def full(**chosen: Any) -> Grid:
    """The grid of the published figures, with the axes that are chosen instead of its own."""
    units = chosen.get("units", ("pwl",))
    _check_axis("units", units)
    used = used_axes(units)
    return Grid(**({k: v for k, v in FULL.items() if k in used} | chosen))


def _check_axis(field: str, values: Sequence[Any]) -> None:
    name, allowed = AXES[field]
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
