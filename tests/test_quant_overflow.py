"""irnn_hw.quant.overflow: the static proof."""

import itertools

import numpy as np
import pytest
from networks import NETWORKS

from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.linear import ACCUMULATOR_MAX
from golden.model import IntModel
from golden.operations import Attend, Embedding, Input, MatVec, Tensor
from irnn_hw.quant.network import run
from irnn_hw.quant.overflow import prove_no_overflow
from irnn_hw.quant.quantize import Choices, parameters, quantize

TABLES = Choices(pieces={"": 8}, method="greedy")


def _reached(weights, bias, zero_point):
    """The largest |accumulator| over every corner of the input cube, by enumeration."""
    corners = np.array(list(itertools.product([0, 255], repeat=weights.shape[1]))) - zero_point
    return np.abs(corners @ weights.T + bias).max()


def product(weights, bias, zero_point, w_zero_point=0) -> IntModel:
    rows, columns = weights.shape
    tensors = {"x": Tensor("x", columns, 8, zero_point), "y": Tensor("y", rows, 32)}
    bias = np.array(bias, np.int32)
    operations = (Input("x"), MatVec("y", ("x",), weights, bias, None, w_zero_point))
    return IntModel.single(tensors, (), operations, "y", FixedPoint(1, 0))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_the_bound_is_reached_exactly(seed, dtype):
    rng = np.random.default_rng(seed)
    low, w_zero_point = (-127, 0) if dtype == np.int8 else (0, 99)
    weights = rng.integers(low, np.iinfo(dtype).max + 1, (3, 6)).astype(dtype)
    bias = rng.integers(-9000, 9000, 3)
    zero_point = int(rng.integers(0, 256))
    (row,) = prove_no_overflow(product(weights, bias, zero_point, w_zero_point))
    assert row.worst == _reached(weights.astype(int) - w_zero_point, bias, zero_point)


def test_one_past_the_accumulator_is_refused():
    columns = 66000
    weights = np.full((2, columns), 127, np.int8)
    room = ACCUMULATOR_MAX - columns * 127 * 255
    (row,) = prove_no_overflow(product(weights, [0, room], 0))
    assert (row.row, row.worst) == (1, ACCUMULATOR_MAX)
    message = "operation matvec -> y: row 1: worst-case accumulator 2147483648 exceeds 2147483647"
    with pytest.raises(InputError, match=f"^{message}$"):
        product(weights, [0, room + 1], 0)


def test_sums_of_madnorm_and_attention_have_bounds():
    network, feeds = NETWORKS["encoder-decoder"]()
    quantized = quantize(network, parameters(network, run(network, feeds).ranges), TABLES)
    found = {case.operation: case.worst for case in prove_no_overflow(quantized.model)}
    op = next(op for op in quantized.model.operations if isinstance(op, Attend))
    ends = np.array([[0], [255]]) - quantized.params["context.tanh"].zero_point
    products = op.score.weights.astype(int) * ends
    reached = -products.min(axis=0).sum(), products.max(axis=0).sum()
    assert found["context.score"] == max(reached)
    assert ACCUMULATOR_MAX - 255 * 255 < found["context"] <= ACCUMULATOR_MAX
    network, feeds = NETWORKS["MadNorm LSTM"]()
    quantized = quantize(network, parameters(network, run(network, feeds).ranges), TABLES)
    found = {case.operation: case.worst for case in prove_no_overflow(quantized.model)}
    for sums, terms in (("mu", "l.ph"), ("d", "l.ph.norm.y.x_hat")):
        z = quantized.params[terms].zero_point
        assert found[f"l.ph.norm.y.{sums}"] == 64 * max(z, 255 - z)


def test_every_product_of_a_model_is_proved():
    weights = np.array([[127, -127], [1, 0]], np.int8)
    model = IntModel.single(
        {"x": Tensor("x", 2, 8, 3), "y": Tensor("y", 2, 8, 0), "z": Tensor("z", 2, 32)},
        (),
        (
            Embedding("x", np.zeros((4, 2), np.uint8)),
            MatVec("y", ("x",), weights, np.array([5, 7], np.int32), FixedPoint(40000, 20)),
            MatVec("z", ("y",), weights, np.zeros(2, np.int32), None),
        ),
        "z",
        FixedPoint(1, 0),
    )
    rows = prove_no_overflow(model)
    assert [(r.operation, r.row, r.worst) for r in rows] == [
        ("y", 0, 127 * 252 + 127 * 3 + 5),
        ("z", 0, 127 * 255),
    ]
    assert rows[1].headroom_bits == pytest.approx(np.log2(ACCUMULATOR_MAX / (127 * 255)))
