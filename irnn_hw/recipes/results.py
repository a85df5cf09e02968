"""What runs of recipes gave, as JSON: a file a recipe and seed, so that seeds may run at once."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from golden.container import read_bytes, reading
from irnn_hw.files import write_json
from irnn_hw.recipes.recipe import Recipe


@dataclass(frozen=True)
class Result:
    """Of one run. settings: `Recipe.digest`. metric: what scores are, lower is better; that of a
    rate ends with %. scores: by part of the corpus. real: those of the same weights in real
    numbers, of a run on codes. curve: steps done, loss in nats since the last point, and score of
    the validation part. seconds: of training, with those scores."""

    settings: str
    metric: str
    scores: Mapping[str, float]
    real: Mapping[str, float]
    curve: Mapping[str, list[list[float]]]
    steps: Mapping[str, int]
    seconds: float


def results_file(folder: Path, recipe: str, seed: int) -> Path:
    return folder / f"{recipe}-{seed}.json"


def save_result(
    folder: Path, recipe: Recipe, seed: int, corpus: str, command: str, run: str, result: Result
) -> None:
    """Add the result of a run to the file of its recipe and seed. corpus: its SHA-256."""
    path = results_file(folder, recipe.name, seed)
    before = _read(path)["runs"] if path.exists() else {}
    results = {**before, run: asdict(result)}
    content = {
        "recipe": recipe.name,
        "title": recipe.title,
        "seed": seed,
        "corpus_sha256": corpus,
        "command": command,
        "runs": {name: results[name] for name in recipe.runs if name in results},
    }
    write_json(path, content)


def load_results(folder: Path, recipe: Recipe) -> dict[str, dict[int, Result]]:
    """By run and seed, of those whose settings are the recipe's still.

    Raises InputError for a file that is not one of results."""
    found: dict[str, dict[int, Result]] = {name: {} for name in recipe.runs}
    for seed, content in _files(folder, recipe):
        for name, fields in content["runs"].items():
            if name in recipe.runs and fields["settings"] == recipe.digest(name, seed):
                found[name][seed] = _result(fields)
    return found


def _files(folder: Path, recipe: Recipe) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for path in sorted(folder.glob(f"{recipe.name}-*.json")):
        content = _read(path)
        if content["recipe"] == recipe.name:
            yield content["seed"], content


def _read(path: Path) -> Mapping[str, Any]:
    with reading(str(path), "no results of a recipe", "delete it, and train again"):
        content: Mapping[str, Any] = json.loads(read_bytes(path, "results"))
        if not {"recipe", "seed"} <= content.keys():
            raise ValueError("recipe, seed and runs expected")
        for fields in content["runs"].values():
            _result(fields)
    return content


def _result(fields: Mapping[str, Any]) -> Result:
    return Result(**fields)
