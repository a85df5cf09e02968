"""The figures of a sweep: area against worst error, pieces and bits per character, as PNG."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from irnn_hw.report.figures import BLUE, GREEN, INK, MUTED, ORANGE, STYLE

Row = dict[str, Any]

COLOURS = {"bank": BLUE, "search": ORANGE, "table": GREEN}
MARKERS = {"optimal": "o", "greedy": "s", None: "D"}
UNITS = {"bram": "block RAMs", "memory_bits": "bits of memory"}
DPI = 150


@dataclass(frozen=True, slots=True)
class Chart:
    """name: of the file, without suffix. caption: what it shows."""

    name: str
    caption: str
    png: bytes


def charts(results: Row) -> list[Chart]:
    """Of each function, those for which there is a point that has the figures."""
    found = []
    for function in results["grid"]["function"]:
        rows = [r for r in results["points"] if r["function"] == function and r["area"]]
        for kind, (draw, quality, says) in KINDS.items():
            usable = [row for row in rows if row[quality] is not None]
            if usable:
                caption = f"{function}: {says}"
                png = _png(usable, results["targets"], draw)
                found.append(Chart(f"{function}-{kind}", caption, png))
    return found


def area_of(row: Row) -> float:
    """The first figure of its target: logic."""
    return float(next(iter(row["area"].values())))


def _png(rows: list[Row], targets: Row, draw: Callable[[Axes, list[Row]], None]) -> bytes:
    """A panel for each target (down) and widths (across)."""
    used = [t for t in targets if any(row["target"] == t for row in rows)]
    widths = sorted({(row["in_bits"], row["out_bits"]) for row in rows})
    with rc_context(STYLE):
        size = (0.7 + 3.6 * max(len(widths), 2), 0.9 + 2.5 * len(used))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(used), len(widths), squeeze=False)
        for line, target in zip(grid, used, strict=True):
            for axes, width in zip(line, widths, strict=True):
                panel = _of(rows, target=target, in_bits=width[0], out_bits=width[1])
                draw(axes, panel)
                axes.set_title(f"{targets[target]['title']}, {width[0]} to {width[1]} bits", size=9)
                axes.set_ylabel(next(iter(targets[target]["figure_units"].values())).split(",")[0])
                _scale(axes, panel)
        _legend(figure, rows)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()


def _scale(axes: Axes, rows: list[Row]) -> None:
    """Areas from 0, or by their logarithm where they lie far apart, as plain numbers."""
    areas = [area_of(row) for row in rows]
    axes.set_ylim(0, max([1.0, *areas]) * 1.12)
    if areas and min(areas) > 0 and max(areas) > 12 * min(areas):
        axes.set_yscale("log")
        axes.set_ylim(min(areas) / 1.3, max(areas) * 1.3)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))


def _of(rows: Iterable[Row], **values: Any) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def _series(rows: list[Row]) -> Iterator[tuple[str, bool, str | None, list[Row]]]:
    """Rows of one variant, loadable or not, of one method."""
    keys = dict.fromkeys((row["variant"], row["tables"], row["knots"]) for row in rows)
    for variant, tables, knots in keys:
        part = _of(rows, variant=variant, tables=tables, knots=knots)
        yield variant, tables == "loadable", knots, part


def _style(variant: str, loadable: bool, knots: str | None) -> Row:
    colour = COLOURS.get(variant, MUTED)
    face = "white" if loadable else colour
    return {"color": colour, "mfc": face, "marker": MARKERS[knots], "ms": 5, "lw": 1}


def _scatter(axes: Axes, rows: list[Row], quality: str, front: str) -> None:
    for variant, loadable, knots, part in _series(rows):
        style = _style(variant, loadable, knots) | {"ls": ""}
        axes.plot([r[quality] for r in part], [area_of(r) for r in part], **style)
    for row in rows:
        _memories(axes, row[quality], row)
    best = [row for row in rows if row[front]]
    ring = {"marker": "o", "ls": "", "ms": 10, "mfc": "none", "mec": INK, "mew": 0.9}
    axes.plot([r[quality] for r in best], [area_of(r) for r in best], **ring)


def _memories(axes: Axes, x: float, row: Row, side: str = "left") -> None:
    """Says beside a point what the logic alone hides: the memories that it needs."""
    needs = [f"{v:,} {UNITS[name]}" for name, v in row["area"].items() if name in UNITS and v]
    if needs:
        at = {"xytext": (7 if side == "left" else 0, 5), "textcoords": "offset points", "ha": side}
        axes.annotate("+ " + ", ".join(needs), (x, area_of(row)), size=7.5, color=MUTED, **at)


def _against_error(axes: Axes, rows: list[Row]) -> None:
    _scatter(axes, rows, "worst_lsb", "error_front")
    most = max([1, *(row["worst_lsb"] for row in rows)])
    ticks = [0, *(t for t in (1, 2, 4, 8, 16, 64, 256, 1024, 4096) if t <= 2 * most)]
    axes.set_xscale("symlog", base=2, linthresh=1)
    axes.set_xticks(ticks, map(str, ticks))
    axes.set_xlim(-0.3, 1.5 * most + 0.3)
    axes.set_xlabel("worst error, LSB")


def _against_bits(axes: Axes, rows: list[Row]) -> None:
    _scatter(axes, rows, "bits_per_char", "network_front")
    axes.set_xlabel("held-out bits per character")


def _against_pieces(axes: Axes, rows: list[Row]) -> None:
    for variant, loadable, knots, part in _series(rows):
        style = _style(variant, loadable, knots)
        if variant == "table":
            for row in part:
                line = ":" if loadable else "--"
                axes.axhline(area_of(row), color=style["color"], lw=1.2, ls=line)
                _memories(axes, max(r["pieces"] or 4 for r in rows), row, side="right")
            continue
        part = sorted(part, key=lambda row: row["pieces"])
        axes.plot([r["pieces"] for r in part], [area_of(r) for r in part], **style)
    ticks = sorted({row["pieces"] for row in rows} - {None})
    if ticks:
        axes.set_xscale("log")
        axes.set_xticks(ticks, map(str, ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("pieces")


def _legend(figure: Figure, rows: list[Row]) -> None:
    axes = figure.axes[0]
    handles = []
    for variant, loadable, knots, _ in _series(rows):
        words = [variant, "loadable" if loadable else "", knots or ""]
        style = _style(variant, loadable, knots) | {"ls": ""}
        handles += axes.plot([], [], label=" ".join(filter(None, words)), **style)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4))


KINDS: dict[str, tuple[Callable[[Axes, list[Row]], None], str, str]] = {
    "error": (
        _against_error,
        "worst_lsb",
        "area against worst error. Ringed: on the front, which counts multipliers and memories too",
    ),
    "pieces": (
        _against_pieces,
        "worst_lsb",
        "area against pieces, by variant; a line across is the plain table",
    ),
    "network": (
        _against_bits,
        "bits_per_char",
        "area against the network's bits per character, all its activations of that many pieces",
    ),
}
