"""irnn_hw.qat.readout: a cross entropy by blocks is that of the logits, with its gradients."""

import math

import numpy as np
import pytest
import torch
from networks import NETWORKS, SYMBOLS, Maker
from qat_networks import made
from test_qat_compiled import agree
from torch.nn.functional import cross_entropy

from golden.errors import InputError
from golden.executor import Executor
from irnn_hw.engine import readout as engine
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.compiled import available
from irnn_hw.qat.integer import integer
from irnn_hw.qat.language import WINDOW, perplexity
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.readout import Outputs, Readout
from irnn_hw.qat.real import Reals, real
from irnn_hw.quant import cells
from irnn_hw.quant.network import Network, run
from irnn_hw.quant.nodes import Embedding
from irnn_hw.quant.quantize import Choices
from irnn_hw.recipes.networks import SEQUENCE, norm_lstm

TAPES = available()
# Rows, symbols and length: single ones, tails of vectors and tiles, several blocks and chunks.
SHAPES = [(1, 1, 1), (5, 7, 3), (33, 193, 16), (70, 400, 47), (790, 210, 24), (1600, 31, 65)]


def operands(rows, symbols, length, biased=True):
    rng = np.random.default_rng([rows, symbols])
    h, w = rng.normal(0, 1, (rows, length)), rng.normal(0, 0.5, (symbols, length))
    bias = rng.normal(0, 1, symbols) if biased else None
    tensors = [None if x is None else torch.tensor(x, dtype=torch.float32) for x in (h, w, bias)]
    return tensors, torch.from_numpy(rng.integers(0, symbols, rows))


def losses(tensors, targets, unit=1.0, compiled=True):
    """The loss, and its gradients."""
    taken = [None if x is None else x.clone().requires_grad_() for x in tensors]
    loss = Readout(*taken, compiled, unit=unit).cross_entropy(targets)
    loss.backward()
    return loss.item(), [None if x is None else x.grad for x in taken]


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_are_those_of_dense_logits(shape, biased):
    tensors, targets = operands(*shape, biased)
    doubles = [None if x is None else x.double() for x in tensors]
    loss, found = losses(tensors, targets, 0.7)
    expected, gradients = losses(doubles, targets, 0.7)
    assert loss == pytest.approx(expected, rel=1e-6, abs=1e-6)
    for ours, theirs in zip(found, gradients, strict=True):
        if theirs is not None:
            assert (ours - theirs).abs().max() <= 8e-3 * theirs.abs().max()
            assert (ours - theirs).norm() <= 4e-3 * theirs.norm()


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("length", [1, 31, 200])
def test_sums_of_codes_are_exact(length, narrow):
    """The largest of logits that are far apart is their log sum exp, to the bit."""
    rng = np.random.default_rng(length)
    h, w = (rng.integers(-255, 256, (n, length)) for n in (41, 300))
    h[0], w[0] = 255, -255
    bias, targets = rng.integers(-1000, 1000, 300), rng.integers(0, 300, 41)
    logits = (h @ w.T + bias) * 2**6
    spread = np.sort(logits)[:, -2:]
    h, logits = h[spread[:, 1] - spread[:, 0] > 90], logits[spread[:, 1] - spread[:, 0] > 90]
    targets = targets[: len(h)]
    assert len(h) > 20
    expected = logits.max(1) - logits[np.arange(len(h)), targets]
    arrays = (x.astype(np.float32) for x in (h, w, bias))
    found, gradients = engine.cross_entropy(*arrays, targets, 2.0**6, narrow)
    assert found == expected.sum() / len(h)
    assert gradients == [None, None, None]


def test_what_needs_no_gradient_gets_none():
    (h, w, b), targets = operands(40, 50, 20)
    _, expected = losses((h, w, b), targets)
    for frozen in range(3):
        taken = [x.clone().requires_grad_(n != frozen) for n, x in enumerate((h, w, b))]
        (3 * Readout(*taken, True).cross_entropy(targets)).backward()
        for n, x in enumerate(taken):
            assert x.grad is None if n == frozen else torch.allclose(x.grad, 3 * expected[n])
    with torch.no_grad():
        assert not Readout(*taken, True).cross_entropy(targets).requires_grad


def test_only_what_can_be_compiled_is(monkeypatch):
    tensors, targets = operands(4, 5, 6)
    monkeypatch.setattr(engine, "cross_entropy", None)
    for compiled, dtype in ((False, torch.float32), (True, torch.float64)):
        taken = [x.to(dtype) for x in tensors]
        loss = Readout(taken[0].float(), *taken[1:], compiled).cross_entropy(targets)
        assert torch.equal(loss, cross_entropy(Readout(*taken, compiled).dense(), targets))
    with pytest.raises(TypeError):
        Readout(*tensors, True).cross_entropy(targets)


def test_bad_values_are_refused_or_shown():
    (h, w, b), targets = operands(30, 40, 20)
    for target in (-1, 40):
        targets[3] = target
        with pytest.raises(ValueError, match=f"^targets: .*{target}.* of 40 symbols"):
            Readout(h, w, b, True).cross_entropy(targets)
    targets[3] = 0
    with pytest.raises(ValueError, match="contiguous rows expected, got float64"):
        engine.cross_entropy(h.double().numpy(), w.numpy(), None, targets.numpy())
    for value in (math.nan, math.inf):
        w[7, 7] = value
        assert not Readout(h, w, b, True).cross_entropy(targets).isfinite()


def test_outputs_make_logits_when_they_are_asked_for():
    (h, w, b), targets = operands(24, 9, 5)
    h, targets = h.view(6, 4, 5), targets.view(6, 4)
    y = torch.arange(3.0)
    units = {"y": 2.0, "logits": 0.5}
    outputs = Outputs({"y": y}, {"logits": Readout(h, w, b, True)}).reals(units.__getitem__)
    assert len(outputs) == 2
    assert list(outputs) == ["y", "logits"]
    expected = (h @ w.T + b) * 0.5
    loss = outputs.cross_entropy("logits", targets)
    plain = cross_entropy(expected.flatten(0, 1), targets.flatten())
    assert loss.item() == pytest.approx(plain.item())
    assert torch.allclose(outputs["logits"], expected)
    assert outputs["logits"] is outputs["logits"]
    assert torch.equal(outputs["y"], 2 * y)
    made = Outputs({"logits": expected}).cross_entropy("logits", targets)
    assert torch.equal(made, plain)
    with pytest.raises(KeyError):
        outputs["z"]


def test_what_the_network_reads_is_made():
    """What another product reads, in its scan or another one, or a state; or what is in reverse."""
    maker, net = Maker(1), Network(outputs=["a", "b", "c", "d", "e", "f"])
    s = net.scan("text", reverse=True)
    x = s.add(Embedding(name="x", length=4, table=maker.rng.normal(0, 1, (SYMBOLS, 4))))
    cells.product(s, "a", x, maker.weights(3, 4), 32)
    s = net.scan("text")
    cells.product(s, "b", "x", maker.weights(3, 4))
    state = s.state("state", "f", 3)
    cells.product(s, "c", state, maker.weights(3, 3))
    cells.product(s, "f", "b", maker.weights(3, 3))
    s = net.scan("text")
    cells.product(s, "d", "b", maker.weights(3, 3), 32)
    cells.product(s, "e", "c", maker.weights(3, 3), 32)
    feed = maker.tokens()
    expected = run(net, {"text": feed}).traces
    for keep in ((), None):
        found = real(Masters(net), keep, tapes=TAPES).run({"text": Batch.of(feed)}).traces
        assert set(found._left) == {"d", "e"}
        assert set(found) == {*net.outputs, *(() if keep is not None else ("x", "state"))}
        for name in net.outputs:
            theirs = torch.from_numpy(expected[name]).transpose(0, 1).float()
            torch.testing.assert_close(found[name], theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", [n for n in NETWORKS if NETWORKS[n]()[0].outputs == ["logits"]])
def test_networks_have_the_loss_and_gradients_of_their_logits(name):
    masters, feeds, ranges, pwls = made(name)
    shape = Batch.of(feeds[masters.template.scans[-1].sequence]).shape
    targets = torch.from_numpy(np.random.default_rng(1).integers(0, SYMBOLS, shape))
    choices = Choices(pieces={"": None})
    for model in (
        integer(masters, ranges, choices, activations=pwls, tapes=TAPES),
        Reals(masters, TAPES),
    ):
        found = []
        for fused in (True, False):
            outputs = model.run({n: model.feed(f) for n, f in feeds.items()}).traces
            outputs = outputs.reals(model.unit)
            if not fused:
                outputs = Outputs({"logits": outputs["logits"]})
            for parameter in masters.values():
                parameter.grad = None
            loss = outputs.cross_entropy("logits", targets)
            loss.backward()
            grads = {n: p.grad for n, p in masters.items() if p.grad is not None}
            found.append((loss.item(), grads))
        assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
        agree(found[0][1], found[1][1], 2e-2)


def test_perplexity_needs_no_logits(monkeypatch):
    masters = Masters(norm_lstm(np.random.default_rng(1), 40, 12, 0.0))
    tokens = np.random.default_rng(1).integers(0, 40, 10 * 2 * WINDOW + 1).astype(np.int32)
    found = []
    for tapes in (None, TAPES):
        model = Reals(masters, tapes)
        found.append(perplexity(lambda f, s, m=model: m.run({SEQUENCE: m.feed(f)}, s), 1.0, tokens))
        monkeypatch.setattr(Outputs, "__getitem__", None)
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_codes_of_16_bits_are_exact():
    maker, net = Maker(1), Network(outputs=["logits"])
    s = net.scan("text")
    x = s.add(Embedding(name="x", length=4, table=maker.rng.normal(0, 1, (SYMBOLS, 4))))
    h = cells.product(s, "h", x, maker.weights(1, 4), 16)
    cells.product(s, "logits", h, maker.weights(9, 1, bias=False), 32)
    ranges = dict.fromkeys(s.lengths, (-4.0, 4.0))
    model, feed = integer(Masters(net), ranges, tapes=TAPES), {"text": maker.tokens()}
    outputs = model.run({"text": model.feed(feed["text"])}).traces.reals(lambda name: 1.0)
    targets = torch.zeros(25, 6, dtype=torch.int64)
    logits = Executor(model.taken.model, 6).run(feed)["logits"]
    assert np.array_equal(outputs["logits"].detach().long().transpose(0, 1).numpy(), logits)
    far = np.diff(np.sort(logits, axis=-1)[..., -2:]).min()
    assert far > 90  # so that the largest is the log sum exp
    expected = (logits.max(-1) - logits[..., 0]).mean()
    assert outputs.cross_entropy("logits", targets).item() == np.float32(expected)


def test_a_machine_without_a_compiler_has_torch(monkeypatch):
    def missing():
        raise InputError("c++: not found")

    monkeypatch.setattr("irnn_hw.qat.compiled.library", missing)
    assert available() is None
