"""The paper's tables beside what the recipes gave: a page of Markdown, and a figure a recipe."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from golden.container import write_atomic
from golden.errors import InputError
from irnn_hw.recipes.recipe import Recipe, load_recipe, recipe_names
from irnn_hw.recipes.results import Result, load_results
from irnn_hw.report.figures import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, STYLE

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, INK, MUTED)
DPI = 150
VALID, TEST = "valid", "test"  # parts that each corpus has

Results = Mapping[str, Mapping[int, Result]]  # by run and seed


@dataclass(frozen=True)
class Row:
    """A run of a table. scores, changes: text by part of the corpus; changes are of a score from
    that of the run it is measured by, seed by seed. arithmetic: of the test part, from that of the
    same weights in real numbers."""

    run: str
    seeds: int
    scores: Mapping[str, str]
    changes: Mapping[str, str]
    arithmetic: str
    published: Mapping[str, str]


@dataclass(frozen=True)
class Setting:
    """A field of a recipe, here and in the paper."""

    name: str
    here: str
    paper: str


@dataclass(frozen=True)
class Chapter:
    """A recipe on the page. figure: the file's name."""

    recipe: Recipe
    metric: str
    unit: str  # of changes
    parts: Sequence[str]
    told: Sequence[str]  # parts of which the paper has figures
    rows: Sequence[Row]
    settings: Sequence[Setting]
    minutes: float
    figure: str


def write_tables(folder: Path, page: Path) -> list[Path]:
    """Write the page, and figures beside it, of all results in a folder; the files written.

    Raises InputError where there are none.
    """
    chapters, written = [], []
    for name in recipe_names():
        recipe = load_recipe(name)
        found = load_results(folder, recipe)
        results = {run: seeds for run, seeds in found.items() if seeds}
        if results:
            figure = page.with_name(f"{page.stem}-{name}.png")
            _draw(recipe, results, figure)
            written.append(figure)
            chapters.append(_chapter(recipe, results, figure.name))
    if not chapters:
        raise InputError(f"{folder}: no results of a recipe; train one with `irnn train --recipe`")
    environment = Environment(
        loader=PackageLoader("irnn_hw.recipes", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    write_atomic(page, environment.get_template("tables.md").render(chapters=chapters))
    return [page, *written]


def _chapter(recipe: Recipe, results: Results, figure: str) -> Chapter:
    metric, parts = _some(results).metric, list(_some(results).scores)
    rows = [_row(recipe, results, run, parts) for run in results]
    seconds = sum(r.seconds for seeds in results.values() for r in seeds.values())
    unit = "points" if _is_rate(metric) else "%"
    told = [part for part in parts if any(part in of for of in recipe.published.values())]
    settings, minutes = _settings(recipe), seconds / 60
    return Chapter(recipe, metric, unit, parts, told, rows, settings, minutes, figure)


def _some(results: Results) -> Result:
    """One of them: all have the same metric and parts."""
    return next(iter(next(iter(results.values())).values()))


def _row(recipe: Recipe, results: Results, run: str, parts: Sequence[str]) -> Row:
    of = results[run]
    origin = recipe.origin(run)
    scores, changes = {}, {}
    for part in parts:
        scores[part] = _spread([r.scores[part] for r in of.values()], 2)
        if origin != run:
            differences = [
                _change(r.metric, r.scores[part], results[origin][seed].scores[part])
                for seed, r in of.items()
                if seed in results.get(origin, {})
            ]
            changes[part] = _spread(differences, 2, "+") if differences else ""
    costs = [_change(r.metric, r.scores[TEST], r.real[TEST]) for r in of.values() if r.real]
    arithmetic = _spread(costs, 2, "+") if costs else ""
    return Row(run, len(of), scores, changes, arithmetic, recipe.published.get(run, {}))


def _change(metric: str, score: float, before: float) -> float:
    """In percent of a perplexity; in points of a rate, which is in percent itself."""
    return score - before if _is_rate(metric) else 100 * (score / before - 1)


def _is_rate(metric: str) -> bool:
    return metric.endswith("%")


def _spread(values: Sequence[float], digits: int, sign: str = "") -> str:
    """Mean and standard deviation."""
    text = f"{mean(values):{sign}.{digits}f}"
    return text if len(values) == 1 else f"{text} ± {stdev(values):.{digits}f}"


def _settings(recipe: Recipe) -> list[Setting]:
    """Fields that the paper tells, with what they are here."""
    here: dict[str, list[str]] = {}
    tables: list[Mapping[str, object]] = [recipe.data]
    tables += [table for run in recipe.runs.values() for table in (run.network, run.schedule)]
    for table in tables:
        for name, value in table.items():
            values = here.setdefault(name, [])
            if str(value) not in values:
                values.append(str(value))
    return [
        Setting(name.replace("_", " "), ", ".join(here.get(name, ["-"])), text)
        for name, text in recipe.paper.items()
    ]


def _draw(recipe: Recipe, results: Results, path: Path) -> None:
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 1.2 + 0.28 * max(9, len(results))), layout="constrained")
        curves, scores = figure.subplots(1, 2)
        _draw_curves(curves, recipe, results)
        _draw_scores(scores, recipe, results)
        figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _points(result: Result) -> Iterator[tuple[float, float]]:
    """Steps of the run so far, and score."""
    before = 0
    for phase, steps in result.steps.items():
        for step, _, score in result.curve.get(phase, ()):
            yield before + step, score
        before += steps


def _draw_curves(axes: Axes, recipe: Recipe, results: Results) -> None:
    """Validation scores of the runs that start from random weights."""
    firsts = [run for run in results if recipe.runs[run].start is None]
    for run, colour in zip(firsts, COLOURS, strict=False):
        for n, result in enumerate(results[run].values()):
            points = list(_points(result))[1:]  # the first is far above all others
            label = run if n == 0 else None
            axes.plot(*zip(*points, strict=True), color=colour, lw=1.2, label=label)
    axes.set_xlabel("training step")
    axes.set_ylabel(f"{_some(results).metric}, {VALID}")
    if firsts:
        axes.legend()


def _draw_scores(axes: Axes, recipe: Recipe, results: Results) -> None:
    """Scores of the test part, a point a seed and a bar for their mean."""
    runs = list(results)[::-1]
    for y, run in enumerate(runs):
        values = [r.scores[TEST] for r in results[run].values()]
        axes.plot(values, [y] * len(values), "o", color=BLUE, ms=4, mec="white", mew=0.6)
        if len(values) > 1:
            axes.plot([mean(values)], [y], "|", color=ORANGE, ms=14, mew=2)
    axes.set_yticks(range(len(runs)), runs)
    axes.set_xlabel(f"{_some(results).metric}, {TEST}")
    axes.grid(axis="y", visible=False)
