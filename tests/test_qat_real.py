"""irnn_hw.qat.real: the network of irnn_hw.quant.network.run in torch, with gradients."""

import numpy as np
import pytest
import torch
from networks import NETWORKS, Maker
from qat_networks import made

from golden.errors import InputError
from golden.feed import Feed
from irnn_hw.qat.batch import Batch, kept_by
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.real import FUNCTIONS, observe, real
from irnn_hw.quant import cells
from irnn_hw.quant.network import Network, run
from irnn_hw.quant.nodes import Dropout, Input
from irnn_hw.quant.pwl import FUNCTIONS as REAL_FUNCTIONS


def steps_that_count(network, name, batches, x):
    """(N, length) of a trace (T, batch, length)."""
    scan = next(s for s in network.scans if name in s.own)
    live = batches[scan.sequence].live
    return x if live is None else x[live]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_tensor_is_that_of_the_network_in_numpy(name, dtype):
    network, feeds = NETWORKS[name]()
    names = [n for scan in network.scans for n in scan.own]
    expected = run(network, feeds, names)
    batches = {key: Batch.of(feed, dtype) for key, feed in feeds.items()}
    found = real(Masters(network, dtype), names).run(batches, None, dtype)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    for tensor, theirs in expected.traces.items():
        ours, theirs = found.traces[tensor].detach(), torch.from_numpy(theirs).transpose(0, 1)
        assert ours.dtype == dtype
        if ours.dim() == 3:  # within attention numpy keeps no trace
            ours, theirs = (steps_that_count(network, tensor, batches, x) for x in (ours, theirs))
            assert torch.allclose(ours.double(), theirs, rtol=0, atol=tolerance), tensor
    for state, theirs in expected.states.items():
        ours = found.states[state].detach().double().numpy()
        assert np.allclose(ours, theirs, rtol=0, atol=tolerance), state


@pytest.mark.parametrize("name", NETWORKS)
def test_ranges_are_those_of_the_network_in_numpy(name):
    masters, feeds, expected, _ = made(name)
    ranges, _ = observe(masters, {key: Batch.of(feed) for key, feed in feeds.items()})
    assert ranges.keys() == expected.keys()
    inner = [t.name for n in masters.template.nodes for t in n.tensors[:-1] if "context" in t.name]
    for tensor, ends in ranges.items():
        if tensor not in inner:  # of which numpy counts decoder steps that are padding, too
            assert ends == pytest.approx(expected[tensor], abs=1e-4), tensor
        else:
            assert expected[tensor][0] - 1e-4 <= ends[0] <= ends[1] <= expected[tensor][1] + 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_differences_of_the_loss(name):
    network, feeds = NETWORKS[name]()
    short = {}
    for key, feed in feeds.items():  # few steps: the loss must be near to linear
        lengths = None if feed.lengths is None else np.minimum(feed.lengths, 4)
        tokens = None if feed.tokens is None else feed.tokens[:, :4]
        short[key] = Feed(tokens, {n: x[:, :4] for n, x in feed.inputs.items()}, lengths)
    dtype = torch.float64
    masters = Masters(network, dtype)
    batches = {key: Batch.of(feed, dtype) for key, feed in short.items()}

    def loss():
        traces = real(masters).run(batches, None, dtype).traces
        return sum(traces[n].sigmoid().square().sum() for n in network.outputs)

    loss().backward()
    rng, step = np.random.default_rng(1), 1e-6
    for key, parameter in masters.items():
        way = torch.from_numpy(rng.normal(0, 1, tuple(parameter.shape)))
        values = parameter.data.clone()
        ends = []
        for sign in (1, -1):
            parameter.data = values + sign * step * way
            ends.append(loss().item())
        parameter.data = values
        slope = (ends[0] - ends[1]) / (2 * step)
        assert (parameter.grad * way).sum().item() == pytest.approx(slope, rel=1e-5, abs=1e-6), key


def test_states_are_carried_from_window_to_window():
    masters, feeds, _, _ = made("stack with residuals")
    tokens = Batch.of(feeds["text"]).tokens
    whole = real(masters).run({"text": Batch(tokens)})
    first = real(masters).run({"text": Batch(tokens[:11])})
    second = real(masters).run({"text": Batch(tokens[11:])}, first.states)
    parts = torch.cat([first.traces["logits"], second.traces["logits"]])
    assert torch.allclose(parts, whole.traces["logits"], atol=1e-5)
    assert all(torch.allclose(second.states[n], x, atol=1e-5) for n, x in whole.states.items())


def test_a_reverse_scan_starts_at_zero_in_every_window():
    net = Network(outputs=["h"])
    step = net.scan("text", reverse=True)
    x = step.add(Input(name="x", length=3))
    maker = Maker()
    h = cells.rnn(step, "", x, maker.weights(4, 3), maker.weights(4, 4))
    net.outputs = [h]
    feed = Feed(inputs={"x": maker.rng.normal(0, 1, (2, 5, 3))})
    once = run(net, {"text": feed})
    assert np.array_equal(run(net, {"text": feed}, states=once.states).traces[h], once.traces[h])
    batches = {"text": Batch.of(feed)}
    ours = real(Masters(net))
    first = ours.run(batches)
    assert torch.equal(ours.run(batches, first.states).traces[h], first.traces[h])


def dropping_network(rate=0.25):
    """A recurrence whose state is dropped on its way to the output, and its input before."""
    maker, net = Maker(2), Network(outputs=["y"])
    step = net.scan("text")
    step.add(Input(name="x", length=6))
    step.add(Dropout(name="x.dropped", inputs=("x",), length=6, rate=rate))
    h = cells.gru(step, "g", "x.dropped", maker.weights(24, 6), maker.weights(24, 8))
    step.add(Dropout(name="h.dropped", inputs=(h,), length=8, rate=rate))
    cells.product(step, "y", "h.dropped", maker.weights(5, 8), 32)
    return net, {"text": Feed(inputs={"x": maker.rng.normal(0, 1, (4, 9, 6))})}


def test_dropout_zeroes_and_scales_what_the_feed_says():
    network, feeds = dropping_network()
    batch, masters = Batch.of(feeds["text"]), Masters(network)
    kept = {"x.dropped": torch.ones(9, 4, 6), "h.dropped": torch.ones(9, 4, 8)}
    kept["x.dropped"][:, 1] = 0
    taken = real(masters, ["h.dropped", "x.dropped", "g.h.next"], dropping=True)
    traces = taken.run({"text": Batch(None, batch.inputs, kept=kept)}).traces
    assert not traces["x.dropped"][:, 1].any()
    assert torch.allclose(traces["x.dropped"][:, 0], batch.inputs["x"][:, 0] / 0.75)
    assert torch.allclose(traces["h.dropped"], traces["g.h.next"] / 0.75)
    plain = real(masters, ["x.dropped"]).run({"text": batch}).traces
    assert torch.equal(plain["x.dropped"], batch.inputs["x"])
    assert kept_by("x.dropped") not in plain


def test_a_tied_product_has_the_embeddings_parameter():
    network, _ = Maker(1).language_model(lambda s, x: x, tied=True, hidden=12)
    masters = Masters(network)
    assert set(masters) == {"x.table"}
    with torch.no_grad():
        masters["x.table"].mul_(2)
    nodes = {node.name: node for node in masters.network().nodes}
    assert np.array_equal(nodes["logits"].weights, nodes["x"].table)
    table = nodes["x"].table
    assert nodes["x"].known == (table.min(), table.max())  # its range follows its table


def test_functions_are_those_of_the_real_network():
    x = np.linspace(-4, 4, 101)
    assert FUNCTIONS.keys() == REAL_FUNCTIONS.keys()
    for name, function in FUNCTIONS.items():
        found = function(torch.from_numpy(x)).numpy()
        assert np.allclose(found, REAL_FUNCTIONS[name](x), atol=1e-12), name


def test_weights_of_another_network_are_refused():
    masters = made("LSTM")[0]
    arrays = masters.state_dict()
    with pytest.raises(InputError, match=r"^weights: l\.ph\.weights: in one of the two alone"):
        masters.load_state_dict({k: v for k, v in arrays.items() if k != "l.ph.weights"})
    with pytest.raises(InputError, match=r"^x\.table: shape \(20, 11\), \(20, 12\) expected"):
        masters.load_state_dict(arrays | {"x.table": arrays["x.table"][:, 1:]})
    with pytest.raises(InputError, match="sequence text is missing; give its feed"):
        real(masters).run({})
    with pytest.raises(InputError, match="neither tokens nor inputs; give one of them"):
        real(masters).run({"text": Batch()})
