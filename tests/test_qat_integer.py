"""irnn_hw.qat.integer: golden's bits for every tensor of every network, and gradients."""

from dataclasses import replace

import every_operation
import numpy as np
import pytest
import torch
from networks import NETWORKS, SIZE, Maker
from qat_networks import every_tensor, live, made, tables
from test_qat_real import dropping_network

from golden.executor import Executor
from golden.feed import Feed
from golden.kernels import evaluate
from golden.linear import MatVecSpec, matvec
from golden.operations import Slice
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.integer import Twin, integer
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.real import observe, real
from irnn_hw.quant import cells
from irnn_hw.quant.cells import LstmOptions
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Input
from irnn_hw.quant.quantize import Choices, quantize

TABLES = Choices(pieces={"": None})
# Cosine of the gradients of integers and of real numbers; weights of one bit and a sign are far.
LEAST = {"LSTM, ternary weights": 0.5, "LSTM, power-of-two weights": 0.8,
         "LSTM, exponential weights": 0.8, "Mogrifier, mixture of softmaxes": 0.8,
         "MadNorm LSTM, norms of each gate": 0.6, "MadNorm LSTM": 0.8}  # fmt: skip


def compare(model, twin, feeds, batches):
    """Words compared and words that differ, of every tensor of every step and all last states."""
    batch = next(iter(batches.values())).shape[1]
    executor = Executor(model, batch, every_tensor(model))
    expected, found = executor.run(feeds), twin.run(batches)
    pairs = [
        (codes[counted], twin.codes(name, found.traces[name])[counted])
        for name, codes in expected.items()
        for counted in [live(model, name, feeds, codes.shape)]
    ]
    for state in executor.tensors.states:
        ours = found.states[state].detach().long().numpy() + model.tensors[state].zero_point
        pairs.append((executor.tensors[state], ours))
    differing = sum(int(np.count_nonzero(a != b)) for a, b in pairs)
    return sum(a.size for a, _ in pairs), differing


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kind", ["pwl", "tables", "stacks"])
def test_every_tensor_of_every_step_is_goldens(name, kind):
    masters, feeds, ranges, pwls = made(name)
    names = None  # every operation by itself; else sums and activations of gates are stacked
    if kind == "tables":  # attention has PWL alone
        pwls = {key: spec for key, spec in pwls.items() if key.startswith("context.")}
    if kind == "stacks":
        names = [name for scan in masters.template.scans for name in scan.own]
    taken = integer(masters, ranges, TABLES, names, activations=pwls)
    codes = {key: taken.taken.feed(feed) for key, feed in feeds.items()}
    batches = {key: taken.feed(feed) for key, feed in feeds.items()}
    compared, differing = compare(taken.taken.model, taken.twin, codes, batches)
    assert compared > 10_000
    assert differing == 0


def test_every_operation_of_a_hand_made_model():
    model, feeds = every_operation.MODEL, every_operation.feeds(every_operation.MODEL, 4, 20)
    rng = np.random.default_rng(1)
    feeds["text"] = replace(feeds["text"], tokens=rng.integers(0, 5, (4, 20)))
    feeds = {key: replace(f, lengths=np.array([20, 1, 9, 20])) for key, f in feeds.items()}
    twin = Twin(model, None)
    batches = {key: twin.feed(feed) for key, feed in feeds.items()}
    compared, differing = compare(model, twin, feeds, batches)
    assert compared > 4000
    assert differing == 0


def gradients(masters, traces, units):
    weights = torch.from_numpy(np.random.default_rng(2).normal(0, 1, (40, 1, 1))).float()
    loss = sum(
        (traces[n].float() * unit * weights[: len(traces[n])]).sigmoid().sum()
        for n, unit in units.items()
    )
    return dict(zip(masters, torch.autograd.grad(loss, list(masters.values())), strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_straight_through_gradients_point_as_the_real_ones(name):
    masters, feeds, ranges, pwls = made(name)
    real_batches = {key: Batch.of(feed) for key, feed in feeds.items()}
    outputs = masters.template.outputs
    expected = gradients(masters, real(masters).run(real_batches).traces, dict.fromkeys(outputs, 1))
    taken = integer(masters, ranges, activations=pwls)
    batches = {key: taken.feed(feed) for key, feed in feeds.items()}
    units = {n: taken.unit(n) for n in outputs}
    found = gradients(masters, taken.run(batches).traces, units)
    for key, gradient in expected.items():
        assert found[key].isfinite().all(), key
        likeness = torch.cosine_similarity(gradient.flatten(), found[key].flatten(), dim=0)
        assert likeness > LEAST.get(name, 0.9), (key, likeness)
        ratio, most = (found[key].norm() / gradient.norm()).item(), 2.5 if name in LEAST else 1.4
        assert 1 / most < ratio < most, (key, ratio)


def front_end():
    """A convolution over time, as a product of stacked frames, ReLU, an LSTM of 16-bit cells."""
    maker, net = Maker(4), Network(outputs=["y"])
    s = net.scan("speech")
    x = s.add(Input(name="frames", length=4 * 5))
    hidden = cells.product(s, "conv", x, maker.weights(10, 4 * 5))
    features = cells.activation(s, "conv.relu", "relu", hidden)
    w_x, w_h = maker.weights(4 * 6, 10), maker.weights(4 * 6, 6, bias=False)
    h = cells.lstm(s, "l", [(features, w_x)], w_h, LstmOptions(cell_bits=16))
    cells.product(s, "y", h, maker.weights(7, 6), 32)
    vectors = maker.rng.normal(0, 1, (9, 30, 5))
    stacked = np.concatenate([vectors[:, n : n + 26 : 2] for n in range(4)], axis=2)
    return net, {"speech": Feed(inputs={"frames": stacked}, lengths=np.arange(5, 14))}


def test_a_front_end_of_stacked_frames_is_exact_too():
    network, feeds = front_end()
    masters = Masters(network)
    ranges, _ = observe(masters, {"speech": Batch.of(feeds["speech"])})
    taken = integer(masters, ranges, None, None, activations=tables(network, ranges))
    codes, batches = ({"speech": f(feeds["speech"])} for f in (taken.taken.feed, taken.feed))
    compared, differing = compare(taken.taken.model, taken.twin, codes, batches)
    assert compared > 10_000
    assert differing == 0
    taken.run(batches).traces["y"].sum().backward()
    assert masters["conv.weights"].grad.abs().sum() > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_stacks_and_symbols_change_nothing(name):
    """Gates side by side, and products by symbol, against each operation at each step."""
    masters, feeds, ranges, pwls = made(name)
    short = {key: cut(feed, 2) for key, feed in feeds.items()}  # fewer steps than symbols
    found = []
    for keep, fed in (((), feeds), (None, feeds), ((), short)):
        taken = integer(masters, ranges, None, keep, activations=pwls)
        batches = {key: taken.feed(feed) for key, feed in fed.items()}
        run, outputs = taken.run(batches), masters.template.outputs
        traces = {n: run.traces[n] for n in outputs}
        found.append((traces, gradients(masters, traces, {n: taken.unit(n) for n in outputs})))
    (stacked, ours), (plain, theirs), (few, _) = found
    for name in stacked:
        assert torch.equal(stacked[name], plain[name])
        if "speech" not in feeds:  # whose memory is cut, too
            assert torch.equal(stacked[name][:2], few[name])
    for key, gradient in ours.items():
        scale = theirs[key].abs().max().item()
        assert torch.allclose(gradient, theirs[key], rtol=1e-4, atol=1e-5 * scale), key


def cut(feed, steps):
    lengths = None if feed.lengths is None else np.minimum(feed.lengths, steps)
    tokens = None if feed.tokens is None else feed.tokens[:, :steps]
    return Feed(tokens, {n: x[:, :steps] for n, x in feed.inputs.items()}, lengths)


def test_a_window_goes_on_from_the_last_states():
    masters, feeds, ranges, pwls = made("LSTM, 16-bit cell")
    taken = integer(masters, ranges, activations=pwls)
    tokens = Batch.of(feeds["text"]).tokens
    whole = taken.run({"text": Batch(tokens)})
    first = taken.run({"text": Batch(tokens[:11])})
    second = taken.run({"text": Batch(tokens[11:])}, first.states)
    parts = torch.cat([first.traces["logits"], second.traces["logits"]])
    assert torch.equal(parts, whole.traces["logits"])
    assert all(torch.equal(second.states[n], x) for n, x in whole.states.items())


def dropped(rate=0.25):
    """A quantized network in training, the codes of all its tensors, what it keeps."""
    network, feeds = dropping_network(rate)
    masters = Masters(network)
    ranges, _ = observe(masters, {"text": Batch.of(feeds["text"])})
    taken = integer(masters, ranges, None, None, True, tables(network, ranges))
    shapes = {"x.dropped": (9, 4, 6), "h.dropped": (9, 4, 8)}
    rng = np.random.default_rng(1)
    kept = {n: torch.from_numpy(rng.random(s) >= rate).float() for n, s in shapes.items()}
    batch = replace(taken.feed(feeds["text"]), kept=kept)
    traces = taken.run({"text": batch}).traces
    codes = {name: taken.twin.codes(name, traces[name]) for name in traces}
    return masters, feeds, ranges, taken, codes, kept


def test_dropout_is_exact_operation_by_operation():
    _, _, _, taken, codes, kept = dropped()
    model, checked = taken.taken.model, 0
    for op, spec in zip(model.operations, model.specs, strict=True):
        inputs = [codes[name] for name in op.inputs]
        if isinstance(op, Slice) and op.output in kept:
            (x,), zero_point = inputs, model.tensors[op.output].zero_point
            found = np.where(kept[op.output].transpose(0, 1) > 0, x, zero_point)
        elif isinstance(spec, MatVecSpec):
            found = matvec(spec, inputs[0])
        elif spec is not None and "1-z" not in op.output:
            found = evaluate(spec, inputs, None)
        else:
            continue
        assert np.array_equal(found, codes[op.output]), op.output
        checked += 1
    assert checked > 12


def test_dropout_is_in_the_scale_and_leaves_no_operation_behind():
    masters, feeds, ranges, taken, _, kept = dropped()
    p = taken.taken.params
    for name, source in (("x.dropped", "x"), ("h.dropped", "g.h.next")):
        assert p[name].zero_point == p[source].zero_point
        assert p[name].scale == pytest.approx(p[source].scale / 0.75)
    pwls = tables(masters.template, ranges)
    plain = integer(masters, ranges, activations=pwls)
    assert not set(kept) & set(plain.taken.model.tensors)
    assert plain.taken.model.spec("y").multiplier is None
    # In the mean over what is dropped, the outputs are near those without.
    batch = plain.feed(feeds["text"])
    expected = plain.run({"text": batch}).traces["y"] * plain.unit("y")
    generator, total = torch.Generator().manual_seed(1), torch.zeros_like(expected)
    for _ in range(200):
        masks = {n: (torch.rand(k.shape, generator=generator) >= 0.25).float()
                 for n, k in kept.items()}  # fmt: skip
        y = taken.run({"text": replace(batch, kept=masks)}).traces["y"]
        total += y.detach() * taken.unit("y")
    assert torch.corrcoef(torch.stack([total.flatten(), expected.flatten()]))[0, 1] > 0.97
    assert (total.std() / 200 / expected.std()).item() == pytest.approx(1, abs=0.15)


def test_stochastic_weights_are_drawn_about_their_masters_and_stay_exact():
    masters, feeds, ranges, pwls = made("LSTM, ternary weights")
    drawn = []
    for seed in (1, 1, 2):
        choices = Choices(rng=np.random.default_rng(seed))
        taken = integer(masters, ranges, choices, None, activations=pwls)
        codes = {"text": taken.taken.feed(feeds["text"])}
        model, batches = taken.taken.model, {"text": taken.feed(feeds["text"])}
        assert compare(model, taken.twin, codes, batches)[1] == 0
        drawn.append(next(op.weights for op in model.operations if op.output == "l.ph"))
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    nearest = quantize(masters.network(), taken.taken.params, Choices(), None, pwls).model
    assert (nearest.spec("l.ph").weights != drawn[0]).mean() > 0.1


def test_a_table_is_clamped_by_a_range_that_is_not_its_own():
    network, feeds = Maker(1).language_model(lambda s, x: x, hidden=SIZE)
    (scan,) = network.scans
    scan.nodes[0] = replace(scan.nodes[0], range=(-1.0, 1.0))
    masters = Masters(network)
    taken = integer(masters, {})
    logits = taken.run({"text": taken.feed(feeds["text"])}).traces["logits"]
    (grad,) = torch.autograd.grad(logits.sum(), masters["x.table"])
    beyond = masters["x.table"].detach().abs() > 1.02
    assert beyond.sum() > 10
    assert not grad[beyond].any()
    assert grad[~beyond].count_nonzero() > 0.9 * (~beyond).sum()
