"""irnn_hw.recipes: files of runs that start from each other, and their results."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from golden.errors import InputError
from irnn_hw.qat.speech import SPEECH_NETWORKS
from irnn_hw.recipes.networks import WORD_NETWORKS, build
from irnn_hw.recipes.recipe import load_recipe, recipe_names
from irnn_hw.recipes.results import Result, load_results, results_file, save_result
from irnn_hw.recipes.tables import write_tables

TEXT = """
title = "small"
source = "none"
seeds = [1, 2]
[data]
corpus = "ptb"
batch = 4
window = 5
[network]
kind = "norm-lstm"
size = 8
dropout = 0.1
[schedule]
optimizer = "sgd"
[[runs]]
name = "float"
float_steps = 4
[[runs]]
name = "tables"
from = "float"
range_steps = 2
lut_steps = 3
[[runs]]
name = "{pieces} pieces, {method}"
each = { pieces = [4, 8], method = ["greedy", "optimal"] }
from = "tables"
pwl_steps = 2
network.dropout = 0.2
[paper]
batch = "20"
"""
RESULT = Result(
    "", "perplexity", {"valid": 2.0, "test": 3.0}, {}, {"float": [[4, 1.5, 2.0]]}, {"float": 4}, 0.5
)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(TEXT)
    return load_recipe(str(path))


def test_runs_are_written_out(recipe):
    assert list(recipe.runs) == [
        "float", "tables", "4 pieces, greedy", "4 pieces, optimal", "8 pieces, greedy",
        "8 pieces, optimal",
    ]  # fmt: skip
    run = recipe.runs["8 pieces, greedy"]
    assert run.start == "tables"
    assert run.network == {"kind": "norm-lstm", "size": 8, "dropout": 0.2}
    assert run.schedule == {"optimizer": "sgd", "pieces": 8, "method": "greedy", "pwl_steps": 2}
    assert [r.name for r in recipe.chain(run.name)] == ["float", "tables", run.name]
    assert [r.name for r in recipe.chosen(["tables"])] == ["float", "tables"]
    assert len(recipe.chosen([])) == 6


def test_settings_are_those_of_a_run_and_what_it_starts_from(recipe, tmp_path):
    digest = recipe.digest("tables", 1)
    assert recipe.digest("tables", 2) != digest != recipe.digest("float", 1)
    for old, new, same in (
        ("float_steps = 4", "float_steps = 5", False),
        ("batch = 4", "batch = 3", False),
        ("pwl_steps = 2", "pwl_steps = 3", True),
        ('batch = "20"', 'batch = "21"', True),
    ):
        path = tmp_path / "other.toml"
        path.write_text(TEXT.replace(old, new))
        assert (load_recipe(str(path)).digest("tables", 1) == digest) == same, old


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "small"', "", "title: missing; give it"),
        ("[paper]", "[papers]", "papers: no such part"),
        ('from = "tables"', 'from = "table"', "from 'table', which no run before it is"),
        ('name = "tables"', 'name = "float"', "two of the name 'float'"),
        ('corpus = "ptb"', "", "network.kind and data.corpus: give both"),
        ("seeds = [1, 2]", "seeds = [1, 2", r"small\.toml: .*line"),
    ],
)
def test_a_malformed_recipe_is_named(tmp_path, old, new, message):
    path = tmp_path / "small.toml"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(InputError, match=message):
        load_recipe(str(path))


def test_an_unknown_recipe_or_run_is_named(recipe):
    with pytest.raises(InputError, match=r"recipe 'none': unknown; choose .*ptb-layernorm"):
        load_recipe("none")
    with pytest.raises(InputError, match="run 'all': not in recipe small: float, tables"):
        recipe.chosen(["all"])


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_of_the_package_build_their_networks(name):
    recipe = load_recipe(name)
    builders = SPEECH_NETWORKS if recipe.data["corpus"] == "digits" else WORD_NETWORKS
    for run in recipe.runs.values():
        assert build(builders, 1, 50, **{**run.network, "size": 8}).outputs == ["logits"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "lstm"}, r"network\.kind: 'lstm'; choose norm-lstm"),
        ({"kind": "norm-lstm", "size": 8}, r"network\.dropout: missing; give it"),
        ({"kind": "norm-lstm", "rng": 8}, r"network\.rng: no such field; there are size"),
    ],
)
def test_a_wrong_field_of_a_network_is_named(fields, message):
    with pytest.raises(InputError, match=message):
        build(WORD_NETWORKS, 1, 50, **fields)


def test_results_are_kept_by_settings(recipe, tmp_path):
    settings = recipe.digest("float", 1)
    for run in ("tables", "float"):
        result = replace(RESULT, settings=recipe.digest(run, 1))
        save_result(tmp_path, recipe, 1, "abc", "irnn train", run, result)
    content = json.loads(results_file(tmp_path, "small", 1).read_text())
    assert list(content["runs"]) == ["float", "tables"]
    found = load_results(tmp_path, recipe)["float"]
    assert found.get(1) == replace(RESULT, settings=settings)
    assert found.get(2) is None
    run = replace(recipe.runs["float"], schedule={"float_steps": 5})
    changed = replace(recipe, runs={**recipe.runs, "float": run})
    assert load_results(tmp_path, changed)["float"] == {}
    for broken in ("{}", "[", '{"recipe": "small", "seed": 1, "runs": {"float": {}}}'):
        results_file(tmp_path, "small", 1).write_text(broken)
        with pytest.raises(InputError, match=r"no results of a recipe .*; delete it, and train"):
            load_results(tmp_path, recipe)


def test_the_page_shows_a_recipe(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text()
    (text,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "page.toml").write_text(text)
    recipe = load_recipe(str(tmp_path / "page.toml"))
    assert list(recipe.runs)[1:] == ["integers, 8 pieces", "integers, 32 pieces"]
    fields = recipe.runs["integers, 8 pieces"].network
    assert build(WORD_NETWORKS, 1, 50, **fields).outputs == ["logits"]


def test_tables_are_written_of_the_results_there_are(tmp_path):
    recipe = load_recipe("ptb-layernorm")
    names = ["first passes", "first passes, LayerNorm", "full precision", "8 pieces, greedy"]
    for seed, test in ((1, 100.0), (2, 102.0)):
        for name, factor in zip(names, (2, 2.04, 1, 1.01), strict=True):
            curve = {"float": [[10, 6.0, 200.0], [20, 5.0, 150.0], [30, 4.0, 120.0]]}
            scores = {"valid": test + 3, "test": test * factor}
            settings = recipe.digest(name, seed)
            real = {"valid": test, "test": test} if "pieces" in name else {}
            result = Result(settings, "perplexity", scores, real, curve, {"float": 30}, 60.0)
            save_result(tmp_path, recipe, seed, "", "", name, result)
    page, figure = write_tables(tmp_path, tmp_path / "tables.md")
    text = page.read_text()
    assert "| full precision | 2 | 104.00 ± 1.41 |  | 101.00 ± 1.41 |  |  |" in text
    row = "| 8 pieces, greedy | 2 | 104.00 ± 1.41 | +0.00 ± 0.00 | 102.01 ± 1.43 | +1.00 ± 0.00 |"
    assert row + " +1.00 ± 0.00 |" in text
    assert (
        "| first passes, LayerNorm | 2 | 104.00 ± 1.41 | +0.00 ± 0.00 | 206.04 ± 2.88 | +2.00"
        in text
    )
    assert "8 minutes of training" in text
    assert figure.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="no results of a recipe; train one with"):
        write_tables(tmp_path / "none", tmp_path / "tables.md")
