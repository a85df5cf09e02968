"""What division costs: cycles and ECP5 area of every divider, and of the units around it.

Usage: python -P benchmarks/divider_area.py. The tables of docs/units.md; Yosys, not placed. Results
are kept in build/area: the first run takes about a minute.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rich.table import Table

from irnn_hw.area.yosys import estimate
from irnn_hw.console import out
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, fit
from rtl.affine import Affine
from rtl.context import Context, ContextSizes
from rtl.divider import Divider, IterativeDivider, PipelinedDivider, ReciprocalDivider
from rtl.madnorm import MadNorm
from rtl.pipeline import Pipeline
from rtl.pwl import Pwl, PwlSearch
from rtl.softmax import Exp, ShiftedScores, Softmax
from rtl.units.attention import context_spec
from rtl.units.division import affine_spec, madnorm_spec

CACHE = Path(__file__).parents[1] / "build" / "area"
# The number: quotient bits a cycle, or a stage.
VARIANTS: dict[str, Callable[..., Divider]] = {
    f"{name}-{step}": partial(kind, step=step)
    for name, kind in (("iterative", IterativeDivider), ("pipelined", PipelinedDivider))
    for step in (1, 2, 4)
} | {"reciprocal": ReciprocalDivider}
ROW, LANES, STEPS = 200, 4, 128
SCORES = QuantParams(10 / 65535, 65535, 16)  # of exp: 10 below the largest is next to nothing


def units() -> Iterator[tuple[str, str, Pipeline]]:
    """(unit, variant, component)."""
    for name, variant in VARIANTS.items():
        yield "25 by 8 bits", name, variant(n_bits=25, d_bits=8)
    for name, variant in VARIANTS.items():
        if name != "reciprocal":
            yield "48 by 32 bits", name, variant(n_bits=48, d_bits=32)
    for name in ("iterative-1", "iterative-2", "pipelined-1", "pipelined-2"):
        yield "48 by 32, constant shift", name, VARIANTS[name](n_bits=48, d_bits=32, shift=15)
    for name in ("iterative-1", "iterative-4", "pipelined-1", "reciprocal"):
        yield f"MadNorm, {ROW}", name, MadNorm(spec=madnorm_spec(ROW), divider=VARIANTS[name])
    yield f"affine, {ROW}", "", Affine(spec=affine_spec(ROW))
    for steps in (None, STEPS):
        sizes = ContextSizes(context_spec(), LANES, steps)
        for name in ("iterative-1", "iterative-4", "pipelined-1"):
            component = Context(sizes=sizes, divider=VARIANTS[name])
            yield f"context, {LANES} lanes, {sizes.steps} steps", name, component
    yield from softmax()


def softmax() -> Iterator[tuple[str, str, Pipeline]]:
    """(unit, variant, component) of softmax and context, and of what stands before the context."""
    exp = fit(FUNCTIONS["exp"], SCORES, QuantParams(1 / 255, 0), 16)
    sizes = ContextSizes(context_spec(), LANES, STEPS)
    about = f"{LANES} lanes, {STEPS} steps"
    yield f"shifted scores, {about}", "", ShiftedScores(sizes=sizes)
    for name, activation in (("search", PwlSearch), ("comparators", Pwl)):
        component = Exp(exp=exp, sizes=sizes, activation=activation)
        yield f"exp, {exp.pieces} pieces, {LANES} lanes", name, component
    for name in ("iterative-1", "iterative-4", "pipelined-1"):
        component = Softmax(
            exp=exp, spec=sizes.spec, lanes=LANES, max_steps=STEPS, divider=VARIANTS[name]
        )
        yield f"softmax, {about}", name, component


def main() -> None:
    table = Table("unit", "variant", "latency", "interval", "LUT", "FF", "DSP", "BRAM")
    for unit, variant, component in units():
        area = estimate(component, "unit", "ecp5", CACHE)["total"]
        timing = component.LATENCY, getattr(component, "SPACING", component.INTERVAL)
        table.add_row(
            unit, variant, *map(str, timing), *(str(area[f]) for f in ("lut", "ff", "dsp", "bram"))
        )
    out.print(table)


if __name__ == "__main__":
    main()
