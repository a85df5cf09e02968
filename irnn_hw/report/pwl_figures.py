"""Figures 2 and A1 of the paper redrawn: PWL by both methods, the error in LSB below each."""

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from golden.activation import PwlSpec, tabulate
from golden.container import write_atomic
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, ideal_table
from irnn_hw.quant.pwl_methods import METHODS, fit_by, output_range
from irnn_hw.report.figures import BLUE, GREEN, MUTED, ORANGE, STYLE

COLOURS = {"greedy": ORANGE, "optimal": BLUE}
TITLES = {"exp": "exponential", "cos": "cosine", "gelu": "GeLU"}

# Fixed, since two passes of a layout engine over 32 axes take longer than the fits and the drawing.
PLACES = {
    "left": 0.09, "right": 0.985, "bottom": 0.13, "top": 0.9,
    "wspace": 0.06, "hspace": 0.28, "height_ratios": (2.1, 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the paper: a function over a range, approximated by so many pieces."""

    function: str
    low: float
    high: float
    pieces: int


PAPER_FIGURES: dict[str, tuple[Panel, ...]] = {
    "figure-2": tuple(Panel("tanh", -4.0, 4.0, n) for n in (4, 16)),
    "figure-a1": (
        *(Panel("exp", -10.0, 0.0, n) for n in (4, 8, 16, 32)),
        *(Panel("cos", -math.pi, math.pi, n) for n in (4, 8)),
        *(Panel("gelu", -2.0, 2.0, n) for n in (4, 5)),
    ),
}


def write_paper_figures(folder: Path, bits: int = 8, dpi: int = 150) -> list[Path]:
    """Write figure-2.png and figure-a1.png, codes of `bits` in and 8 out; return their paths."""
    paths = []
    for name, panels in PAPER_FIGURES.items():
        buffer = io.BytesIO()
        with rc_context(STYLE):
            figure = _figure(panels, bits)
            figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
        write_atomic(folder / f"{name}.png", buffer.getvalue())
        paths.append(folder / f"{name}.png")
    return paths


def _figure(panels: tuple[Panel, ...], bits: int) -> Figure:
    """Two panels of the paper a row; each is both methods side by side, error below."""
    rows = len(panels) // 2
    figure = Figure(figsize=(13, 3.9 * rows))
    cells = np.atleast_2d(figure.subfigures(rows, 2))
    for panel, cell in zip(panels, cells.ravel(), strict=True):
        title = TITLES.get(panel.function, panel.function)
        cell.suptitle(f"{title}, {panel.pieces} pieces", fontsize=11.5, weight="bold")
        x = QuantParams.from_range(panel.low, panel.high, bits)
        y = QuantParams.from_range(*output_range(panel.function, x))
        axes = cell.subplots(2, len(METHODS), sharex=True, sharey="row", gridspec_kw=PLACES)
        for column, method in enumerate(METHODS):
            spec = fit_by(method, FUNCTIONS[panel.function], x, y, panel.pieces)
            _draw(axes[0, column], axes[1, column], panel.function, spec, x, y, method)
        axes[1, 0].set_ylabel("error (LSB)")
    return figure


def _draw(
    top: Axes, bottom: Axes, function: str, spec: PwlSpec, x: QuantParams, y: QuantParams,
    method: str,
) -> None:  # fmt: skip
    codes, knots = np.arange(x.high + 1), list(spec.knots)
    real, result = x.dequantize(codes), np.array(tabulate(spec).table)
    error = result - np.array(ideal_table(FUNCTIONS[function], x, y).table)
    true, value = FUNCTIONS[function](real), y.dequantize(result)
    top.plot(real, true, color=MUTED, lw=3.5, alpha=0.35, label="true")
    top.plot(real, value, color=COLOURS[method], lw=1.2, label=f"{method}, {spec.pieces}")
    top.plot(real[knots], value[knots], "o", color=COLOURS[method], ms=3.4, mec="white", mew=0.5)
    top.legend(loc="best", handlelength=1.4)
    bottom.axhline(0, color=MUTED, lw=0.7)
    bottom.fill_between(real, error, step="mid", color=GREEN, alpha=0.25, lw=0)
    bottom.step(real, error, where="mid", color=GREEN, lw=0.9)
    worst, mean = np.abs(error).max(), np.abs(error).mean()
    bottom.set_title(f"worst {worst}, mean {mean:.2f} LSB", fontsize=9, color=MUTED, loc="left")
    bottom.set_xlabel("input (real value)")
