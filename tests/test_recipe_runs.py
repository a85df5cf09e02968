"""`irnn train --recipe`: killed and called again, it gives what it would have given; bad input ends
in one line and exit code 2, and the last good checkpoint stays."""

import json
import os
import resource
import signal
import subprocess
import sys
from errno import ENOSPC
from pathlib import Path

import killed_runs
import pytest
import tiny_recipe
import torch
from tiny_recipe import RECIPE

from golden import zoo
from irnn_hw import files
from irnn_hw.data import words
from irnn_hw.qat import checkpoint, phases

KILLED = -signal.SIGKILL
FLOAT, QUANTIZED = (Path("run") / "1" / f"{name}.pt" for name in ("float", "quantized"))


def results(folder: Path) -> dict:
    """All but the seconds."""
    content = json.loads((folder / "results" / "tiny-1.json").read_text())
    for run in content["runs"].values():
        del run["seconds"]
    return content


def run_killed(folder: Path, recipe: str, seed: int) -> list[list[str]]:
    """The lines of `killed_runs`."""
    for part in (killed_runs.WHOLE, killed_runs.PARTS):
        tiny_recipe.write(folder / part, recipe)
    done = subprocess.run(
        [sys.executable, killed_runs.__file__, folder, str(seed)],
        env=os.environ | {"IRNN_CACHE": tiny_recipe.CACHE},
        capture_output=True,
        text=True,
        check=True,
    )
    ends = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    return [end for end in ends if end[0] in ("undisturbed", "in a write", "at any time")]


def check_killed(folder: Path, ends: list[list[str]], least: int) -> None:
    assert ends[0] == ["undisturbed", "0"]
    *killed, last = ends[1:]
    assert last[1] == "0"
    assert {code for _, code in killed} == {str(KILLED)}
    assert (
        min([how for how, _ in killed].count(how) for how in ("in a write", "at any time")) >= least
    )
    whole, parts = (folder / part for part in (killed_runs.WHOLE, killed_runs.PARTS))
    assert results(whole) == results(parts)
    for path in (FLOAT, QUANTIZED):
        one, two = (checkpoint.load(of / path)["model"] for of in (whole, parts))
        assert all(torch.equal(two[name], weights) for name, weights in one.items())


def test_a_run_that_is_killed_goes_on_to_the_same_results(tmp_path):
    check_killed(tmp_path, run_killed(tmp_path, RECIPE, 1), 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_longer_runs_that_are_killed_go_on_to_the_same_results(tmp_path, seed):
    longer = RECIPE.replace("epochs = 1", "epochs = 12").replace("pwl_steps = 9", "pwl_steps = 60")
    check_killed(tmp_path, run_killed(tmp_path, longer, seed), 4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The tiny recipe and its corpus, in the folder where commands run."""
    tiny_recipe.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IRNN_CACHE", tiny_recipe.CACHE)
    for name, source in tiny_recipe.sources().items():
        monkeypatch.setitem(words.SOURCES, name, source)
    handler = signal.getsignal(signal.SIGINT)
    yield tmp_path
    signal.signal(signal.SIGINT, handler)


def train(monkeypatch, *options: str) -> int:
    """The exit code of the command."""
    monkeypatch.setattr(sys, "argv", ["irnn", *tiny_recipe.train(*options)])
    with pytest.raises(SystemExit) as end:
        tiny_recipe.main()
    return end.value.code


@pytest.fixture
def refused(folder, monkeypatch, capsys):
    """What the command says against the recipe when parts of its text are replaced."""

    def error(*replaced: tuple[str, str], options=()) -> str:
        text = RECIPE
        for old, new in replaced:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (folder / "tiny.toml").write_text(text)
        assert train(monkeypatch, *options) == 2
        said = capsys.readouterr().err
        assert "Traceback" not in said
        assert said.count("error: ") == 1
        *_, last = said.splitlines()
        return last.removeprefix("error: ")

    return error


@pytest.fixture
def once(folder, monkeypatch):
    """The first run is trained, and not the one that starts from it."""
    assert train(monkeypatch, "--run", "float") == 0
    return folder


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("float_epochs = 1", 'float_epochs = "x"', "float_epochs: 'x'; give a finite number"),
        ("float_epochs = 1", "float_epochs = inf", "float_epochs: inf; give a finite number"),
        ("float_epochs = 1", "float_epochs = -1", "float_steps: -22 is too small"),
        ("float_epochs = 1", "float_step = 1", "no field float_step of a schedule; there are "),
        ("float_epochs = 1", "float_steps = 2.5", "float_steps: 2.5; give a whole number"),
        ("float_rate = 1e-2", 'clip = "1"', "clip: '1'; give a finite number"),
        ("float_rate = 1e-2", "compiled = 1", "compiled: 1; give true or false"),
        ("float_rate = 1e-2", "seed = 1", "no field seed of a schedule"),
        ("checkpoint_every = 3", "checkpoint_every = 0", "checkpoint_every: 0 is too small"),
        ("seeds = [1]", "seeds = 1", "recipe tiny.toml: seeds: 1; give a list"),
        ("seeds = [1]", 'seeds = [1, "2"]', "seeds: '2'; give a whole number"),
        ("seeds = [1]", "seeds = [-1]", "seed: -1 is too small"),
        ("seeds = [1]", "seeds = [1", "recipe tiny.toml: Unclosed array (at line 5"),
        ('title = "tiny"', "title = 1", "title: 1; give a text"),
        ('[[runs]]\nname = "float"', '[runs]\nname = "float"', "recipe tiny.toml: "),
        ('name = "float"', "name = 1", "runs: name: 1; give a text"),
        ('name = "float"', 'name = "../float"', "run '../float': no name of a file"),
        ('name = "float"', 'name = "{pieces}"', "run '{pieces}': name in {} fields of each: none"),
        ('name = "float"', 'name = "a"\neach = 1', "runs: each: 1; give a table"),
        ('name = "float"', 'name = "a"\neach.pieces = 4', "runs: each.pieces: 4; give a list"),
        ('from = "float"', 'from = "other"', "from 'other', which no run before it is"),
        ('corpus = "ptb"', 'corpus = "tpb"', "data.corpus: 'tpb'; choose ptb, "),
        ('corpus = "ptb"', 'corpus = ["ptb"]', "data.corpus: ['ptb']; give a text"),
        ("batch = 4", "batch = 4.0", "data.batch: 4.0; give a whole number"),
        ("batch = 4", "batch = 0", "corpus ptb: 0 streams of 5; give positive numbers"),
        ("batch = 4", "batch = 400", "do not fill 400 streams of 5; give a longer text"),
        ("window = 5", "windows = 5", "data.windows: no such field; there are corpus, batch, "),
        ("size = 8", 'size = "8"', "network.size: '8'; give a whole number"),
        ("size = 8", "size = 0", "recipe tiny, run 'float': no network (ZeroDivisionError("),
        ("dropout = 0.2", "dropout = 1", "x.dropped: a dropout rate of 1; give one in 0..1"),
        ("pieces = 4", "network.size = -1", "recipe tiny, run 'quantized': no network ("),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_before_anything_is_trained(
    refused, folder, old, new, says
):
    assert says in refused((old, new))
    assert not (folder / "run").exists()


def test_a_corpus_that_is_not_the_published_one_is_refused(refused, folder):
    (folder / "test.txt").write_bytes(b"\xff")
    assert refused() == "corpus ptb: test.txt is not the file of nowhere"
    (folder / "test.txt").unlink()
    assert refused() == "corpus ptb: test.txt is missing; take it from nowhere"
    (folder / "tiny.toml").write_bytes(b"\xff")


def test_a_recipe_that_is_no_text_is_refused(folder, monkeypatch, capsys):
    (folder / "tiny.toml").write_bytes(b"title = '\xff'")
    assert train(monkeypatch) == 2
    assert capsys.readouterr().err == "\nerror: recipe tiny.toml: not UTF-8 at byte 9; convert it\n"


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("batch = 4", "batch = 5", "data.batch 4 there, 5 here"),
        ("size = 8", "size = 9", "network.size 8 there, 9 here"),
        ("dropout = 0.2", "dropout = 0.1", "network.dropout 0.2 there, 0.1 here"),
        ("dropout = 0.2", 'dropout = 0.2\nnorm = "layer"', "(network.norm none there, layer here)"),
        ("float_rate = 1e-2", "float_rate = 2e-2", "float_rate 0.01 there, 0.02 here"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(once, refused, old, new, difference):
    before = (once / FLOAT).read_bytes()
    said = refused((old, new))
    assert said.startswith(f"{FLOAT}: of another configuration (")
    assert difference in said
    assert said.endswith("; name another file or --folder, or delete this one")
    assert (once / FLOAT).read_bytes() == before
    assert [p.name for p in (once / FLOAT).parent.iterdir()] == ["float.pt"]


def test_a_checkpoint_that_another_run_has_started_is_refused(folder, refused, monkeypatch):
    assert train(monkeypatch) == 0
    says = f"{QUANTIZED}: of another start; name another file or --folder, or delete this one"
    assert refused(('from = "float"', "")) == says


def test_two_processes_do_not_train_one_seed(once, refused):
    """The other one has started a checkpoint, and may be in the midst of writing it."""
    with files.reserved(once / "run" / "1"):
        says = f"{FLOAT.parent}: another process trains there; let it end, or name another folder"
        assert refused() == says
        assert [p.name for p in (once / FLOAT).parent.iterdir()] == ["float.pt"]


@pytest.mark.parametrize("where", ["run", "results"])
def test_a_file_where_a_folder_should_be_is_refused(folder, refused, where):
    (folder / where).write_text("kept")
    said = refused(options=["--run", "float"])
    assert said.startswith({"run": "run/1: cannot train there: Not a directory; name",
                            "results": "results/tiny-1.json: cannot write: "}[where])  # fmt: skip
    assert (folder / where).read_text() == "kept"


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"?" + data])
def test_a_damaged_checkpoint_is_refused(once, refused, damage):
    (once / QUANTIZED).write_bytes(damage((once / FLOAT).read_bytes()))
    assert refused() == f"{QUANTIZED}: altered, truncated or not a checkpoint; train again"


def test_a_file_of_another_kind_is_no_checkpoint(once, refused):
    """An integer model ends with its digest, too."""
    zoo.lstm(1, 7, 8, 8).save(once / QUANTIZED)
    assert refused() == f"{QUANTIZED}: not a checkpoint; train again"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("lut_rate = 1e37", "lut phase: lstm.px: multiplier "),
        (
            "float_steps = 6\nfloat_rate = 1e30",
            "float phase: the loss is not finite; lower the rate",
        ),
        (
            "float_steps = 1\nfloat_rate = 1e38",
            "weights: x.table is not finite; lower the rate",
        ),
        ("float_steps = 1\nfloat_rate = 1e30", "ranges phase: "),
    ],
)
def test_numbers_that_are_not_finite_end_a_run(once, refused, given, says):
    before = (once / FLOAT).read_bytes()
    assert says in refused(("pieces = 4", given))
    assert (once / FLOAT).read_bytes() == before
    if (once / QUANTIZED).exists():  # before it went wrong
        weights = checkpoint.load(once / QUANTIZED)["model"].values()
        assert all(array.isfinite().all() for array in weights)


def test_a_range_that_is_empty_ends_a_run(once, refused):
    """Weight decay at a rate of 1 leaves zeros alone."""
    given = "float_steps = 1\nfloat_rate = 1\noptimizer = 'sgd'\nweight_decay = 1.0\nclip = 1e-46"
    assert "range: [0.0, 0.0] is empty; gather ranges on" in refused(("pieces = 4", given))


def test_a_score_that_is_not_finite_is_no_result(folder, refused):
    given = "float_steps = 1\nfloat_rate = 1e30"
    text = "the perplexity of valid is inf; lower the rate"
    assert text in refused(("float_epochs = 1", given), ("float_rate = 1e-2", ""))
    assert not (folder / "results").exists()


@pytest.fixture
def limited(folder):
    """The command where a file may have so many bytes: more are refused as on a full disk."""

    def run(size: int) -> str:
        done = subprocess.run(
            [sys.executable, tiny_recipe.__file__, *tiny_recipe.train("--run", "float")],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        *_, said = done.stderr.splitlines()
        return said

    return run


def test_a_full_disk_leaves_the_last_checkpoint_whole(folder, limited, monkeypatch):
    sizes = []

    def saved(path, content):
        save(path, content)
        sizes.append(path.stat().st_size)

    save = checkpoint.save
    tiny_recipe.write(folder, RECIPE.replace("[schedule]", "[schedule]\ncompiled = false"))
    monkeypatch.setattr(phases.checkpoint, "save", saved)
    assert train(monkeypatch, "--run", "float") == 0
    expected = results(folder)
    os.rename("run", "whole")
    (folder / "results" / "tiny-1.json").unlink()
    assert sizes[0] < sizes[1]
    assert limited(sizes[0]).endswith(f"{FLOAT}: cannot write the checkpoint: File too large")
    assert [p.name for p in (folder / FLOAT).parent.iterdir()] == ["float.pt"]
    assert checkpoint.load(folder / FLOAT)["step"] == 3
    assert train(monkeypatch, "--run", "float") == 0
    assert results(folder) == expected


def test_a_full_disk_takes_no_results(once, monkeypatch, capsys):
    text = (once / "results" / "tiny-1.json").read_text()

    def full(path, data):
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    monkeypatch.setattr(files, "write_atomic", full)
    assert train(monkeypatch) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last == "error: results/tiny-1.json: cannot write: No space left on device"
    assert (once / "results" / "tiny-1.json").read_text() == text
