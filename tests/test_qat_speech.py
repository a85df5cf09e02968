"""irnn_hw.qat.speech: connected digits, decoded alike by torch and by golden."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from qat_networks import tables
from typer.testing import CliRunner

from golden.errors import InputError
from golden.executor import Executor
from golden.feed import Feed
from golden.model import IntModel
from irnn_hw.cli import app
from irnn_hw.data import digits
from irnn_hw.data.digits import (
    END,
    PADDED,
    RATE,
    SPEECH,
    SYMBOLS,
    TEXT,
    Recordings,
    Voices,
    heard,
    spelled,
    strings,
)
from irnn_hw.held_out import spoken_strings
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.config import Schedule
from irnn_hw.qat.export import export_model
from irnn_hw.qat.integer import integer
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.real import Reals, observe
from irnn_hw.qat.restored import restore
from irnn_hw.qat.speech import decode, speech_network, speech_task
from irnn_hw.qat.trainee import train_network
from irnn_hw.qat.verify import compare_with_module
from irnn_hw.recognition import word_errors

SIZE = 12
VOICES = Voices(("a",), range(2), (10, 30), 0.1)
VARIANTS = [("asr16", 16), ("asr16", 8), ("lm8", 16), ("lm8", 8)]


@pytest.fixture(scope="module")
def recordings():
    """A tone a digit."""
    times = np.arange(RATE // 10) / RATE
    tones = {
        ("a", d): tuple(
            np.sin(2 * np.pi * (300 + 300 * d + 20 * take) * times).astype(np.float32)
            for take in range(2)
        )
        for d in range(10)
    }
    return Recordings(tones, "tones")


def network(preset, size=SIZE, seed=1, **options):
    return speech_network(np.random.default_rng(seed), SYMBOLS, preset, size, **options)


def quantized(recordings, preset, attention_bits):
    """The integers of random weights that are large enough to say something."""
    masters = Masters(network(preset, SIZE, seed=3, attention_bits=attention_bits))
    with torch.no_grad():
        for name, array in masters.items():
            array.mul_(1 if name.endswith(("bias", "table")) else 3)
    feeds = speech_task(masters.template, recordings, VOICES, batch=8).window(0).feeds
    ranges, _ = observe(masters, {name: Batch.of(feed) for name, feed in feeds.items()})
    return integer(masters, ranges, activations=tables(masters.template, ranges))


class Golden:
    """The golden model, as what decodes."""

    def __init__(self, taken):
        self.taken, self.feed = taken, taken.feed

    def run(self, feeds):
        executor = Executor(self.taken.model, len(feeds[TEXT].tokens))
        logits = torch.from_numpy(executor.run(feeds)["logits"]).transpose(0, 1)
        return SimpleNamespace(traces={"logits": logits})


@pytest.mark.parametrize(("preset", "attention_bits"), VARIANTS)
def test_torch_and_golden_hear_the_same_words(recordings, preset, attention_bits):
    module = quantized(recordings, preset, attention_bits)
    bits = {name: t.bits for name, t in module.taken.model.tensors.items()}
    assert (bits["context.total"], bits["context.score"]) == (attention_bits, attention_bits)
    assert {bits[n] for n in ("decoder.c", "encoder.forward.i.pre", "decoder.fc")} == {
        16 if preset == "asr16" else 8
    }
    said = strings(recordings, VOICES, 12, 5)
    words, expected = (decode(m, heard(said)) for m in (module, Golden(module.taken)))
    assert words == expected
    assert len(set(words)) > 3  # random ones
    feeds = {
        SPEECH: heard(said),
        TEXT: Feed(np.random.default_rng(2).integers(0, SYMBOLS, (12, 6))),
    }
    run = module.run({name: module.feed(feed) for name, feed in feeds.items()})
    codes = {name: module.taken.feed(feed) for name, feed in feeds.items()}
    logits = Executor(module.taken.model, 12).run(codes)["logits"]
    assert np.array_equal(module.twin.codes("logits", run.traces["logits"]), logits)


def test_words_are_those_of_a_decoder_that_takes_one_step_after_another(recordings):
    module = quantized(recordings, "asr16", 16)
    for spoken in strings(recordings, VOICES, 4, 6):
        executor, token, words = Executor(module.taken.model), END, []
        executor.run({SPEECH: module.taken.feed(heard([spoken]))})
        while (token := int(executor.step(token).argmax())) != END and len(words) < 10:
            words.append(token)
        assert decode(module, heard([spoken])) == [tuple(words)]


def test_it_trains_through_all_phases_and_stays_exact(recordings, tmp_path):
    net = network("lm8", SIZE, dropout=0.1, attention_bits=8)
    task = speech_task(net, recordings, VOICES, batch=8, curriculum=200)
    schedule = Schedule(float_steps=25, range_steps=3, lut_steps=2, pwl_steps=3, pieces=8,
                        float_rate=1e-2, weight_decay=0.01)  # fmt: skip
    path = tmp_path / "checkpoint"
    losses = train_network(schedule, task, path).losses
    assert np.mean(losses["float"][-5:]) < 0.8 * np.mean(losses["float"][:2])
    assert np.mean(losses["pwl"]) < 1.1 * np.mean(losses["float"][-5:])
    said = strings(recordings, VOICES, 10, 9)
    parts = [task.window(30).feeds, spelled(said[:3]), spelled(said[3:])]
    counts = compare_with_module(export_model(path), path, parts, every=True, fresh=True)
    symbols = parts[0][TEXT].tokens.size + sum(1 + len(s.digits) for s in said)
    assert counts["logits"] == [symbols * SYMBOLS, 0]
    assert not any(differing for _, differing in counts.values())
    reals, whole = Reals(restore(path, "pwl").masters("float_weights")), restore(path, "pwl")
    for model in (reals, whole.integer()):
        assert 0 < word_errors(partial(decode, model), said, 4) < 300


def test_a_model_is_run_and_verified_on_the_strings_it_was_tested_on(
    recordings, tmp_path, monkeypatch
):
    """By the commands; golden, which takes a step of the decoder at a time, errs as the module."""
    monkeypatch.setattr(digits, "load_digits", lambda folder: recordings)
    path, file = tmp_path / "c.pt", tmp_path / "m.irnn"
    task = speech_task(network("asr16", SIZE), recordings, VOICES, batch=8)
    of = {"task": digits.TASK, "speaker": "a", "snr": 10, "strings": 60}
    schedule = Schedule(float_steps=2, range_steps=2, lut_steps=0, pwl_steps=1, pieces=8)
    train_network(schedule, replace(task, metadata=of), path)
    export_model(path).save(file)

    def irnn(*arguments):
        done = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    said = spoken_strings(IntModel.load(file), None)
    errors = word_errors(partial(decode, restore(path, "pwl").integer()), said, 7)
    assert irnn("run", file) == {"strings": 60, "word_errors_int": round(errors, 4)}
    figures = irnn("verify", "--model", file, "--checkpoint", path)
    assert figures["values_compared"] == sum(1 + len(s.digits) for s in said) * SYMBOLS
    assert figures["values_differing"] == 0
    with pytest.raises(InputError, match=r"^--stats: for models of characters, and .* of digits;"):
        irnn("run", file, "--stats")


def test_strings_grow_with_the_steps(recordings):
    task = speech_task(network("lm8", 4), recordings, VOICES, batch=3, curriculum=70)
    sizes = [task.window(step).targets.shape[0] - 1 for step in range(150)]
    assert set(sizes[:10]) == {1}
    assert max(sizes[:40]) <= 4
    assert set(sizes[70:]) == set(range(1, 8))
    at = speech_task(network("lm8", 4), recordings, VOICES, batch=3)
    assert {at.window(step).targets.shape[0] - 1 for step in range(60)} == set(range(1, 8))


def test_a_step_has_its_data_whenever_it_is_asked(recordings):
    task = speech_task(network("lm8", 4), recordings, VOICES, batch=3)
    window, again = task.window(7), task.window(7)
    features = [w.feeds[SPEECH].inputs["features"] for w in (window, again)]
    assert np.array_equal(*features)
    assert features[0].shape[0] == 3
    assert features[0].shape[1] % PADDED == 0
    tokens, targets = window.feeds[TEXT].tokens, window.targets.numpy().T
    assert set(tokens[:, 0]) == set(targets[:, -1]) == {END}
    assert np.array_equal(tokens[:, 1:], targets[:, :-1])
    other = speech_task(task.network, recordings, VOICES, batch=3, seed=2)
    louder = speech_task(task.network, recordings, replace(VOICES, snr=(20, 30)), batch=3)
    assert task.data == recordings.sha256
    assert task.settings not in (other.settings, louder.settings)


def test_a_smoothed_loss_is_least_where_all_others_are_equally_likely(recordings):
    task = speech_task(network("lm8", 4), recordings, VOICES, batch=3, smoothing=0.11)
    likely = torch.full((1, 1, SYMBOLS), 0.01)
    likely[0, 0, 4] = 0.9
    logits = likely.log().requires_grad_()
    task.loss({"logits": logits}, torch.tensor([[4]])).backward()
    assert logits.grad.abs().max() < 1e-6


def test_what_no_network_has_is_refused():
    with pytest.raises(InputError, match=r"^context: scores of 12 bits; choose 8 or 16$"):
        network("asr16", attention_bits=12)
    with pytest.raises(InputError, match=r"^preset: 'asr8'; choose lm8, asr16$"):
        network("asr8")
