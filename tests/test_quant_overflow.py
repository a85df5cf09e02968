"""irnn_hw.quant.overflow: the static proof."""

import itertools

import numpy as np
import pytest

from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.linear import ACCUMULATOR_MAX
from golden.model import IntModel
from golden.operations import Embedding, MatVec, Tensor
from irnn_hw.quant.overflow import prove_no_overflow, worst_case


def _reached(weights, bias, zero_point):
    """The largest |accumulator| over every corner of the input cube, by enumeration."""
    corners = np.array(list(itertools.product([0, 255], repeat=weights.shape[1]))) - zero_point
    return np.abs(corners @ weights.T + bias).max()


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_is_reached_exactly(seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (3, 6))
    bias = rng.integers(-9000, 9000, 3)
    zero_point = int(rng.integers(0, 256))
    row = worst_case("px", weights, bias, zero_point, 8)
    assert row.worst == _reached(weights, bias, zero_point)


def test_one_past_the_accumulator_is_refused():
    weights, room = np.full((2, 4), 127), ACCUMULATOR_MAX - 4 * 127 * 255
    assert worst_case("ph", weights, [0, room], 0, 8).worst == ACCUMULATOR_MAX
    with pytest.raises(InputError, match=r"ph: row 1 may reach 2147483648, .* holds 2147483647"):
        worst_case("ph", weights, [0, room + 1], 0, 8)


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
