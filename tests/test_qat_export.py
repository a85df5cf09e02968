"""irnn_hw.qat.model: the quantized network's names, order, constants and limits."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from golden.errors import InputError
from golden.executor import Executor
from golden.model import IntModel
from golden.operations import Add, Embedding, LookUp, MatVec, Multiply, Pwl, Slice
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.integer import integer
from irnn_hw.qat.model import CharLM, CharMasters
from irnn_hw.quant.cells import LSTM_GATES
from irnn_hw.quant.quantize import Choices, parameters, quantize

SYMBOLS, EMBEDDING, HIDDEN = 24, 16, 32
# What the compiler and the NPU are written against: one time step, in this order.
OPERATIONS = [
    ("x", Embedding, ()),
    ("px", MatVec, ("x",)),
    ("ph", MatVec, ("h",)),
    *((f"px.{g}", Slice, ("px",)) for g in "ifjo"),
    *((f"ph.{g}", Slice, ("ph",)) for g in "ifjo"),
    *((f"{g}.pre", Add, (f"px.{g}", f"ph.{g}")) for g in "ifjo"),
    *((g, Pwl, (f"{g}.pre",)) for g in "ifjo"),
    ("fc", Multiply, ("f", "c")),
    ("ij", Multiply, ("i", "j")),
    ("c.next", Add, ("fc", "ij")),
    ("c.tanh", Pwl, ("c.next",)),
    ("h.next", Multiply, ("o", "c.tanh")),
    ("logits", MatVec, ("h.next",)),
]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(5)
    model = CharLM(SYMBOLS, EMBEDDING, HIDDEN)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 2  # gates that open and close, as in a trained network
    return model


@pytest.fixture(scope="module")
def tokens():
    return torch.from_numpy(np.random.default_rng(7).integers(0, SYMBOLS, (40, 8)))


@pytest.fixture(scope="module")
def ranges(network, tokens):
    return network.observe(tokens, network.initial_state(8))[0]


def export(network, ranges, pieces=16):
    return integer(CharMasters(network), ranges, Choices({"": pieces}, "greedy")).taken


def test_names_kinds_and_order_are_the_contract(network, ranges):
    model = export(network, ranges).model
    assert [(op.output, type(op), op.inputs) for op in model.operations] == OPERATIONS
    assert [(s.name, s.source) for s in model.states] == [("h", "h.next"), ("c", "c.next")]
    lengths = {"x": EMBEDDING, "px": 4 * HIDDEN, "ph": 4 * HIDDEN, "logits": SYMBOLS}
    for name, tensor in model.tensors.items():
        assert tensor.length == lengths.get(name, HIDDEN), name
        assert tensor.bits == (32 if name == "logits" else 8), name
    tables = export(network, ranges, pieces=None).model
    kinds = [LookUp if kind is Pwl else kind for _, kind, _ in OPERATIONS]
    assert [type(op) for op in tables.operations] == kinds


def test_gates_have_parameters_of_their_own(network, ranges):
    model = export(network, {**ranges, "f.pre": (-1.0, 9.0)}).model
    assert model.tensors["f.pre"].zero_point == 26
    for gate in LSTM_GATES:
        assert model.tensors[gate].zero_point == (128 if gate == "j" else 0)


def test_constants_are_nearest_to_the_reals(network, ranges):
    taken = export(network, ranges)
    weights = {node.name: node for node in CharMasters(network).template.nodes}
    ops = {op.output: op for op in taken.model.operations}
    for name, source in (("px", "x"), ("ph", "h")):
        unit = taken.params[source].scale * taken.scales[name]
        m = ops[name].multiplier
        assert m.mantissa * 2.0**-m.shift == pytest.approx(
            unit / taken.params[name].scale, rel=2**-15
        )
        error = ops[name].weights * taken.scales[name] - weights[name].weights
        assert np.abs(error).max() <= taken.scales[name] * 0.5001
    unit = taken.scales["px.bias"]
    assert np.abs(ops["px"].bias * unit - weights["px"].bias).max() <= unit
    assert not ops["ph"].bias.any()
    table = taken.params["x"].dequantize(ops["x"].table)
    assert np.abs(table - weights["x"].table).max() <= taken.params["x"].scale * 1.0001
    unit = taken.model.output_scale
    assert unit.mantissa * 2.0**-unit.shift == pytest.approx(
        taken.scales["logits.bias"], rel=2**-22
    )


def test_constants_fit_the_hardware(network, ranges):
    for op in export(network, ranges).model.operations:
        match op:
            case Add():
                assert max(map(abs, op.mantissas)) < 1 << 16
            case Multiply():
                assert 1 << 15 <= op.multiplier.mantissa < 1 << 16
            case Pwl():
                assert len(op.knots) == 16
                assert all(-(1 << 17) <= a < 1 << 17 for a in op.slopes)
                assert all(-(1 << 25) <= b < 1 << 25 for b in op.intercepts)


def test_quantized_logits_are_near_the_float_ones(network, ranges, tokens):
    taken = export(network, ranges)
    integers = Executor(taken.model, 8).run(tokens.T.numpy())["logits"]
    with torch.no_grad():
        floats, _ = network(tokens, network.initial_state(8))
    error = integers * taken.scales["logits.bias"] - floats.transpose(0, 1).numpy()
    assert np.abs(error).mean() < 0.05 * floats.std().item()


@pytest.mark.parametrize("pieces", [None, 16])
def test_straight_through_gradients_point_as_the_float_ones(network, ranges, tokens, pieces):
    def gradients(logits):
        network.zero_grad()
        cross_entropy(logits[:-1].flatten(0, 1), tokens[1:].flatten()).backward()
        return {name: p.grad.flatten() for name, p in network.named_parameters()}

    expected = gradients(network(tokens, network.initial_state(8))[0])
    quantized = integer(CharMasters(network), ranges, Choices({"": pieces}, "greedy"))
    accumulators = quantized.run({"text": Batch(tokens)}).traces["logits"]
    found = gradients(accumulators * quantized.unit("logits"))
    for name, gradient in expected.items():
        assert torch.cosine_similarity(gradient, found[name], dim=0) > 0.95, name
        assert 0.8 < found[name].norm() / gradient.norm() < 1.25, name


def test_metadata_and_file_hold_no_float(network, ranges, tmp_path):
    net = CharMasters(network).template
    params = parameters(net, ranges)
    model = quantize(net, params, None, {"task": "char-lm", "unknown": 3}).model
    model.save(tmp_path / "model.irnn")
    assert IntModel.load(tmp_path / "model.irnn").sha256 == model.sha256
    assert model.metadata == {"task": "char-lm", "unknown": 3}
    with pytest.raises(TypeError, match="a float"):
        quantize(net, params, None, {"loss": 1.5}).model.to_bytes()


@pytest.mark.parametrize(
    ("name", "limits", "message"),
    [
        ("fc", (-1e-9, 1e-9), "^fc: multiplier .* does not fit 16 bits"),
        ("i.pre", (-1e-9, 1e-9), "^i.pre: multiplier .* does not fit 16 bits"),
        ("px", (-1e15, 1e15), "px: multiplier .* needs a shift above 62"),
        ("ij", (-1e12, 1e12), "^ij: multiplier .* needs a shift above 62"),
        ("ph", (0.0, 0.0), "range: .* is empty"),
    ],
)
def test_ranges_out_of_domain_name_the_operation(network, ranges, name, limits, message):
    with pytest.raises(InputError, match=message):
        export(network, {**ranges, name: limits})


def test_a_bias_beyond_32_bits_is_refused(network, ranges):
    masters = CharMasters(network)
    next(n for n in masters.template.nodes if n.name == "logits").bias[0] = 1e9
    with pytest.raises(InputError, match="logits: a bias does not fit 32 bits"):
        quantize(masters.template, parameters(masters.template, ranges))


def test_every_range_that_is_needed_is_observed(network, ranges):
    for name in ranges:
        some = {key: ends for key, ends in ranges.items() if key != name}
        with pytest.raises(InputError, match=f"^{name}: no range was gathered"):
            export(network, some)
