"""LayerNorm in real numbers: numpy, torch and the engine agree, and integers are refused."""

import numpy as np
import pytest
import torch
from networks import Maker
from torch import nn

from golden.errors import InputError
from golden.feed import Feed
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.compiled import available
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.real import observe, real
from irnn_hw.quant import cells
from irnn_hw.quant.cells import LstmOptions, Norm
from irnn_hw.quant.compound import LayerNorm
from irnn_hw.quant.network import Network, run
from irnn_hw.quant.nodes import Embedding, Input
from irnn_hw.quant.quantize import parameters, quantize


def lstm(rows=1):
    """An LSTM whose products and cell LayerNorm normalizes; rows: of the products."""
    maker, net = Maker(5), Network(outputs=["l.h.next"])
    s = net.scan("text")
    x = s.add(Embedding(name="x", length=8, table=maker.rng.normal(0, 1, (12, 8))))
    w_x, w_h = maker.weights(24, 8, bias=False), maker.weights(24, 6, bias=False)
    of_gates = Norm(maker.rng.normal(1, 0.2, 24), maker.rng.normal(0, 0.2, 24), rows, standard=True)
    options = LstmOptions(norms=(of_gates, of_gates, Norm(standard=True)), bias=np.ones(24))
    cells.lstm(s, "l", [(x, w_x)], w_h, options)
    return net, {"text": Feed(maker.rng.integers(0, 12, (3, 9)))}


@pytest.mark.parametrize("rows", [1, 4])
def test_numpy_torch_and_the_engine_agree(rows):
    net, feeds = lstm(rows)
    expected = run(net, feeds, net.outputs).traces["l.h.next"]
    masters, batches = Masters(net), {name: Batch.of(feed) for name, feed in feeds.items()}
    found, gradients = [], []
    for tapes in (None, available()):
        h = real(masters, tapes=tapes).run(batches).traces["l.h.next"]
        (h * torch.arange(6)).sum().backward()
        found.append(h.detach().transpose(0, 1).numpy())
        gradients.append({name: p.grad.clone() for name, p in masters.items()})
        for p in masters.values():
            p.grad = None
    for h in found:
        np.testing.assert_allclose(h, expected, atol=1e-5)
    assert found[0].tobytes() != found[1].tobytes()  # the engine took part
    for name, of_torch in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], of_torch, atol=1e-4, rtol=1e-4)


def test_it_is_that_of_torch():
    net = Network(outputs=["y"])
    s = net.scan("speech")
    x = s.add(Input(name="x", length=12))
    s.add(LayerNorm(name="y", inputs=(x,), length=12, rows=3))
    values = np.random.default_rng(2).normal(1, 3, (2, 5, 12))
    found = run(net, {"speech": Feed(inputs={"x": values})}, ["y"]).traces["y"]
    theirs = nn.functional.layer_norm(torch.from_numpy(values).unflatten(-1, (3, 4)), (4,))
    np.testing.assert_allclose(found, theirs.flatten(-2).numpy(), atol=1e-12)


def test_it_has_no_integers():
    net, feeds = lstm()
    ranges, _ = observe(Masters(net), {name: Batch.of(feed) for name, feed in feeds.items()})
    with pytest.raises(InputError, match="LayerNorm has a square root; use MadNorm for integers"):
        quantize(net, parameters(net, ranges))
