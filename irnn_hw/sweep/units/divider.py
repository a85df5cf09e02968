"""Dividers: restoring, one at a time or pipelined, and by reciprocals."""

from collections.abc import Iterator
from itertools import product

from irnn_hw.sweep.design import Design
from irnn_hw.sweep.units.family import Axes, Family, Spec
from rtl.divider import TABLE_BITS, IterativeDivider, PipelinedDivider, ReciprocalDivider
from rtl.pipeline import Pipeline

RESTORING = {"iterative": IterativeDivider, "pipelined": PipelinedDivider}
# Bits of the divisor -> of the numerator: MadNorm's division, and one as wide as an accumulator's.
NUMERATOR = {8: 25, 32: 48}


def _build(design: Design, _spec: Spec | None) -> Pipeline:
    d_bits = design.size("divisor_bits")
    widths = {"n_bits": NUMERATOR[d_bits], "d_bits": d_bits}
    if design.variant == "reciprocal":
        return ReciprocalDivider(**widths)
    return RESTORING[design.variant](step=design.size("step"), **widths)


def _designs(axes: Axes) -> Iterator[Design]:
    """Reciprocals have no step, and no table for more than TABLE_BITS."""
    for d_bits, variant in product(axes["divisor_bits"], axes["variants"]):
        steps = axes["step"]
        if variant == "reciprocal":
            steps = (None,) if d_bits <= TABLE_BITS else ()
        for step in steps:
            yield Design("divider", variant, (("divisor_bits", d_bits), ("step", step)))


DIVIDER = Family(
    "divider",
    "dividers",
    (*RESTORING, "reciprocal"),
    ("divisor_bits", "step"),
    _designs,
    _build,
    same=("divisor_bits",),
    fronts={"speed": "interval"},
    x=lambda row: row["interval"],
    x_label="cycles from one division to the next",
    panel=lambda row: f"{NUMERATOR[row['divisor_bits']]} by {row['divisor_bits']} bits",
    mark=lambda row: f"step {row['step']}" if row["step"] else "",
)
