"""A family of units: what its axes are, what they span, and how one is built."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from golden.activation import LutSpec, PwlSpec
from irnn_hw.sweep.design import Design
from rtl.pipeline import Pipeline

Axes = Mapping[str, Any]  # of a Grid, by field; `variants` are those of the family
Spec = PwlSpec | LutSpec
Row = Mapping[str, Any]


def _once(_design: Design) -> int:
    return 1


@dataclass(frozen=True, slots=True)
class Family:
    """Units that do one thing.

    variants: ways to build one. axes: fields of a Grid that it takes. designs: all of a grid.
    build: the component, from the design and the table fitted to it, if it has one.
    operations: that one payload does. same: labels by which units do the same, so that the
    figures of `fronts` (front -> figure, less is better) and area compare.
    Of its figure, x: where a row lies, and what that is called; panel: which rows it is drawn with;
    mark: what is written beside it.
    """

    name: str
    title: str
    variants: tuple[str, ...]
    axes: tuple[str, ...]
    designs: Callable[[Axes], Iterator[Design]]
    build: Callable[[Design, Spec | None], Pipeline]
    same: tuple[str, ...]
    fronts: Mapping[str, str]
    x: Callable[[Row], float]
    x_label: str
    panel: Callable[[Row], str]
    mark: Callable[[Row], str]
    operations: Callable[[Design], int] = _once

    def interval(self, design: Design, unit: Pipeline) -> float:
        """Cycles from one operation to the next, of a unit built of the design."""
        operations = self.operations(design)
        return unit.INTERVAL if operations == 1 else unit.INTERVAL / operations
