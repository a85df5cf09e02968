"""irnn_hw.qat.linear: products by the engine are those of torch."""

import numpy as np
import pytest
import torch
from networks import NETWORKS
from qat_networks import made
from test_qat_compiled import agree, gradients
from torch.nn import functional

from irnn_hw.engine.matmul import matmul
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.compiled import available
from irnn_hw.qat.integer import integer
from irnn_hw.qat.linear import LARGE, linear
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.real import real
from irnn_hw.quant.quantize import Choices

TAPES = available()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (8, 48, 7), (13, 50, 33), (21, 97, 300)])
def test_integers_of_any_strides_are_exact(shape):
    rows, columns, steps = shape
    rng = np.random.default_rng(rows)
    a, b = (rng.integers(-99, 100, s).astype(np.float32) for s in ((rows, steps), (steps, columns)))
    expected = a.astype(int) @ b.astype(int)
    turned = (np.asfortranarray(a), np.asfortranarray(b)), (np.tile(a, 2)[:, :steps], b[:, ::1])
    for left, right in ((a, b), *turned, (a, np.repeat(b, 2, axis=1)[:, ::2])):
        assert np.array_equal(matmul(left, right), expected)
    same = np.broadcast_to(np.float32(2), (rows, steps))
    assert np.array_equal(matmul(same, b)[0], 2 * b.sum(0))


def test_other_operands_are_refused():
    a = np.ones((3, 4), np.float32)
    for b in (np.ones((3, 4), np.float32), np.ones((4, 3))):
        with pytest.raises(ValueError, match=r"^engine: float32 expected, got float32 \(3, 4\), "):
            matmul(a, b)


@pytest.mark.parametrize("biased", [True, False])
def test_values_and_gradients_are_those_of_torch(biased, monkeypatch):
    rng = np.random.default_rng(1)
    shapes = (9, 20, 40), (170, 40), (170,)
    values = [torch.from_numpy(rng.integers(-9, 10, s).astype(np.float32)) for s in shapes]
    given = torch.from_numpy(rng.integers(-9, 10, (9, 20, 170)).astype(np.float32))
    found = []
    assert values[0].numel() * 170 > LARGE
    for compiled in (True, False):
        x, w, b = taken = [v.clone().requires_grad_() for v in values]
        if not compiled:
            monkeypatch.setattr("irnn_hw.qat.linear.matmul", None)
        y = linear(x, w, b if biased else None, compiled)
        y.backward(given)
        found.append([y.detach(), *(v.grad for v in taken)])
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        assert ours is None or torch.equal(ours, theirs)
    for small in (values[0][:1, :1], values[0].double()):
        wide = values[1].to(small.dtype)
        assert torch.equal(linear(small, wide, None, True), functional.linear(small, wide))


@pytest.mark.parametrize("name", ["LSTM", "encoder-decoder"])
def test_networks_have_the_same_codes_and_gradients(name, monkeypatch):
    masters, feeds, ranges, pwls = made(name)
    choices = Choices(pieces={"": None})
    found = []
    for large in (LARGE, 0):
        monkeypatch.setattr("irnn_hw.qat.linear.LARGE", large)
        taken = integer(masters, ranges, choices, activations=pwls, tapes=TAPES)
        run = taken.run({key: taken.feed(feed) for key, feed in feeds.items()})
        batches = {key: Batch.of(feed) for key, feed in feeds.items()}
        reals = real(Masters(masters.template), tapes=TAPES).run(batches).traces["logits"]
        found.append((run.traces["logits"], gradients(masters, run), reals))
    assert torch.equal(found[0][0], found[1][0])
    agree(found[1][1], found[0][1], 1e-5)
    torch.testing.assert_close(found[0][2], found[1][2], atol=1e-4, rtol=1e-4)


def test_the_networks_are_there():
    assert TAPES is not None
    assert {"LSTM", "encoder-decoder"} <= set(NETWORKS)
