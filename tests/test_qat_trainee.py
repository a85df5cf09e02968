"""irnn_hw.qat.trainee: any network through all phases, interrupted, resumed, exported."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import NETWORKS, SYMBOLS, Maker
from torch.nn.functional import cross_entropy

from golden.errors import InputError
from golden.executor import Executor
from golden.feed import Feed
from golden.operations import LookUp, Pwl
from irnn_hw.qat import checkpoint
from irnn_hw.qat.config import Schedule
from irnn_hw.qat.export import export_model
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.restored import restore
from irnn_hw.qat.trainee import Task, Window, language_task, train_network
from irnn_hw.qat.verify import compare_with_module
from irnn_hw.quant import cells
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Dropout, Embedding
from irnn_hw.quant.quantize import parameters

ROOT = Path(__file__).parents[1]
CONFIG = Schedule(
    float_steps=50, range_steps=4, lut_steps=5, pwl_steps=6, weight_decay=0.0, checkpoint_every=4
)


class StopTrainingError(Exception):
    """Stands for a killed process."""


def small(maker=None, rate=0.2, **kept):
    """A language model of 12 symbols with dropout before and behind its LSTM."""
    maker, net = maker or Maker(3), Network(outputs=["logits"])
    step = net.scan("text")
    x = step.add(Embedding(name="x", length=8, table=maker.rng.normal(0, 1, (12, 8))))
    x = step.add(Dropout(name="x.dropped", inputs=(x,), length=8, rate=rate))
    w_x, w_h = maker.weights(48, 8, **kept), maker.weights(48, 12, bias=False, **kept)
    h = cells.lstm(step, "l", [(x, w_x)], w_h)
    h = step.add(Dropout(name="h.dropped", inputs=(h,), length=12, rate=rate))
    cells.product(step, "logits", h, maker.weights(12, 12), 32)
    return net


def symbols():
    """Text in which the next symbol follows from the last two, most of the time."""
    rng, text = np.random.default_rng(2), [1, 2]
    while len(text) < 4000:
        text.append((text[-1] + 2 * text[-2]) % 12 if rng.random() < 0.9 else int(rng.integers(12)))
    return np.array(text)


def task(network=None):
    return language_task(network or small(), symbols(), 8, 12, "text")


def interrupt(path, phase, step, config=CONFIG, of=None):
    def stop(at, done, steps, loss):
        if (at, done) == (phase, step):
            raise StopTrainingError

    with pytest.raises(StopTrainingError):
        train_network(config, of or task(), path, stop)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("trainee") / "checkpoint"
    return path, train_network(CONFIG, task(), path)


def test_the_loss_falls_through_all_phases(trained):
    _, result = trained
    assert {p: len(v) for p, v in result.losses.items()} == {"float": 50, "lut": 5, "pwl": 6}
    assert np.mean(result.losses["float"][-5:]) < 0.85 * np.mean(result.losses["float"][:3])
    assert np.mean(result.losses["pwl"]) < 1.1 * np.mean(result.losses["float"][-5:])


@pytest.mark.parametrize(("phase", "step"), [("float", 17), ("ranges", 2), ("lut", 3), ("pwl", 5)])
def test_resumed_equals_uninterrupted(trained, tmp_path, phase, step):
    path, result = trained
    again = tmp_path / "checkpoint"
    interrupt(again, phase, step)
    resumed = train_network(CONFIG, task(), again)
    assert resumed.losses == result.losses
    assert export_model(again).sha256 == export_model(path).sha256


def test_what_is_exported_is_what_was_trained(trained):
    path, _ = trained
    model = export_model(path)
    assert not any("dropped" in name for name in model.tensors)
    assert {type(op) for op in model.operations} & {Pwl, LookUp} == {Pwl}
    tokens = symbols()[:480].reshape(8, 60)
    parts = [{"text": Feed(tokens[:, n : n + 20])} for n in (0, 20, 40)]
    counts = compare_with_module(model, path, parts, every=True)
    assert counts["logits"] == [8 * 60 * 12, 0]
    assert sum(n for n, _ in counts.values()) > 100_000
    assert not any(differing for _, differing in counts.values())


def test_a_logged_loss_is_that_of_the_golden_model(tmp_path):
    """Without dropout: from the weights and states saved before it."""
    path, of = tmp_path / "checkpoint", task(small(rate=0.0))
    config = replace(CONFIG, checkpoint_every=1)
    interrupt(path, "pwl", 3, config, of)  # saved after two steps
    model, content = export_model(path), checkpoint.load(path)
    executor, window = Executor(model, 8), of.window(2)
    for name, codes in content["state"].items():
        executor.tensors[name] = codes.long().numpy() + model.tensors[name].zero_point
    logits = torch.from_numpy(executor.run(window.feeds["text"].tokens)["logits"]).transpose(0, 1)
    unit = restore(path, "pwl").integer().unit("logits")
    nats = cross_entropy((logits.float() * unit).flatten(0, 1), window.targets.flatten())
    logged = train_network(config, of, path).losses["pwl"][2]
    assert nats.item() / np.log(2) == pytest.approx(logged, abs=1e-4)


def test_stochastic_weights_train_and_resume(tmp_path):
    config = replace(CONFIG, stochastic=True, float_steps=4, pwl_steps=4)
    of = task(small(weight_format="ternary"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    result = train_network(config, of, whole)
    interrupt(parts, "pwl", 2, config, of)
    assert train_network(config, of, parts).losses == result.losses
    weights = export_model(whole).spec("l.ph").weights  # nearest ones, at last
    assert set(np.unique(weights)) == {-1, 0, 1}
    assert np.array_equal(export_model(parts).spec("l.ph").weights, weights)
    plain = train_network(replace(config, stochastic=False), of, tmp_path / "plain")
    assert plain.losses["float"] == result.losses["float"]
    assert plain.losses["lut"] != result.losses["lut"]


def test_averaged_and_frozen_weights_stay_exact(tmp_path):
    config, of = replace(CONFIG, averaging=0.8), replace(task(), frozen=["x.table", "l.px.bias"])
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    result = train_network(config, of, whole)
    interrupt(parts, "pwl", 5, config, of)
    assert train_network(config, of, parts).losses == result.losses
    content = checkpoint.load(whole)["model"]
    first, last = Masters(of.network).state_dict(), checkpoint.load(parts)["model"]
    for name, array in content.items():
        assert torch.equal(array, last[name])
        assert torch.equal(array, first[name]) == (name in of.frozen)
    model, feed = export_model(whole), of.window(0).feeds
    counts = compare_with_module(model, whole, [feed], every=True)
    assert not any(differing for _, differing in counts.values())
    plain = tmp_path / "plain"
    train_network(replace(config, averaging=0.0), of, plain)
    assert not torch.equal(checkpoint.load(plain)["model"]["l.ph.weights"], content["l.ph.weights"])
    with pytest.raises(InputError, match=r"^frozen: no array y\.weights; there are x\.table, "):
        train_network(config, replace(of, frozen=["y.weights"]), plain)


def test_an_average_is_that_of_the_weights_of_its_phase(tmp_path):
    path, config = tmp_path / "checkpoint", replace(CONFIG, averaging=0.7, checkpoint_every=1)
    seen: list[torch.Tensor] = []

    def look(phase, step, steps, loss):
        if phase == "float" and step > 1:
            seen.append(checkpoint.load(path)["model"]["l.ph.weights"])

    def stop_after(count):
        def progress(*at):
            look(*at)
            if len(seen) == count:
                raise StopTrainingError

        return progress

    with pytest.raises(StopTrainingError):
        train_network(config, task(), path, stop_after(6))
    first, *others = seen
    expected = first
    for n, weights in enumerate(others, 1):
        kept = min(0.7, n / (n + 1))
        expected = kept * expected + (1 - kept) * weights
    assert torch.allclose(checkpoint.load(path)["average"]["l.ph.weights"], expected, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in NETWORKS if "16" not in n and "encoder" not in n])
def test_every_network_trains_exports_and_is_verified(name, tmp_path):
    network, _ = NETWORKS[name]()
    text = np.random.default_rng(1).integers(0, SYMBOLS, 400)
    of = language_task(replace_outputs(network), text, 4, 6, "text")
    if len(network.outputs) > 1:
        of = replace(of, loss=mixture)
    config = replace(
        CONFIG, float_steps=2, range_steps=2, lut_steps=1, pwl_steps=2, float_rate=1e-3
    )
    path = tmp_path / "checkpoint"
    of = replace(of, network=network)
    result = train_network(config, of, path)
    assert all(np.isfinite(loss) for losses in result.losses.values() for loss in losses)
    model = export_model(path)
    feed = of.window(0).feeds
    counts = compare_with_module(model, path, [feed, feed], every=True)
    assert sum(n for n, _ in counts.values()) > 1000
    assert not any(differing for _, differing in counts.values())


def replace_outputs(network):
    return Network(network.scans, network.outputs[-1:])


def mixture(outputs, targets):
    """Of softmaxes, by their prior."""
    prior = outputs["prior"].softmax(-1)
    parts = [outputs[f"logits.{k}"].softmax(-1) for k in range(prior.shape[-1])]
    p = sum(prior[..., k : k + 1] * part for k, part in enumerate(parts))
    return torch.nn.functional.nll_loss(p.clamp(min=1e-9).log().flatten(0, 1), targets.flatten())


def test_an_encoder_decoder_trains_with_lengths(tmp_path):
    network, feeds = NETWORKS["encoder-decoder"]()
    targets = torch.from_numpy(np.random.default_rng(1).integers(0, SYMBOLS, (9, 5)))
    live = torch.arange(9)[:, None] < torch.from_numpy(feeds["text"].lengths)

    def loss(outputs, targets):
        return cross_entropy(outputs["logits"][live], targets[live])

    of = Task(network, lambda step: Window(feeds, targets), loss, "five sequences")
    config = Schedule(float_steps=3, range_steps=2, lut_steps=0, pwl_steps=2, pieces=8,
                      exp_pieces=8, float_rate=1e-2)  # fmt: skip
    path = tmp_path / "checkpoint"
    losses = train_network(config, of, path).losses
    assert losses["float"][-1] < losses["float"][0]
    assert losses["lut"] == []
    counts = compare_with_module(export_model(path), path, [feeds], every=True)
    assert counts["logits"] == [int(feeds["text"].lengths.sum()) * SYMBOLS, 0]
    assert not any(differing for _, differing in counts.values())


def test_a_checkpoint_of_another_run_is_refused(trained):
    path, _ = trained
    other = language_task(small(), symbols()[:-1], 8, 12, "text")
    for config, of, message in (
        (CONFIG, other, "of another data; name another file"),
        (CONFIG, task(small(rate=0.1)), "of another network; name another file"),
        (replace(CONFIG, clip=0.5), task(), r"another configuration \(clip 1.0 there, 0.5 here\)"),
    ):
        with pytest.raises(InputError, match=message):
            train_network(config, of, path)


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(InputError, match="text: 50 characters do not fill 8 streams of 12"):
        language_task(small(), np.zeros(50, int), 8, 12, "text")
    with pytest.raises(InputError, match=r"^x\.dropped: a dropout rate of 1\.0"):
        small(rate=1.0)
    with pytest.raises(InputError, match="float phase: the loss is not finite; lower the rate"):
        train_network(replace(CONFIG, float_rate=1e37), task(), tmp_path / "checkpoint")
    with pytest.raises(InputError, match="optimizer: 'adam'; choose adamw, sgd"):
        replace(CONFIG, optimizer="adam")


def test_a_gradient_or_a_range_that_is_not_finite_stops_the_run(tmp_path):
    path = tmp_path / "checkpoint"

    def exploding(outputs, targets):
        return outputs["logits"].mul(0).abs().sum().sqrt()

    with pytest.raises(InputError, match="float phase: the gradient is not finite; lower the rate"):
        train_network(CONFIG, replace(task(), loss=exploding), path)
    network = small()
    network.scans[0].nodes[0].table[0] = np.nan
    with pytest.raises(InputError, match="ranges phase: x is not finite"):
        train_network(replace(CONFIG, float_steps=0), task(network), path)
    assert not path.exists()


def test_a_disk_that_takes_no_checkpoint_is_an_error_of_input(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match=r"cannot write the checkpoint: (File exists|Not a dir)"):
        checkpoint.save(tmp_path / "file" / "checkpoint", {"step": 1})


def test_a_dropout_cannot_share_its_parameters():
    network = small()
    (scan,) = network.scans
    both = cells.concatenate(scan, "both", "x.dropped", "x")
    cells.product(scan, "wide", both, Maker().weights(4, 16))
    interrupted = r"^x\.dropped: shares its parameters with x; drop values elsewhere"
    with pytest.raises(InputError, match=interrupted):
        parameters(network, dict.fromkeys(scan.lengths, (-1.0, 1.0)))


def test_the_network_of_a_checkpoint_is_that_of_the_task(trained):
    path, _ = trained
    masters = restore(path, "float").masters()
    names = [node.name for node in task().network.nodes]
    assert [node.name for node in masters.template.nodes] == names
    assert restore(path, "float").masters("float_weights").keys() == masters.keys()


def test_plain_gradient_descent_lowers_the_loss(tmp_path):
    config = replace(CONFIG, optimizer="sgd", float_rate=2.0, float_steps=40)
    losses = train_network(config, task(small(rate=0.0)), tmp_path / "checkpoint").losses["float"]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:3])


def test_commands_that_do_not_train_import_no_torch():
    modules = "irnn_hw.cli, irnn_hw.steps, irnn_hw.verify, irnn_hw.importing"
    code = f"import sys, {modules}; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
