"""The report's figures, as inline SVG."""

import io
import re
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from irnn_hw.report.activations import ActivationCurve

INK, MUTED, GRID = "#1d2733", "#5b6774", "#dfe4ea"
BLUE, ORANGE, GREEN, PURPLE = "#2457a6", "#c96a12", "#2b7a4b", "#7a3f9d"
PHASE_NAMES = {
    "float": "full precision",
    "ranges": "gathering ranges",
    "lut": "8-bit, tables",
    "pwl": "8-bit, PWL",
}
STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
    "svg.hashsalt": "irnn",  # equal figures give equal bytes
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.solid_capstyle": "round",
}


def loss_curves(curves: dict[str, Any]) -> Markup:
    """Bits per character of the phases in turn: training as lines, held-out as points."""
    with rc_context(STYLE):
        figure = Figure(figsize=(6.2, 3.3), layout="constrained")
        axes = figure.add_subplot()
        start = 0
        for phase, colour in zip(curves["phases"], _cycle(len(curves["phases"])), strict=True):
            steps = np.asarray(phase["steps"], float)
            name = PHASE_NAMES.get(phase["name"], phase["name"])
            axes.plot(start + steps, phase["bits_per_char"], color=colour, lw=1.1, label=name)
            held_out = np.asarray(phase["heldout"], float).reshape(-1, 2)
            x, y = start + held_out[:, 0], held_out[:, 1]
            axes.plot(x, y, "o", color=colour, ms=5, mec="white", mew=0.8)
            start += max([0, *steps, *held_out[:, 0]])
        axes.set_xlabel("training step")
        axes.set_ylabel("bits per character")
        axes.set_xlim(left=0)
        _bound(axes, curves)
        axes.legend()
        return _svg(figure)


def activation(curve: ActivationCurve) -> Markup:
    """PWL and true function over the input, and the PWL's error in LSB below."""
    with rc_context(STYLE):
        figure = Figure(figsize=(3.7, 3.5), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
        top.plot(curve.x, curve.true, color=ORANGE, lw=3.5, alpha=0.5, label=curve.function)
        label = f"PWL, {curve.pieces} pieces"
        top.plot(curve.x, curve.approximation, color=BLUE, lw=1.1, label=label)
        knots = list(curve.knots)
        top.plot(curve.x[knots], curve.approximation[knots], "o", color=BLUE, ms=3)
        top.legend(loc="best", handlelength=1.4)
        bottom.axhline(0, color=MUTED, lw=0.7)
        bottom.step(curve.x, curve.error, where="mid", color=GREEN, lw=0.9)
        limit = max(1.0, float(np.abs(curve.error).max()) * 1.15)
        bottom.set_ylim(-limit, limit)
        bottom.set_ylabel("error (LSB)")
        bottom.set_xlabel("input (real value)")
        return _svg(figure)


def _bound(axes: Axes, curves: dict[str, Any]) -> None:
    """The first steps start far above the rest: cut them, so that the rest can be told apart."""
    values = [v for phase in curves["phases"] for v in phase["bits_per_char"]]
    values += [v for phase in curves["phases"] for _, v in phase["heldout"]]
    if values:
        low, high = min(values), float(np.quantile(values, 0.98))
        margin = max(0.05, 0.08 * (high - low))
        axes.set_ylim(low - margin, high + margin)


def _cycle(count: int) -> list[str]:
    colours = [BLUE, ORANGE, GREEN, PURPLE]
    return [colours[n % len(colours)] for n in range(count)]


def _svg(figure: Figure) -> Markup:
    """The <svg> element alone, without element ids that would clash in one page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text)
    return Markup(text[text.index("<svg") :])
