"""irnn_hw.qat.partial: a network of which a part is on codes, tensor by tensor."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from networks import NETWORKS, Maker
from qat_networks import made

from golden.errors import InputError
from golden.feed import Feed
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.compiled import available
from irnn_hw.qat.config import STAGES, Schedule, TrainConfig
from irnn_hw.qat.export import export_model
from irnn_hw.qat.integer import integer
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.partial import Codes, partial, rounding
from irnn_hw.qat.real import Reals
from irnn_hw.qat.restored import restore
from irnn_hw.qat.trainee import language_task, train_network
from irnn_hw.qat.trials import evaluated
from irnn_hw.quant import cells
from irnn_hw.quant.compound import Attend, MadNorm
from irnn_hw.quant.network import Network, run
from irnn_hw.quant.nodes import (
    Activation,
    Affine,
    Dropout,
    Embedding,
    Input,
    Product,
    Slice,
    Values,
)
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.quantize import Choices, parameters

PARTIAL = STAGES[:-1]
FEW = (
    "LSTM, a multiplier a row", "MadNorm LSTM", "GRU", "Mogrifier, mixture of softmaxes",
    "encoder-decoder",
)  # fmt: skip
EVERY = [(name, stage) for name in FEW for stage in PARTIAL]
SHORT = 6
SCHEDULE = Schedule(
    float_steps=30, range_steps=4, lut_steps=8, pwl_steps=0, weight_decay=0.0, checkpoint_every=4
)


def doubles(name):
    """Masters in float64, ranges, tables and batches of the first steps of a network's feeds."""
    masters, feeds, ranges, tables = made(name)
    short = {}
    for key, feed in feeds.items():
        tokens = None if feed.tokens is None else feed.tokens[:, :SHORT]
        lengths = None if feed.lengths is None else np.minimum(feed.lengths, SHORT)
        short[key] = Feed(tokens, {n: x[:, :SHORT] for n, x in feed.inputs.items()}, lengths)
    return Masters(masters.template, torch.float64), short, ranges, tables


def on_codes(network, taken):
    """The network with the real numbers of its integers in place of its arrays."""
    ops = {op.output: op for op in taken.model.operations}

    def of(node):
        op, scale = ops[node.name], taken.scales
        match node:
            case Embedding():
                return replace(node, table=taken.params[node.name].dequantize(op.table))
            case Product():
                return replace(node, **product(node.name, op, node.bias is not None))
            case Affine():
                gamma, beta = op.gamma * scale[f"{node.name}.gamma"], scale[f"{node.name}.beta"]
                return replace(node, gamma=gamma, beta=op.beta * beta)
            case Attend():
                return replace(node, v=product(node.score.name, op.score, False)["weights"][0])
        return node

    def product(name, op, has_bias):
        unit = np.atleast_1d(taken.scales[name])[:, np.newaxis]
        weights = (op.weights.astype(float) - op.weight_zero_point) * unit
        return {
            "weights": weights,
            "bias": op.bias * taken.scales[f"{name}.bias"] if has_bias else None,
        }

    scans = [replace(scan, nodes=[*map(of, scan.nodes)]) for scan in network.scans]
    return Network(scans, network.outputs)


class OnCodes(dict):
    """Rounds a tensor to the codes of its parameters, where it has some."""

    def __call__(self, name, x):
        p = self[name].params if name in self else None
        return x if p is None else p.dequantize(p.quantize(x))

    def least(self, name):
        """What a deviation below it counts as."""
        return self[name].params.scale if name in self else 1e-30


def expected(node, values, on):
    """What a node gives of the tensors that it reads, rounded by `on(name, x)`."""
    match node:
        case MadNorm():
            x = values[node.inputs[0]]
            parts = x.reshape(len(x), node.rows, -1)
            mean = on(node.mean.name, parts.mean(2))
            centred = on(node.centred.name, parts - mean[..., np.newaxis])
            d = on(node.deviation.name, np.abs(centred).mean(2))
            y = centred / np.maximum(d, on.least(node.deviation.name))[..., np.newaxis]
            found = mean, centred.reshape(x.shape), d, on(node.name, y).reshape(x.shape)
            return dict(zip((t.name for t in node.tensors), found, strict=True))
        case Attend():
            query, key, memory = (values[n] for n in node.inputs)
            total = on(node.total.name, query[:, np.newaxis] + key)
            score = on(node.score.name, np.tanh(total) @ node.v)
            padded = np.arange(score.shape[1]) >= values.lengths[node.memory][:, np.newaxis]
            masked = np.where(padded, -np.inf, score)
            exp = np.exp(masked - masked.max(1, keepdims=True))
            context = np.einsum("bs,bsk->bk", exp, memory) / exp.sum(1, keepdims=True)
            return {node.name: on(node.name, context)}
    return {name: on(name, x) for name, x in node.evaluate(values).items()}


@pytest.mark.parametrize(
    ("name", "stage"), dict.fromkeys([*EVERY, *((name, "elements") for name in NETWORKS)])
)
def test_every_tensor_is_that_of_those_it_reads_on_the_codes_of_the_stage(name, stage):
    """With the arrays of the integer model."""
    masters, feeds, ranges, tables = doubles(name)
    now = partial(masters, ranges, stage, keep=None, activations=tables)
    found = now.run({key: now.feed(feed) for key, feed in feeds.items()})
    traces = {n: x.detach().numpy() for n, x in found.traces.items()}
    taken = integer(masters, ranges, activations=tables).taken
    network = on_codes(masters.template, taken)
    on = OnCodes(rounding(network, taken.params, stage))

    compared = 0
    for scan in network.scans:
        feed, batch = feeds[scan.sequence], Batch.of(feeds[scan.sequence])
        steps, count = batch.shape
        lengths = {k: np.tile(f.lengths, steps) for k, f in feeds.items() if f.lengths is not None}
        values = Values(lengths)
        for n, x in traces.items():
            if len(x) == steps and x.ndim == 3:
                values[n] = x.reshape(-1, x.shape[-1])
        for node in scan.nodes:
            if isinstance(node, Attend):
                for n in node.inputs[1:]:
                    values[n] = np.tile(traces[n].swapaxes(0, 1), (steps, 1, 1))
        if feed.tokens is not None:
            values["tokens"] = feed.tokens.T.reshape(-1, 1)
        live = np.ones((steps, count), bool) if batch.live is None else batch.live.numpy()
        for node in scan.nodes:
            own = expected(node, values, on)
            if isinstance(node, Input):
                own = {node.name: on(node.name, feed.inputs[node.name].swapaxes(0, 1))}
            for tensor, theirs in own.items():
                ours = traces[tensor]
                difference = np.abs(ours - theirs.reshape(ours.shape))[live]
                assert difference.max() < 1e-9, tensor
                compared += difference.size
    assert compared > 1000


def test_a_stage_has_the_kinds_of_nodes_that_its_name_says_and_what_is_before_it():
    masters, _, ranges, _ = made("MadNorm LSTM")
    network = masters.template
    found = [set(rounding(network, parameters(network, ranges), stage)) for stage in PARTIAL]
    assert found[0] == set()
    assert found[1] == {"l.px", "l.ph"}  # the logits have 32 bits
    assert found[0] < found[1] < found[2]
    rest = {t.name: t for node in network.nodes for t in node.tensors if t.name not in found[2]}
    kinds = {type(node) for node in rest.values()}
    assert kinds == {Embedding, Activation, Slice, Product}
    assert {n for n, node in rest.items() if isinstance(node, Product)} == {"logits"}
    masters, _, ranges, _ = made("encoder-decoder")
    network = masters.template
    found = [set(rounding(network, parameters(network, ranges), stage)) for stage in PARTIAL]
    assert {"context", "context.score"} == {n for n in found[1] if "context" in n}
    assert {"context.total", "features", "encoder0"} <= found[2] - found[1]
    assert not {"context.tanh", "context.exp"} & found[2]


@pytest.mark.parametrize("params", [QuantParams(0.37, 11), QuantParams(1e-3, 40_000, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_is_that_of_the_parameters_to_the_bit(params, dtype):
    rng = np.random.default_rng(1)
    steps = np.concatenate(
        [
            np.arange(-params.zero_point - 3, params.high - params.zero_point + 4) + 0.5,
            rng.uniform(-1.2, 1.2, 5000) * params.high,
            [0.0, -0.0, 1e30, -1e30, np.nextafter(0.5, 0), -np.nextafter(0.5, 0)],
        ]
    )
    x = torch.from_numpy(steps * params.scale).to(dtype).requires_grad_()
    y = Codes(params)(x)
    reals = x.detach().double().numpy()
    theirs = torch.from_numpy(params.dequantize(params.quantize(reals))).to(dtype)
    assert torch.equal(y, theirs)
    assert torch.equal(Codes(params)(y), y)
    y.sum().backward()
    centre = np.sign(reals) * np.floor(np.abs(reals / params.scale) + 0.5) + params.zero_point
    inside = torch.from_numpy((centre >= 0) & (centre <= params.high))
    assert torch.equal(x.grad, inside.to(dtype))


def test_rounding_of_powers_of_two_is_away_from_zero_at_each_half():
    x = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    assert Codes(QuantParams(1.0, 8, 4))(x).tolist() == [-3, -2, -1, 1, 2, 3]


class Held:
    """Rounds with gradients of torch's: to what is held, the difference that rounding made, a value
    is added, or where it is clamped it is replaced."""

    def __init__(self, codes):
        self.codes, self.unit = codes, codes.unit

    def __call__(self, x):
        p, y = self.codes.params, self.codes(x.detach())
        steps = torch.round(x.detach() / p.scale) + p.zero_point
        inside = ((steps >= p.low) & (steps <= p.high)).double()
        return inside * x + (y - inside * x.detach())


@pytest.mark.parametrize(("name", "stage"), EVERY)
def test_gradients_are_straight_through(name, stage):
    """Those of the network in real numbers on the codes' arrays, with all roundings held (that they
    are differences of the loss is tested in tests/test_qat_real.py)."""
    masters, feeds, ranges, tables = doubles(name)
    narrow = {n: (0.6 * low, 0.6 * high) for n, (low, high) in ranges.items()}  # much is clamped

    def loss(model):
        traces = model.run({key: model.feed(feed) for key, feed in feeds.items()}).traces
        return sum(traces[n].sigmoid().square().sum() for n in masters.template.outputs)

    loss(partial(masters, narrow, stage, activations=tables)).backward()
    taken = integer(masters, narrow, activations=tables).taken
    plain = Masters(on_codes(masters.template, taken), torch.float64)
    codes = rounding(plain.template, taken.params, stage)
    loss(Reals(plain, rounding={n: Held(c) for n, c in codes.items()})).backward()
    for key, parameter in plain.items():
        ours, theirs = masters[key].grad, parameter.grad
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-6 * theirs.abs().max().item()), key
        assert theirs.any(), key


@pytest.mark.parametrize(
    "name", ["LSTM", "LSTM, 16-bit gates and cell", "MadNorm LSTM", "GRU",
             "Mogrifier, mixture of softmaxes"]
)  # fmt: skip
def test_all_but_activations_is_near_the_integers_with_tables(name):
    masters, _, ranges, _ = made(name)
    _, feeds, _, _ = doubles(name)
    names, choices = parameters(masters.template, ranges), Choices({"": None})
    near = partial(masters, ranges, "elements", keep=names)
    exact = integer(masters, ranges, choices, keep=names)
    ours = near.run({key: near.feed(feed) for key, feed in feeds.items()}).traces
    theirs = exact.run({key: exact.feed(feed) for key, feed in feeds.items()}).traces
    for n, p in exact.taken.params.items():
        difference = (ours[n] / p.scale - theirs[n]).abs().mean().item() / 2 ** (p.bits - 8)
        assert difference < 2.5, n  # of 8 bits: a norm makes steps of its input larger


@pytest.mark.parametrize("stage", PARTIAL)
def test_the_engine_computes_the_same_and_no_recurrence_that_is_rounded(stage):
    masters, feeds, ranges, tables = made("MadNorm LSTM")
    found = []
    for tapes in (None, available()):
        model = partial(masters, ranges, stage, activations=tables, tapes=tapes)
        taken = model.run({key: model.feed(feed) for key, feed in feeds.items()})
        found.append([taken.traces["logits"], *taken.states.values()])
    for ours, theirs in zip(*found, strict=True):
        close = stage == "weights" and torch.allclose(ours, theirs, atol=1e-4)
        assert close or torch.equal(ours, theirs)


def test_a_deviation_below_one_code_counts_as_one():
    net = Network(outputs=["y"])
    step = net.scan("text")
    step.add(Input(name="x", length=4))
    step.add(MadNorm(name="y", inputs=("x",), length=4))
    ranges = {"x": (-1.0, 1.0), "y.mu": (-1.0, 1.0), "y.x_hat": (-1.0, 1.0), "y.d": (0.0, 25.5),
              "y": (-10.0, 10.0)}  # fmt: skip
    model = partial(Masters(net), ranges, "elements", keep=["y.d"])
    x = np.array([[[0.0, 0.0, 0.02, -0.02]]])
    traces = model.run({"text": model.feed(Feed(inputs={"x": x}))}).traces
    assert not traces["y.d"].any()
    assert torch.allclose(traces["y"], torch.tensor([0.0, 0.0, 0.2, -0.2]), atol=0.05)


def dropping_model():
    maker, net = Maker(3), Network(outputs=["logits"])
    step = net.scan("text")
    x = step.add(Embedding(name="x", length=8, table=maker.rng.normal(0, 1, (12, 8))))
    x = step.add(Dropout(name="x.dropped", inputs=(x,), length=8, rate=0.2))
    h = cells.gru(step, "g", x, maker.weights(36, 8), maker.weights(36, 12))
    h = step.add(Dropout(name="h.dropped", inputs=(h,), length=12, rate=0.1))
    cells.product(step, "logits", h, maker.weights(12, 12), 32)
    return net


def test_a_bias_beside_what_is_dropped_is_on_the_codes_that_it_is_trained_with():
    """A dropout makes its output's scale larger: the products of nothing show the bias."""
    network = dropping_model()
    masters, feed = Masters(network), Feed(np.arange(6).reshape(2, 3))
    ranges = run(network, {"text": feed}).ranges
    model = partial(masters, ranges, "weights", keep=["g.px"], dropping=True)
    kept = {"x.dropped": torch.zeros(3, 2, 8), "h.dropped": torch.ones(3, 2, 12)}
    batch = replace(model.feed(feed), kept=kept)
    found = model.run({"text": batch}).traces["g.px"][0, 0].detach().numpy()
    taken = integer(masters, ranges, dropping=True).taken
    spec, unit = taken.model.spec("g.px"), np.float32(taken.scales["g.px.bias"])
    assert np.array_equal(found, spec.bias.astype(np.float32) * unit)


def task():
    """The next symbol follows from the last two; the score is the loss on the first window."""
    text = [1, 2]
    for _ in range(2000):
        text.append((text[-1] + 2 * text[-2]) % 12)
    of = language_task(dropping_model(), np.array(text), 8, 12, "text")
    return replace(of, score=lambda model: score(of, model))


@torch.no_grad()
def score(of, model):
    window = of.window(0)
    taken = model.run({"text": model.feed(window.feeds["text"])})
    return of.loss(taken.traces.reals(model.unit), window.targets).item()


@pytest.mark.parametrize("stage", PARTIAL)
def test_a_stage_trains_resumes_and_is_evaluated_as_it_was_trained(stage, tmp_path):
    config, of, path = replace(SCHEDULE, quantized=stage, score_every=8), task(), tmp_path / "whole"
    result = train_network(config, of, path)
    assert np.mean(result.losses["lut"]) < 0.8 * result.losses["float"][0]

    def stop(phase, step, steps, loss):
        if (phase, step) == ("lut", 5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_network(config, of, tmp_path / "parts", stop)
    assert train_network(config, of, tmp_path / "parts").losses == result.losses
    restored = restore(path, "lut")
    model = evaluated(restored)
    assert isinstance(model, Reals)
    found = score(of, model)
    assert found == result.scores["lut"][-1][1]
    others = [partial(restored.masters(), restored.ranges, s) for s in PARTIAL if s != stage]
    others += [Reals(restored.masters()), integer(restored.masters(), restored.ranges)]
    assert all(abs(score(of, other) - found) > 1e-5 for other in others)


def test_with_and_without_the_engine_weights_train_alike(tmp_path):
    config = replace(SCHEDULE, quantized="weights")
    losses = train_network(config, task(), tmp_path / "a").losses["lut"]
    plain = train_network(replace(config, compiled=False), task(), tmp_path / "b").losses["lut"]
    assert losses == pytest.approx(plain, abs=2e-3)


def test_what_is_on_codes_in_part_has_no_integers(tmp_path):
    path = tmp_path / "checkpoint"
    train_network(replace(SCHEDULE, quantized="elements", float_steps=1, lut_steps=1), task(), path)
    message = r"checkpoint: trained with quantized = 'elements', which has no integers; train with"
    with pytest.raises(InputError, match=message):
        export_model(path)
    with pytest.raises(InputError, match=message):
        restore(path, "lut").integer()
    with pytest.raises(InputError, match=r"another configuration \(quantized elements there, all"):
        train_network(replace(SCHEDULE, float_steps=1, lut_steps=1), task(), path)


def test_a_schedule_has_one_of_the_stages():
    assert SCHEDULE.quantized == "all"
    with pytest.raises(InputError, match="quantized: 'some'; choose weights, products, elements"):
        replace(SCHEDULE, quantized="some")
    with pytest.raises(InputError, match="quantized: 'weights'; of a character model it is 'all'"):
        TrainConfig(quantized="weights")
    before = {name: value for name, value in asdict(SCHEDULE).items() if name != "quantized"}
    assert not SCHEDULE.difference(before)  # of a checkpoint that is older than the field
    assert replace(SCHEDULE, quantized="weights").difference(before)
