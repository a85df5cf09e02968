"""What division costs: cycles and ECP5 area of every divider, and of the units around it.

Usage: python -P benchmarks/divider_area.py. The tables of docs/npu.md; Yosys, not placed. Results
are kept in build/area: the first run takes about a minute.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from rich.table import Table

from irnn_hw.area.yosys import estimate
from irnn_hw.console import out
from rtl.affine import Affine
from rtl.context import Context
from rtl.divider import Divider, IterativeDivider, PipelinedDivider, ReciprocalDivider
from rtl.madnorm import MadNorm
from rtl.pipeline import Pipeline
from rtl.units.division import affine_spec, context_spec, madnorm_spec

CACHE = Path(__file__).parents[1] / "build" / "area"
# The number: quotient bits a cycle, or a stage.
VARIANTS: dict[str, Callable[..., Divider]] = {
    f"{name}-{step}": partial(kind, step=step)
    for name, kind in (("iterative", IterativeDivider), ("pipelined", PipelinedDivider))
    for step in (1, 2, 4)
} | {"reciprocal": ReciprocalDivider}
ROW, LANES = 200, 4


class FixedShift(Pipeline):
    """A divider whose shift is a constant: what is left without the shifter."""

    def __init__(self, divider: Divider):
        layout = divider.i.payload.shape()
        super().__init__(
            StructLayout({k: layout[k].shape for k in "nd"}), divider.o.payload.shape()
        )
        self._divider, self.LATENCY = divider, divider.LATENCY
        self.INTERVAL = divider.INTERVAL

    def elaborate(self, platform):
        m = Module()
        m.submodules.divider = divider = self._divider
        wiring.connect(m, divider.o, wiring.flipped(self.o))
        m.d.comb += [
            divider.i.payload.n.eq(self.i.payload.n),
            divider.i.payload.d.eq(self.i.payload.d),
            divider.i.payload.shift.eq(12),
            divider.i.valid.eq(self.i.valid),
            self.i.ready.eq(divider.i.ready),
        ]
        return m


def units() -> Iterator[tuple[str, str, Pipeline]]:
    """(unit, variant, component)."""
    for name, variant in VARIANTS.items():
        yield "25 by 8 bits", name, variant(n_bits=25, d_bits=8)
    for name, variant in VARIANTS.items():
        if name != "reciprocal":
            yield "48 by 32 bits", name, variant(n_bits=48, d_bits=32)
    for name in ("iterative-1", "iterative-2", "pipelined-1", "pipelined-2"):
        wide = VARIANTS[name](n_bits=48, d_bits=32)
        yield "48 by 32, constant shift", name, FixedShift(wide)
    for name in ("iterative-1", "iterative-4", "pipelined-1", "reciprocal"):
        yield f"MadNorm, {ROW}", name, MadNorm(spec=madnorm_spec(ROW), divider=VARIANTS[name])
    yield f"affine, {ROW}", "", Affine(spec=affine_spec(ROW))
    for name in ("iterative-1", "iterative-4", "pipelined-1"):
        component = Context(spec=context_spec(), lanes=LANES, divider=VARIANTS[name])
        yield f"context, {LANES} lanes", name, component


def main() -> None:
    table = Table("unit", "variant", "latency", "interval", "LUT", "FF", "DSP", "BRAM")
    for unit, variant, component in units():
        area = estimate(component, "unit", "ecp5", CACHE)["total"]
        timing = component.LATENCY, getattr(component, "INTERVAL", 1)
        table.add_row(
            unit, variant, *map(str, timing), *(str(area[f]) for f in ("lut", "ff", "dsp", "bram"))
        )
    out.print(table)


if __name__ == "__main__":
    main()
