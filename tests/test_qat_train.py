"""irnn_hw.qat: a tiny network, trained, interrupted, resumed, exported, compared."""

import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from golden.errors import InputError
from golden.executor import Executor
from golden.model import IntModel
from golden.operations import LookUp, Pwl
from irnn_hw.data.corpus import Corpus, load_corpus
from irnn_hw.evaluate import bits_per_character, count_differences, run_golden
from irnn_hw.held_out import held_out_streams
from irnn_hw.qat import checkpoint
from irnn_hw.qat.config import TrainConfig
from irnn_hw.qat.export import evaluate_float, export_model, float_logits, integer_logits
from irnn_hw.qat.model import CharLM
from irnn_hw.qat.train import train

CONFIG = TrainConfig(
    embedding=16,
    hidden=32,
    batch=32,
    window=16,
    float_steps=60,
    range_steps=4,
    lut_steps=6,
    pwl_steps=8,
    checkpoint_every=5,
)


class StopTrainingError(Exception):
    """Stands for a killed process: leaves in the middle of train()."""


@pytest.fixture(scope="module")
def corpus():
    whole = load_corpus()
    return Corpus("short", whole.train[:40_000], whole.held_out[:3_000], whole.vocabulary)


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "checkpoint"
    return path, train(CONFIG, corpus, path)


KILLED = """
import sys
from pathlib import Path
from irnn_hw.data.corpus import Corpus
from irnn_hw.qat.config import TrainConfig
from irnn_hw.qat.train import train
config, corpus, path = eval(sys.stdin.read())
train(TrainConfig(**config), Corpus(*corpus), Path(path))
"""


def interrupt(corpus, path, phase, step, config=CONFIG):
    """Train until that step, then die."""

    def stop(at, done, steps, loss):
        if (at, done) == (phase, step):
            raise StopTrainingError

    with pytest.raises(StopTrainingError):
        train(config, corpus, path, stop)


def test_the_loss_falls_and_is_kept_step_by_step(trained):
    _, result = trained
    assert {p: len(v) for p, v in result.losses.items()} == {"float": 60, "lut": 6, "pwl": 8}
    assert np.mean(result.losses["float"][-5:]) < 0.8 * np.mean(result.losses["float"][:5])
    assert np.mean(result.losses["pwl"]) < 1.1 * np.mean(result.losses["float"][-5:])
    assert all(seconds > 0 for seconds in result.seconds.values())


@pytest.mark.parametrize(("phase", "step"), [("float", 33), ("ranges", 2), ("lut", 6), ("pwl", 7)])
def test_resumed_equals_uninterrupted(trained, corpus, tmp_path, phase, step):
    path, result = trained
    again = tmp_path / "checkpoint"
    interrupt(corpus, again, phase, step)
    resumed = train(CONFIG, corpus, again)
    assert resumed.losses == result.losses
    assert export_model(again).sha256 == export_model(path).sha256


def test_a_killed_process_leaves_a_checkpoint_to_resume(trained, corpus, tmp_path):
    path, result = trained
    again = tmp_path / "checkpoint"
    texts = (corpus.name, corpus.train, corpus.held_out, corpus.vocabulary)
    arguments = repr((asdict(CONFIG), texts, str(again)))
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, text=True, cwd=root
    ) as process:
        process.stdin.write(arguments)
        process.stdin.close()
        while not again.exists() and process.poll() is None:
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -9
    assert train(CONFIG, corpus, again).losses == result.losses
    assert export_model(again).sha256 == export_model(path).sha256


def test_a_finished_checkpoint_is_not_trained_again(trained, corpus):
    path, result = trained
    before = path.read_bytes()
    assert train(CONFIG, corpus, path, lambda *_: pytest.fail("trained")) == result
    assert path.read_bytes() == before


def test_golden_gives_the_training_modules_logits(trained, corpus):
    path, _ = trained
    inputs, targets = held_out_streams(corpus, 8)
    model = export_model(path)
    golden = run_golden(model, inputs)
    module = integer_logits(path, inputs)
    assert count_differences(golden.logits, module) == (8 * inputs.shape[1] * 96, 0)
    integer = bits_per_character(golden.logits, targets, model.output_scale)
    assert integer == pytest.approx(evaluate_float(path, corpus, 8), rel=0.05)


def test_the_training_forward_is_golden_with_the_state_carried_over(corpus, tmp_path):
    """A loss logged while training is that of the golden model on the same window."""
    path, config = tmp_path / "checkpoint", replace(CONFIG, checkpoint_every=1)
    interrupt(corpus, path, "pwl", 3, config)  # saved after two steps
    model, content = export_model(path), checkpoint.load(path)
    executor = Executor(model, config.batch)
    for name, codes in content["state"].items():
        executor.tensors[name] = codes.long().numpy() + model.tensors[name].zero_point
    streams = corpus.encode(corpus.train)
    length = (len(streams) - 1) // config.batch
    rows = np.arange(config.batch)[:, None] * length + np.arange(2 * 16, 3 * 16)
    logits = executor.run(streams[rows])["logits"]
    bits = bits_per_character(logits, streams[rows + 1], model.output_scale)
    logged = train(config, corpus, path).losses["pwl"][2]
    assert bits == pytest.approx(logged, abs=1e-4)


def test_a_broken_checkpoint_is_refused(trained, corpus, tmp_path):
    path, _ = trained
    broken, whole = tmp_path / "checkpoint", path.read_bytes()
    middle = len(whole) // 2
    altered = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for data in (b"", b"not a checkpoint", whole[:2000], whole[:-1], altered):
        broken.write_bytes(data)
        with pytest.raises(InputError, match="altered, truncated or not a checkpoint; train again"):
            train(CONFIG, corpus, broken)
        with pytest.raises(InputError, match="altered, truncated or not a checkpoint"):
            export_model(broken)
        assert broken.read_bytes() == data


def test_a_checkpoint_of_another_release_is_refused(corpus, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", "irnn-checkpoint-0")
        checkpoint.save(path, {"step": 1})
        assert checkpoint.load(path)["step"] == 1
    with pytest.raises(InputError, match="irnn-checkpoint-0, this release reads"):
        train(CONFIG, corpus, path)


def test_a_checkpoint_of_another_run_is_refused(trained, corpus):
    path, _ = trained
    with pytest.raises(InputError, match=r"another configuration \(hidden 32 there, 64 here\)"):
        train(replace(CONFIG, hidden=64), corpus, path)
    other = replace(corpus, train=corpus.train[:-1])
    with pytest.raises(InputError, match="of another corpus"):
        train(CONFIG, other, path)
    saved_more_often = replace(CONFIG, checkpoint_every=1)
    assert train(saved_more_often, corpus, path).losses["pwl"]


def test_a_corpus_too_short_for_its_streams_is_refused(corpus, tmp_path):
    short = replace(corpus, train=corpus.train[:300])
    with pytest.raises(InputError, match="300 characters do not fill 32 streams of 16"):
        train(CONFIG, short, tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"hidden": 0}, "hidden: 0 is too small"), ({"range_momentum": 1.0}, "range_momentum")],
)
def test_a_bad_configuration_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(CONFIG, **change)


def test_a_loss_that_is_not_finite_stops_the_run(corpus, tmp_path):
    with pytest.raises(InputError, match="float phase: the loss is not finite"):
        train(replace(CONFIG, float_rate=1e37), corpus, tmp_path / "checkpoint")


def test_the_penalty_keeps_the_cell_within_its_limit(corpus, tmp_path):
    widths = []
    for penalty in (0.0, 5.0):
        path = tmp_path / f"checkpoint-{penalty}"
        interrupt(corpus, path, "lut", 1, replace(CONFIG, cell_limit=0.3, cell_penalty=penalty))
        low, high = checkpoint.load(path)["ranges"]["c.next"]
        widths.append(high - low)
    free, kept = widths
    assert kept < 0.75 * free


def test_export_needs_quantized_training(corpus, tmp_path):
    path = tmp_path / "checkpoint"
    interrupt(corpus, path, "float", 33)
    with pytest.raises(InputError, match="training stopped in the float phase; resume it"):
        export_model(path)
    inputs, _ = held_out_streams(corpus, 4)
    assert float_logits(path, inputs).shape == (4, inputs.shape[1], 96)
    with pytest.raises(InputError, match="cannot read the checkpoint"):
        export_model(tmp_path / "nowhere")


def test_the_table_phase_exports_tables_and_the_last_one_pwl(trained, corpus, tmp_path):
    path = tmp_path / "checkpoint"
    interrupt(corpus, path, "lut", 6)
    tables = export_model(path)
    assert sum(isinstance(op, LookUp) for op in tables.operations) == 5
    pieces = export_model(trained[0])
    assert [len(op.knots) for op in pieces.operations if isinstance(op, Pwl)] == [16] * 5
    inputs, _ = held_out_streams(corpus, 4)
    assert np.array_equal(run_golden(tables, inputs).logits, integer_logits(path, inputs))


def test_observed_values_are_those_of_the_stock_module(corpus):
    torch.manual_seed(3)
    model = CharLM(len(corpus.vocabulary), 16, 32)
    tokens = torch.from_numpy(corpus.encode(corpus.train[:60])).reshape(20, 3)
    ranges, (h, c) = model.observe(tokens, model.initial_state(3))
    with torch.no_grad():
        hidden, (h_stock, c_stock) = model.lstm(model.embedding(tokens))
    assert torch.allclose(h, h_stock, atol=1e-6)
    assert torch.allclose(c, c_stock, atol=1e-6)
    assert ranges["h.next"] == pytest.approx((hidden.min().item(), hidden.max().item()), rel=1e-4)


def test_a_saved_model_runs_alone(trained, corpus, tmp_path):
    model = export_model(trained[0])
    model.save(tmp_path / "model.irnn")
    loaded = IntModel.load(tmp_path / "model.irnn")
    assert loaded.metadata["vocabulary"] == corpus.vocabulary
    assert loaded.metadata["unknown"] == corpus.unknown
    text = corpus.encode("while True:")
    assert np.array_equal(
        Executor(loaded).run(text[None])["logits"], integer_logits(trained[0], text[None])
    )
