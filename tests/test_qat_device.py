"""Training on a device that is not the CPU (tests/island.py): the same numbers; this file is what
processes with that device run, too."""

import json
import os
import subprocess
import sys
from contextlib import redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import tiny_recipe
import torch
from networks import NETWORKS
from qat_networks import live, made

from golden.errors import InputError
from golden.executor import Executor
from golden.feed import Feed
from golden.linear import MatVecSpec
from irnn_hw.qat import checkpoint
from irnn_hw.qat.compiled import available
from irnn_hw.qat.config import Schedule
from irnn_hw.qat.distributed import joined
from irnn_hw.qat.export import export_model
from irnn_hw.qat.integer import integer
from irnn_hw.qat.language import perplexity
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.real import Reals, observe
from irnn_hw.qat.restored import restore
from irnn_hw.qat.speech import decode
from irnn_hw.qat.trainee import language_task, train_network
from irnn_hw.qat.twins import exact
from irnn_hw.qat.verify import compare_with_module
from irnn_hw.quant.quantize import Choices
from irnn_hw.recipes.networks import norm_lstm

CONFIG = Schedule(
    float_steps=4, range_steps=2, lut_steps=3, pwl_steps=3, pieces=4, averaging=0.5,
    float_rate=4e-2, compiled=False, checkpoint_every=2,
)  # fmt: skip
STEPS = 5
# Between them, every operation.
KINDS = [
    ("LSTM, a multiplier a row", "pwl"), ("LSTM, a multiplier a row", "wide"),
    ("LSTM, 16-bit gates and cell", "tables"),
    ("MadNorm LSTM, norms of each gate", "pwl"), ("GRU", "tables"),
    ("Mogrifier, mixture of softmaxes", "pwl"), ("encoder-decoder", "pwl"),
]  # fmt: skip
RECIPE = tiny_recipe.RECIPE.replace("float_epochs = 1", "float_epochs = 0.1").replace(
    "pwl_steps = 9", "pwl_steps = 2"
)
SYMBOLS = np.random.default_rng(2).integers(0, 3, 400).cumsum() % 12


def task():
    return language_task(norm_lstm(np.random.default_rng(3), 12, 8, 0.2), SYMBOLS, 8, 6, "")


class StopTrainingError(Exception):
    """Stands for a killed process."""


def interrupt(path, *where):
    def progress(phase, step, steps, loss):
        if (phase, step) == where:
            raise StopTrainingError

    with pytest.raises(StopTrainingError):
        train_network(CONFIG, task(), path, progress)


def evaluated(path):
    """Values of every tensor that differ from golden's, of those compared; perplexity."""
    feeds = [{"text": Feed(SYMBOLS[:96].reshape(4, 24))}] * 2
    counts = compare_with_module(export_model(path), path, feeds, every=True)
    now = restore(path, "pwl").integer()
    found = perplexity(
        lambda feed, states: now.run({"text": now.feed(feed)}, states), now.unit("logits"), SYMBOLS
    )
    return [sum(n) for n in zip(*counts.values(), strict=True)], found


def short(feed):
    """Some steps of two sequences."""
    inputs = {name: x[:2, :STEPS] for name, x in feed.inputs.items()}
    tokens = None if feed.tokens is None else feed.tokens[:2, :STEPS]
    return Feed(tokens, inputs, None if feed.lengths is None else np.array([STEPS - 2, STEPS]))


def computed(name, kind):
    """Of a network: what it decodes; ranges; codes of its outputs, and whether they are golden's;
    gradients of the masters."""
    _, feeds, ranges, pwls = made(name)
    feeds, masters = {key: short(f) for key, f in feeds.items()}, Masters(NETWORKS[name]()[0])
    reals = Reals(masters)
    seen, _ = observe(masters, {key: reals.feed(feed) for key, feed in feeds.items()})
    decoded = decode(reals, feeds["speech"], 3) if "speech" in feeds else []
    if kind == "tables":  # attention has PWL alone
        pwls = {key: spec for key, spec in pwls.items() if key.startswith("context.")}
    width = 24 if kind == "wide" else 16  # of multipliers
    now = integer(masters, ranges, Choices({"": None}, multiplier_width=width), activations=pwls)
    traces = now.run({key: now.feed(feed) for key, feed in feeds.items()}).traces
    model, fed = now.taken.model, {key: now.taken.feed(feed) for key, feed in feeds.items()}
    golden, same = Executor(model, 2, masters.template.outputs).run(fed), True
    for n, expected in golden.items():
        counted = live(model, n, feeds, expected.shape)
        same &= np.array_equal(now.twin.codes(n, traces[n])[counted], expected[counted])
    sum((traces[n].float() * now.unit(n)).sigmoid().sum() for n in golden).backward()
    gradients = {key: p.grad.cpu().tolist() for key, p in masters.items()}
    return same, decoded, seen, gradients


def differing(kinds):
    """Networks whose codes are not golden's, or whose numbers are not the CPU's."""
    found = []
    for name, kind in kinds:
        on_island = computed(name, kind)
        with torch.device("cpu"):
            on_cpu = computed(name, kind)
        if not on_island[0] or on_island != on_cpu:
            found.append((name, kind))
    return found


def refusal() -> str:
    """What three processes hear."""
    os.environ["LOCAL_WORLD_SIZE"] = "3"
    try:
        with joined():
            return ""
    except InputError as error:
        return str(error)
    finally:
        del os.environ["LOCAL_WORLD_SIZE"]


def one(folder: Path) -> dict:
    """What a process with an island computes."""
    refused = refusal()
    with joined():
        interrupt(folder / "left", "pwl", 3)
        return {
            "refused": refused,
            "device": str(torch.get_default_device()),
            "engine": available() is not None,
            "losses": train_network(CONFIG, task(), folder / "island").losses,
            "resumed": train_network(CONFIG, task(), folder / "begun").losses,
            "evaluated": evaluated(folder / "island"),
            "differing": differing(KINDS),
        }


def two(folder: Path) -> dict:
    """What each of two does, at last on the command line."""
    with joined() as among:
        devices = among.gathered(str(torch.get_default_device()))
        interrupt(folder / "left", "pwl", 3)
        with torch.device("cpu"):
            resumed = train_network(CONFIG, task(), folder / "left").losses
            losses = train_network(CONFIG, task(), folder / "cpu").losses
        os.chdir(folder)
        sys.argv[1:] = tiny_recipe.train("--json")
        with redirect_stdout(StringIO()) as said, suppress(SystemExit):
            tiny_recipe.main()
        if not among.first:
            return {}
        scores = json.loads(said.getvalue())["scores"]
        return {"devices": devices, "losses": losses, "resumed": resumed, "scores": scores}


def run(folder: Path, what: str, *launcher: str) -> dict:
    """What processes of this file give."""
    done = subprocess.run(
        [sys.executable, *launcher, __file__, what, folder],
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / f"{what}.json").read_text())


def same_weights(folder, *names):
    first, *others = (checkpoint.load(folder / name) for name in names)
    for other in others:
        assert other["ranges"] == first["ranges"]
        for part in ("model", "float_weights"):
            for name, weights in first[part].items():
                assert weights.device.type == "cpu"
                assert torch.equal(other[part][name], weights), name


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device")
    interrupt(folder / "begun", "lut", 3)
    losses = train_network(CONFIG, task(), folder / "cpu").losses
    return folder, losses, run(folder, "one")


def test_training_on_a_device_is_that_on_the_cpu_to_the_bit(alone):
    folder, losses, found = alone
    assert found["device"] == "island:0"
    assert not found["engine"]
    assert found["losses"] == losses
    same_weights(folder, "cpu", "island")


def test_more_processes_than_devices_are_refused(alone):
    _, _, found = alone
    assert found["refused"] == (
        "processes: 3 for 2 GPUs; start 2, or hide all (CUDA_VISIBLE_DEVICES=)"
    )


def test_a_checkpoint_goes_on_on_another_device(alone):
    folder, losses, found = alone
    assert found["resumed"] == losses
    assert train_network(CONFIG, task(), folder / "left").losses == losses
    same_weights(folder, "cpu", "begun", "left")


def test_what_is_evaluated_on_a_device_is_golden(alone):
    folder, _, found = alone
    (compared, differ), words = found["evaluated"]
    assert [[compared, differ], words] == list(evaluated(folder / "cpu"))
    assert compared > 10_000
    assert differ == 0


def test_every_operation_on_a_device(alone):
    _, _, found = alone
    assert found["differing"] == []


def test_each_of_two_processes_has_a_device_of_its_own(tmp_path):
    tiny_recipe.write(tmp_path, RECIPE)
    torchrun = "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"
    found = run(tmp_path, "two", *torchrun)
    assert found["devices"] == ["island:0", "island:1"]
    assert found["losses"] == found["resumed"]
    same_weights(tmp_path, "cpu", "left")
    assert [row["run"] for row in found["scores"]] == ["float", "quantized"]
    assert all(1 < row[part] < 14 for row in found["scores"] for part in ("valid", "test"))


@pytest.mark.parametrize("backend", [torch.backends.cuda, torch.backends.mkldnn])
def test_products_of_integers_are_in_float64_where_those_of_float32_are_rounded(backend):
    spec = MatVecSpec(np.ones((2, 3), np.int8), np.zeros(2, np.int32), 0, None)
    w, b = torch.ones(2, 3), torch.zeros(2, dtype=torch.float64)
    assert exact(spec, w, b)[0].dtype == torch.float32
    before = backend.matmul.fp32_precision
    backend.matmul.fp32_precision = "tf32"
    try:
        assert exact(spec, w, b)[0].dtype == torch.float64
    finally:
        backend.matmul.fp32_precision = before
    assert exact(spec, w, b)[0].dtype == torch.float32


if __name__ == "__main__":
    import_module("island")
    what, folder = sys.argv[1], Path(sys.argv[2])
    if found := {"one": one, "two": two}[what](folder):
        (folder / f"{what}.json").write_text(json.dumps(found))
