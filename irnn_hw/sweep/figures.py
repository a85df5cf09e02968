"""The figures of a sweep: area against error, pieces, bits per character or size, as PNG."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from operator import itemgetter
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from irnn_hw.report.figures import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, STYLE
from irnn_hw.sweep.units import FAMILIES

Row = dict[str, Any]

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, INK, MUTED)  # of the variants of a family, in their order
MARKERS = {"optimal": "o", "greedy": "s", None: "D"}
MEMORIES = {"bram": "block RAM", "memory_bits": "bit of memory"}
DPI = 150


@dataclass(frozen=True, slots=True)
class Chart:
    """name: of the file, without suffix. caption: what it shows."""

    name: str
    caption: str
    png: bytes


def charts(results: Row, dpi: int = DPI) -> list[Chart]:
    """Of each function, and of each family of exact units, those whose figures there are."""
    found = []
    measured = [row for row in results["points"] if row["area"]]
    for name, rows in _subjects(measured).items():
        for kind, (draw, figure, says) in KINDS.items():
            usable = [row for row in rows if row[figure] is not None]
            if usable and (kind == "size") == (usable[0]["function"] is None):
                png = _png(usable, results["targets"], draw, dpi)
                found.append(Chart(f"{name}-{kind}", f"{_title(usable[0])}: {says}", png))
    return found


def _subjects(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows by function, or by unit where they have none."""
    subjects: dict[str, list[Row]] = {}
    for row in rows:
        subjects.setdefault(row["function"] or row["unit"], []).append(row)
    return subjects


def _title(row: Row) -> str:
    return str(row["function"] or FAMILIES[row["unit"]].title)


def area_of(row: Row) -> float:
    """The first figure of its target: logic."""
    return float(next(iter(row["area"].values())))


def _png(rows: list[Row], targets: Row, draw: Callable[[Axes, list[Row]], None], dpi: int) -> bytes:
    """A panel for each target and widths: those of a target side by side, or two targets."""
    panel_of = FAMILIES[rows[0]["unit"]].panel
    across = list(dict.fromkeys(panel_of(row) for row in rows))
    panels = [
        (targets[target], name, [row for row in _of(rows, target=target) if panel_of(row) == name])
        for target, name in product(targets, across)
    ]
    panels = [panel for panel in panels if panel[-1]]
    columns = len(across) if len(across) > 1 else min(len(panels), 2)
    lines = -(-len(panels) // columns)
    with rc_context(STYLE):
        size = (0.7 + 3.6 * max(columns, 2), 0.9 + 2.6 * lines)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for axes, (target, name, panel) in zip(grid.flat, panels, strict=False):
            draw(axes, panel)
            axes.set_title("\n".join(_heading(target, name, panel)), size=9)
            axes.set_ylabel(next(iter(target["figure_units"].values())).split(",")[0])
            _scale(axes, panel)
        _legend(figure, rows)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
        return buffer.getvalue()


def _heading(target: Row, name: str, rows: list[Row]) -> list[str]:
    """Target and widths, then the multipliers that the variants take beside their logic."""
    counts: dict[str, list[str]] = {}
    for variant in dict.fromkeys(row["variant"] for row in rows):
        found = sorted({row["area"].get("dsp", 0) for row in _of(rows, variant=variant)})
        if found[-1]:
            text = " to ".join(f"{n}" for n in dict.fromkeys((found[0], found[-1])))
            counts.setdefault(text, []).append(variant)
    beside = [f"{', '.join(v)}: + {n} multiplier{'s' * (n != '1')}" for n, v in counts.items()]
    return [", ".join(filter(None, (target["title"], name))), "; ".join(beside)]


def _scale(axes: Axes, rows: list[Row]) -> None:
    """Areas from 0, or by their logarithm where they lie far apart, as plain numbers.

    The logic of a memory alone is next to nothing: it does not make the others lie far apart.
    """
    areas = [area_of(row) for row in rows]
    bare = [area_of(row) for row in rows if not any(row["area"].get(name) for name in MEMORIES)]
    axes.set_ylim(0, max([1.0, *areas]) * 1.12)
    if bare and min(areas) > 0 and max(areas) > 12 * min(bare):
        axes.set_yscale("log")
        axes.set_ylim(min(areas) / 1.3, max(areas) * 1.3)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))


def _of(rows: Iterable[Row], **values: Any) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def _series(rows: list[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """Rows of one variant, loadable or not, of one method, and what distinguishes them."""
    names = ("unit", "variant", "tables", "knots")
    for key in dict.fromkeys(tuple(row[name] for name in names) for row in rows):
        series = dict(zip(names, key, strict=True))
        yield series, _of(rows, **series)


def _style(series: Row) -> Row:
    variants = FAMILIES[series["unit"]].variants
    colour = COLOURS[variants.index(series["variant"]) % len(COLOURS)]
    face = "white" if series["tables"] == "loadable" else colour
    return {"color": colour, "mfc": face, "marker": MARKERS[series["knots"]], "ms": 5, "lw": 1}


def _scatter(axes: Axes, rows: list[Row], x: Callable[[Row], float], front: str) -> None:
    for series, part in _series(rows):
        style = _style(series) | {"ls": ""}
        axes.plot([x(r) for r in part], [area_of(r) for r in part], **style)
    for row in rows:
        _memories(axes, x(row), row)
    best = [row for row in rows if row[front]]
    ring = {"marker": "o", "ls": "", "ms": 10, "mfc": "none", "mec": INK, "mew": 0.9}
    axes.plot([x(r) for r in best], [area_of(r) for r in best], **ring)
    at = {"xytext": (0, -14), "textcoords": "offset points", "ha": "center", "size": 7.5}
    for row in best:
        axes.annotate(FAMILIES[row["unit"]].mark(row), (x(row), area_of(row)), **at)


def _memories(axes: Axes, x: float, row: Row, side: str = "left") -> None:
    """Says beside a point what the logic alone hides: the memories that it needs."""
    needs = [_counted(v, MEMORIES[n]) for n, v in row["area"].items() if n in MEMORIES and v]
    if needs:
        at = {"xytext": (7 if side == "left" else 0, 5), "textcoords": "offset points", "ha": side}
        axes.annotate("+ " + ", ".join(needs), (x, area_of(row)), size=7.5, color=MUTED, **at)


def _counted(count: int, noun: str) -> str:
    """2 bits of memory."""
    first, *rest = noun.split(" of ")
    return " of ".join([f"{count:,} {first}{'s' * (count != 1)}", *rest])


def _against_error(axes: Axes, rows: list[Row]) -> None:
    _scatter(axes, rows, itemgetter("worst_lsb"), "error_front")
    most = max([1, *(row["worst_lsb"] for row in rows)])
    ticks = [0, *(t for t in (1, 2, 4, 8, 16, 64, 256, 1024, 4096) if t <= 2 * most)]
    axes.set_xscale("symlog", base=2, linthresh=1)
    axes.set_xticks(ticks, map(str, ticks))
    axes.set_xlim(-0.3, 1.5 * most + 0.3)
    axes.set_xlabel("worst error, LSB")


def _against_bits(axes: Axes, rows: list[Row]) -> None:
    _scatter(axes, rows, itemgetter("bits_per_char"), "network_front")
    axes.set_xlabel("held-out bits per character")


def _against_size(axes: Axes, rows: list[Row]) -> None:
    """Exact units: area against what their family varies, both by their logarithms."""
    family = FAMILIES[rows[0]["unit"]]
    _scatter(axes, rows, family.x, "speed_front")
    ticks = sorted({family.x(row) for row in rows})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlim(ticks[0] / 1.3, ticks[-1] * 1.3)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(family.x_label)


def _against_pieces(axes: Axes, rows: list[Row]) -> None:
    for series, part in _series(rows):
        style = _style(series)
        if series["variant"] == "table":
            for row in part:
                line = ":" if series["tables"] == "loadable" else "--"
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
    for series, _ in _series(rows):
        loadable = "loadable" if series["tables"] == "loadable" else ""
        words = [series["variant"], loadable, series["knots"] or ""]
        style = _style(series) | {"ls": ""}
        handles += axes.plot([], [], label=" ".join(filter(None, words)), **style)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4))


KINDS: dict[str, tuple[Callable[[Axes, list[Row]], None], str, str]] = {
    "error": (
        _against_error,
        "worst_lsb",
        "area against worst error. Ringed, with pieces: on the front, of multipliers, memories too",
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
    "size": (
        _against_size,
        "interval",
        "area. Ringed: no other that does the same is as small and as fast",
    ),
}
