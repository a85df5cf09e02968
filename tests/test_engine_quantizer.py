"""irnn_hw.engine.quantizer: numpy's codes, to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import NETWORKS
from qat_networks import made

from golden.errors import InputError
from irnn_hw.engine.quantizer import coded
from irnn_hw.qat.compiled import available
from irnn_hw.qat.constants import constants_of
from irnn_hw.qat.integer import integer
from irnn_hw.qat.masters import Masters, current
from irnn_hw.quant.params import QuantParams, byte_codes
from irnn_hw.quant.quantize import Choices, quantize

BELOW_HALF = np.nextafter(0.5, 0)
PARAMS = [QuantParams(1.0, z) for z in (0, 77, 128, 255)] + [QuantParams.symmetric(127.0)]


def agrees(x, params, scales=None):
    """Whether codes, and centred ones, are numpy's."""
    expected = byte_codes(x, params, scales)
    codes, centred = coded(x, params, scales)
    assert (codes.dtype, centred.dtype) == (expected.dtype, np.float32)
    return np.array_equal(codes, expected) and np.array_equal(
        centred, expected.astype(int) - params.zero_point
    )


def near(x, steps=2):
    """x and its nearest neighbours in its type, one column each."""
    columns = [x]
    for end in (-np.inf, np.inf):
        moved = x
        for _ in range(steps):
            moved = np.nextafter(moved, x.dtype.type(end))
            columns.append(moved)
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("params", PARAMS, ids=str)
@pytest.mark.parametrize("scale", [2.0**-7, 0.0123, 1 / 3, 1e-42, 1e30])
def test_around_every_tie_and_every_end(params, scale):
    halves = np.arange(-520, 521) / 2  # ties, integers, and beyond the ends
    x = near((halves * scale).astype(np.float32), 3)
    assert agrees(x, replace(params, scale=scale))


@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_around_every_tie_of_the_quotient(params):
    """Scales in float64 that put float32 numbers on a tie, and one step of it to either side."""
    rng = np.random.default_rng(1)
    ties = np.repeat(np.arange(-256, 256) + 0.5, 8)
    magnitudes = rng.uniform(1, 2, len(ties)) * 2.0 ** rng.integers(-30, 30, len(ties))
    x = np.copysign(magnitudes, ties).astype(np.float32)
    scales = near(x.astype(np.float64) / ties)
    quotients, wanted = x[:, np.newaxis] / scales, ties[:, np.newaxis]
    assert (quotients < wanted).any(axis=1).all()
    assert (quotients > wanted).any(axis=1).all()
    assert set(quotients[quotients == wanted]) == set(ties)
    assert (np.abs(quotients) == BELOW_HALF).any(), "which 1/2 more would round up"
    rows = np.repeat(x, scales.shape[1])[:, np.newaxis]
    assert agrees(rows, params, scales.ravel())


@given(
    st.lists(st.integers(0, (1 << 32) - 1), min_size=1, max_size=99),
    st.floats(1e-300, 1e300),
    st.sampled_from(PARAMS),
)
def test_any_number_at_any_scale(bits, scale, params):
    x = np.array(bits, np.uint32).view(np.float32)
    assert agrees(x[~np.isnan(x)], replace(params, scale=scale))


@given(st.integers(1, 9), st.integers(1, 150), st.sampled_from(PARAMS), st.integers(0, 1 << 30))
def test_rows_of_their_own_scales(rows, columns, params, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 90, (rows, columns)).astype(np.float32)
    scales = rng.uniform(0.2, 3, rows)
    assert agrees(x, params, scales)
    assert agrees(np.asfortranarray(x), params, scales)
    assert agrees(x.astype(np.float64), params, scales)


@pytest.mark.parametrize("position", [0, 63, 70])
def test_nan_has_no_code(position):
    x = np.zeros((1, 71), np.float32)
    x[0, position] = np.nan
    with pytest.raises(InputError, match="NaN has no code"):
        coded(x, PARAMS[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_becomes_the_same_model(name):
    masters, _, ranges, pwls = made(name)
    taken = integer(masters, ranges, Choices(), None, activations=pwls, tapes=available()).taken
    plain = quantize(masters.network(), taken.params, Choices(), None, pwls)
    assert plain.model.to_bytes() == taken.model.to_bytes()
    assert taken.centred
    assert not plain.centred
    for key, constant in constants_of(plain.model).items():
        assert torch.equal(constants_of(taken.model, taken.centred)[key], constant), key


def test_a_model_stays_as_its_masters_move_on():
    shared, _, ranges, pwls = made("LSTM")
    masters = Masters(shared.template)
    given = next(node for node in current(masters).nodes if node.name == "l.ph").weights
    taken = integer(masters, ranges, activations=pwls, tapes=available()).taken
    before, centred = taken.model.to_bytes(), {k: x.copy() for k, x in taken.centred.items()}
    with torch.no_grad():
        for parameter in masters.values():
            parameter.add_(1.0)
    assert np.shares_memory(given, masters["l.ph.weights"].detach().numpy())
    assert taken.model.to_bytes() == before
    assert all(np.array_equal(taken.centred[key], x) for key, x in centred.items())
