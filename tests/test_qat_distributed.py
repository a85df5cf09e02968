"""irnn_hw.qat.distributed: two processes of torchrun train as one does; this file is what they run,
too."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_recipe
import torch

from golden.errors import InputError
from golden.feed import Feed
from irnn_hw.qat import checkpoint
from irnn_hw.qat.config import Schedule
from irnn_hw.qat.distributed import Processes, joined, processes
from irnn_hw.qat.trainee import Window, language_task, train_network
from irnn_hw.recipes.networks import norm_lstm

COUNT = 2
CONFIG = Schedule(
    float_steps=40, range_steps=4, lut_steps=3, pwl_steps=5, weight_decay=0.01, float_rate=4e-2,
    averaging=0.5, compiled=False, checkpoint_every=4,
)  # fmt: skip


def task(batch=8, seed=3):
    symbols = np.random.default_rng(2).integers(0, 3, 1000).cumsum() % 12
    return language_task(norm_lstm(np.random.default_rng(seed), 12, 8, 0.2), symbols, batch, 6, "")


class StopTrainingError(Exception):
    """Stands for a killed process."""


def stop_at(*where):
    def progress(phase, step, steps, loss):
        if (phase, step) == where:
            raise StopTrainingError

    return progress


def refusal(*arguments) -> str:
    """What training says against them, in every process the same."""
    try:
        train_network(*arguments)
    except InputError as error:
        (text,) = set(processes().gathered(str(error)))
        return text
    return ""


def in_each(folder: Path) -> None:
    """What each process does; the first writes what came of it."""
    with joined() as among:
        rank, losses = among.rank, train_network(CONFIG, task(), folder / "whole").losses
        for where in (("float", 18), ("ranges", 2), ("pwl", 3)):
            try:
                train_network(CONFIG, task(), folder / "parts", stop_at(*where))
            except StopTrainingError:
                among.wait()
        found = {
            "count": among.count,
            "losses": losses,
            "resumed": train_network(CONFIG, task(), folder / "parts").losses,
            "odd batch": refusal(CONFIG, task(batch=9), folder / "odd"),
            "other weights": refusal(CONFIG, task(seed=rank), folder / "other"),
            "other count": refusal(CONFIG, task(), folder / "alone"),
            "widest": among.widest({"x": (-rank, 1.0), "y": (0.0, [math.nan, 2.0][rank])}),
        }
        assert all(other["losses"] == losses for other in among.gathered(found))
        if among.first:
            (folder / "found.json").write_text(json.dumps(found))
        os.chdir(folder)
        sys.argv[1:] = tiny_recipe.train("--json")
        tiny_recipe.main()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process gives on the whole batch, and the folder of its checkpoint."""
    folder = tmp_path_factory.mktemp("distributed")
    return folder, train_network(CONFIG, task(), folder / "alone").losses


@pytest.fixture(scope="module")
def together(alone):
    """What two give, and what they print."""
    folder, _ = alone
    tiny_recipe.write(folder)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, f"--nproc-per-node={COUNT}", __file__, folder],
        env=os.environ
        | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "IRNN_CACHE": tiny_recipe.CACHE},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text()), done


def test_two_processes_take_the_steps_of_one(alone, together):
    folder, losses = alone
    found, _ = together
    assert found["count"] == COUNT
    assert found["losses"]["float"] == pytest.approx(losses["float"], abs=1.1e-4)  # 4 decimals
    assert found["losses"]["pwl"] == pytest.approx(losses["pwl"], abs=0.01)  # a code may tip over
    assert np.mean(losses["float"][-3:]) < 0.9 * losses["float"][0]
    one, two = (checkpoint.load(folder / name) for name in ("alone", "whole"))
    for name, weights in one["float_weights"].items():
        assert torch.allclose(two["float_weights"][name], weights, atol=1e-4), name
    for name, ends in one["ranges"].items():
        assert two["ranges"][name] == pytest.approx(ends, rel=1e-4, abs=1e-5), name


def test_what_is_resumed_gives_the_same_numbers(alone, together):
    folder, _ = alone
    found, _ = together
    assert found["resumed"] == found["losses"]
    whole, parts = (checkpoint.load(folder / name) for name in ("whole", "parts"))
    for name, weights in whole["model"].items():
        assert torch.equal(parts["model"][name], weights)


def test_what_cannot_be_one_run_is_refused(together):
    found, _ = together
    assert found["odd batch"] == (
        "float phase: batch: 9 sequences do not divide among 2 processes; give a multiple of 2"
    )
    assert found["other weights"].startswith("processes: what they begin with and where differ; ")
    assert "alone: of another configuration (processes 1 there, 2 here); " in found["other count"]


def test_ranges_are_the_widest_and_show_what_is_not_finite(together):
    found, _ = together
    assert found["widest"]["x"] == [-1.0, 1.0]
    assert math.isnan(found["widest"]["y"][1])


def test_the_command_line_speaks_once(alone, together):
    folder, _ = alone
    _, done = together
    (tiny,) = (folder / "results").iterdir()
    content = json.loads(tiny.read_text())
    runs, command = content["runs"], content["command"]
    assert command == "torchrun --nproc-per-node 2 -m irnn_hw.cli train --recipe tiny.toml"
    scores = [{"seed": 1, "run": name, **run["scores"]} for name, run in runs.items()]
    assert json.loads(done.stdout)["scores"] == scores
    assert [row["run"] for row in scores] == ["float", "quantized"]
    assert done.stderr.count("seed 1, quantized: perplexity") == 1


def test_rows_of_a_window():
    feeds = {"text": Feed(np.arange(12).reshape(4, 3), {"v": np.ones((4, 3, 2))}, [3, 1, 2, 3])}
    window = Window(feeds, torch.arange(12).reshape(3, 4))
    part = window.part(Processes(1, 2))
    assert part.feeds["text"].tokens.tolist() == [[3, 4, 5], [9, 10, 11]]
    assert part.feeds["text"].inputs["v"].shape == (2, 3, 2)
    assert part.feeds["text"].lengths.tolist() == [1, 3]
    assert part.targets.tolist() == [[1, 3], [5, 7], [9, 11]]
    assert window.part(Processes()) is window
    with pytest.raises(InputError, match="batch: 4 sequences do not divide among 3 processes"):
        window.part(Processes(0, 3))
    with pytest.raises(InputError, match=r"^targets: no tensor \(T, batch, \.\.\.\) to divide"):
        replace(window, targets=["a", "b"]).part(Processes(1, 2))


if __name__ == "__main__":
    in_each(Path(sys.argv[1]))
