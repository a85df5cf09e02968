"""The quick estimate: figures of a design by target, named as `irnn area` names them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from golden.errors import InputError
from irnn_hw.area.targets import TARGETS
from irnn_hw.estimate.balance import balanced
from irnn_hw.estimate.cover import lut_area
from irnn_hw.estimate.lower import lower, netlist_of
from irnn_hw.estimate.technology import TECHNOLOGIES, Technology
from irnn_hw.sweep.design import Design
from irnn_hw.sweep.grid import Grid
from irnn_hw.sweep.point import fit_table, spec_of
from irnn_hw.sweep.units import FAMILIES
from rtl.pipeline import Pipeline
from rtl.units import UNITS

Figures = dict[str, float]

CAVEAT = (
    "Counted from the elaborated design without synthesis; `benchmarks/estimate.py` prints how far "
    "that is from Yosys."
)


def estimate(component: Pipeline, technology: Technology) -> Figures:
    """Figures of a component, by the names of the target's units."""
    aig, live = balanced(*lower(netlist_of(component), technology))
    luts = lut_area(aig, live, technology) if technology.luts else 0
    return technology.figures(luts, live)


def technology_named(target: str, slack: float | None = None) -> Technology:
    """slack: instead of the calibrated one. Raises InputError where there is no estimate."""
    if target not in TECHNOLOGIES:
        raise InputError(f"target: {target} has no estimate; choose of {', '.join(TECHNOLOGIES)}")
    found = TECHNOLOGIES[target]
    return found if slack is None else replace(found, slack=slack)


def components(name: str, axes: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Pipeline]]:
    """What is to be estimated and what it is: a unit of the registry, or a family's by axes.

    axes: fields of a Grid. Raises InputError for a name that is neither, naming what there is.
    """
    if name in UNITS:
        if axes:
            raise InputError(f"{next(iter(axes))}: {name} is of the registry and has no axes")
        yield {"unit": name}, UNITS[name].build()
        return
    if name not in FAMILIES:
        choice = ", ".join((*FAMILIES, *UNITS))
        raise InputError(f"unit: {name!r} is neither a family nor of the registry: {choice}")
    for point in Grid(units=(name,), targets=("ecp5",), **axes).points():
        labels = {k: v for k, v in point.labels().items() if v is not None and k != "target"}
        yield labels, component_of(point.design)


def component_of(design: Design) -> Pipeline:
    """The component of a design of a sweep, its table fitted."""
    spec = None if design.fit is None else spec_of(fit_table(design.fit))
    return FAMILIES[design.unit].build(design, spec)


def estimates(name: str, targets: Sequence[str], axes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of each component and target what `irnn estimate --json` prints. Raises InputError."""
    technologies = {target: technology_named(target) for target in targets}
    return [
        {
            "name": name,
            "parameters": labels,
            **TARGETS[target].describe(),
            "tool": "estimate",
            "caveat": CAVEAT,
            "total": estimate(component, technology),
        }
        for labels, component in components(name, axes)
        for target, technology in technologies.items()
    ]
