"""Recipes: TOML files that say what a table of the paper needs: a corpus, a network, and runs of
training that start from each other.

    title = "..."                    # and `source`, the paper's table; `note`, below ours
    reference = "float"              # the run that others are measured by; else each one's first;
                                     # of [[runs]], too
    seeds = [1, 2, 3]
    [data]                           # corpus, and how it is read
    [network]                        # kind, and what `irnn_hw.recipes.networks` builds it from
    [schedule]                       # fields of `irnn_hw.qat.config.Schedule`; PHASE_epochs: steps
    [[runs]]                         # name, and what is different in it
    name = "PWL {pieces}, {method}"  # one run for each combination of
    each = { pieces = [8, 16], method = ["greedy", "optimal"] }
    from = "quantized"               # weights and ranges it starts from; else at random
    network.dropout = 0.1            # fields of [network]; all others are of [schedule]
    [paper]                          # the paper's setting of any of these fields, as text
    [published."8 pieces, greedy"]   # the paper's figures of a run, by part of the corpus
"""

import hashlib
import json
import math
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any

from golden.container import read_bytes
from golden.errors import InputError

PARTS = {
    "title": str, "source": str, "seeds": list, "data": dict, "network": dict, "schedule": dict,
    "runs": list, "paper": dict, "published": dict, "reference": str, "note": str,
}  # fmt: skip
RUN = {"name": str, "from": str, "reference": str, "each": dict, "network": dict}
NEEDED = ("title", "source", "seeds", "data", "network", "runs")
SUFFIX = ".toml"
TYPES: Mapping[Any, str] = {
    str: "a text", int: "a whole number", float: "a finite number", bool: "true or false",
    dict: "a table", list: "a list",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One training of a recipe. start: name of the run it starts from; None: random weights.
    reference: that it is measured by; None: the recipe's."""

    name: str
    start: str | None
    reference: str | None
    network: Mapping[str, Any]
    schedule: Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """name: that of the file. runs: each after the one it starts from. paper: its settings.
    published: its figures, by run and part of the corpus. reference: the run that others are
    measured by; None: each by the first of those it starts from. note: Markdown, on the results."""

    name: str
    title: str
    source: str
    seeds: Sequence[int]
    data: Mapping[str, Any]
    runs: Mapping[str, Run]
    paper: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    reference: str | None = None
    note: str = ""

    def digest(self, run: str, seed: int) -> str:
        """SHA-256 of all that decides the numbers of a run, beside the corpus and the code."""
        chain = [[r.network, r.schedule] for r in self.chain(run)]
        content = json.dumps([self.data, chain, seed], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def chain(self, run: str) -> list[Run]:
        """A run, and before it those that it starts from."""
        last = self.runs[run]
        return [last] if last.start is None else [*self.chain(last.start), last]

    def origin(self, run: str) -> str:
        """The run that this one is measured by; itself, where by none."""
        return self.runs[run].reference or self.reference or self.chain(run)[0].name

    def chosen(self, names: Sequence[str]) -> list[Run]:
        """Runs of these names, or all, and what they start from, in order.

        Raises InputError for a name that there is not."""
        for name in names:
            if name not in self.runs:
                raise InputError(f"run {name!r}: not in recipe {self.name}: {', '.join(self.runs)}")
        needed = {r.name for name in names or self.runs for r in self.chain(name)}
        return [run for run in self.runs.values() if run.name in needed]


def check_fields(
    part: str, builder: Callable[..., Any], fields: Mapping[str, Any], given: Collection[str]
) -> None:
    """That the fields of a part of a recipe are parameters of what is built from them; those that
    are `given` come from elsewhere. Raises InputError for one that is unknown, missing, or of
    another type."""
    known = {n: p for n, p in signature(builder).parameters.items() if n not in given}
    for name in fields.keys() - known.keys():
        raise InputError(f"{part}.{name}: no such field; there are {', '.join(known)}")
    for name, p in known.items():
        if name in fields:
            check_type(f"{part}.{name}", fields[name], p.annotation)
        elif p.default is p.empty:
            raise InputError(f"{part}.{name}: missing; give it")


def check_type(name: str, value: Any, kind: Any) -> None:
    """Raises InputError for a value that is not of this type, where that is one of TYPES. A whole
    number is a real one, too; those are finite."""
    fits = type(value) is kind or (kind is float and type(value) is int)
    if kind in TYPES and (not fits or (kind is float and not math.isfinite(value))):
        raise InputError(f"{name}: {value!r}; give {TYPES[kind]}")


def recipe_names() -> list[str]:
    """Of the recipes that come with the package."""
    return sorted(
        path.name.removesuffix(SUFFIX)
        for path in files(__package__).iterdir()
        if path.name.endswith(SUFFIX)
    )


def load_recipe(name: str) -> Recipe:
    """A recipe by its name, or by the path of a TOML file.

    Raises InputError for an unknown name, and for a file that is none, naming the field.
    """
    if name in recipe_names():
        text = files(__package__).joinpath(name + SUFFIX).read_text("utf-8")
    elif name.endswith(SUFFIX):
        text = _decoded(name)
    else:
        raise InputError(
            f"recipe {name!r}: unknown; choose {', '.join(recipe_names())}, or name a .toml file"
        )
    try:
        return _recipe(Path(name).name.removesuffix(SUFFIX), tomllib.loads(text))
    except (tomllib.TOMLDecodeError, InputError) as error:
        raise InputError(f"recipe {name}: {error}") from error


def _decoded(name: str) -> str:
    try:
        return read_bytes(Path(name), "recipe").decode()
    except UnicodeDecodeError as error:
        raise InputError(f"recipe {name}: not UTF-8 at byte {error.start}; convert it") from error


def _recipe(name: str, content: Mapping[str, Any]) -> Recipe:
    for key in content.keys() - PARTS.keys():
        raise InputError(f"{key}: no such part; there are {', '.join(sorted(PARTS))}")
    for key in NEEDED:
        if not content.get(key):
            raise InputError(f"{key}: missing; give it")
    for key, value in content.items():
        check_type(key, value, PARTS[key])
    for seed in content["seeds"]:
        check_type("seeds", seed, int)
    if "kind" not in content["network"] or "corpus" not in content["data"]:
        raise InputError("network.kind and data.corpus: give both")
    runs: dict[str, Run] = {}
    for table in content["runs"]:
        for run in _runs(table, content["network"], content.get("schedule", {})):
            if run.name in runs:
                raise InputError(f"runs: there are two of the name {run.name!r}")
            if run.start is not None and run.start not in runs:
                raise InputError(f"run {run.name!r}: from {run.start!r}, which no run before it is")
            runs[run.name] = run
    reference = content.get("reference")
    for named in {reference, *(run.reference for run in runs.values())} - {None, *runs}:
        raise InputError(f"reference: {named!r} is no run")
    published = content.get("published", {})
    for key in published.keys() - runs.keys():
        raise InputError(f"published: {key!r} is no run")
    fixed = (content[key] for key in ("title", "source", "seeds", "data"))
    note = content.get("note", "")
    return Recipe(name, *fixed, runs, content.get("paper", {}), published, reference, note)


def _runs(
    table: Mapping[str, Any], network: Mapping[str, Any], schedule: Mapping[str, Any]
) -> Iterator[Run]:
    """Those of one [[runs]]: one, or one for each combination of `each`."""
    check_type("runs", table, dict)
    if "name" not in table:
        raise InputError("runs: one has no name; give it")
    for key, kind in RUN.items():
        if key in table:
            check_type(f"runs: {key}", table[key], kind)
    kept = {k: v for k, v in table.items() if k not in RUN}
    each: Mapping[str, Sequence[Any]] = table.get("each", {})
    for field_name, choices in each.items():
        check_type(f"runs: each.{field_name}", choices, list)
    for values in product(*each.values()):
        varied = dict(zip(each, values, strict=True))
        yield Run(
            _named(table["name"], varied),
            table.get("from"),
            table.get("reference"),
            {**network, **table.get("network", {})},
            {**schedule, **kept, **varied},
        )


def _named(pattern: str, varied: Mapping[str, Any]) -> str:
    """The name of a run, and of the file of its checkpoint."""
    try:
        name = pattern.format(**varied)
    except (LookupError, ValueError, AttributeError) as error:
        names = ", ".join(varied) or "none"
        raise InputError(f"run {pattern!r}: name in {{}} fields of each: {names}") from error
    if Path(name).name != name or not name.isprintable() or name.startswith("."):
        raise InputError(f"run {name!r}: no name of a file; give one without / or a dot before it")
    return name
