"""A word model of a recipe from the command line: trained, exported, verified, run."""

import json

import pytest
import tiny_recipe
from typer.testing import CliRunner

from golden.errors import InputError
from golden.model import IntModel
from irnn_hw.cli import app
from irnn_hw.data import words
from irnn_hw.held_out import word_chunks

TESTED = 371  # words of the test part: 41 lines of 8 words, one of 2, and their ends
CHECKPOINT = "run/1/quantized.pt"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("IRNN_CACHE", tiny_recipe.CACHE)
        patch.setattr(words, "SOURCES", tiny_recipe.sources())
        tiny_recipe.write(folder)
        irnn(*tiny_recipe.train())
        irnn("export", CHECKPOINT, "-o", "tiny.irnn")
        yield folder


def irnn(*arguments: str) -> dict:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in arguments else {}


def test_every_logit_of_the_test_part_is_verified(folder):
    figures = irnn("verify", "--model", "tiny.irnn", "--checkpoint", CHECKPOINT, "--data", ".",
                   "--json")  # fmt: skip
    symbols = len(IntModel.load(folder / "tiny.irnn").metadata["vocabulary"])
    assert figures["values_compared"] == (TESTED - 1) // 20 * 20 * symbols
    assert figures["values_differing"] == 0


def test_its_perplexity_is_that_of_training(folder):
    figures = irnn("run", "tiny.irnn", "--data", ".", "--json")
    runs = json.loads((folder / "results" / "tiny-1.json").read_text())["runs"]
    scores, real = runs["quantized"]["scores"], runs["quantized"]["real"]
    assert runs["float"]["real"] == {}
    assert 0 < abs(real["test"] - scores["test"]) < 0.1 * scores["test"]
    assert figures["words"] == (TESTED - 1) // 20 * 20
    # Streams are cut elsewhere: 20 of them here, 10 there.
    assert figures["perplexity_int"] == pytest.approx(scores["test"], rel=0.03)


def test_another_corpus_is_refused(folder, monkeypatch):
    model = IntModel.load(folder / "tiny.irnn")
    model.metadata["corpus_sha256"] = "0"
    with pytest.raises(InputError, match="ptb: not the one that the model was trained on"):
        word_chunks(model, folder)


@pytest.mark.parametrize(
    "option", [("--prompt", "the"), ("--checkpoint", CHECKPOINT), ("--stats",)]
)
def test_what_is_for_characters_is_refused(folder, option):
    with pytest.raises(
        InputError,
        match=rf"^{option[0]}: for models of characters, and tiny\.irnn is one of word-lm",
    ):
        irnn("run", "tiny.irnn", "--data", ".", *option)
