"""The cells in real numbers, against torch's modules and against their equations written out."""

import numpy as np
import pytest
import torch
from networks import HIDDEN, SIZE, Maker

from golden.errors import InputError
from golden.feed import Feed
from irnn_hw.quant import cells
from irnn_hw.quant.cells import LstmOptions, Norm, Weights
from irnn_hw.quant.compound import Attend
from irnn_hw.quant.network import Network, run
from irnn_hw.quant.nodes import Input

RNG = np.random.default_rng(5)
BATCH, STEPS = 3, 7
X = RNG.normal(0, 1, (BATCH, STEPS, SIZE))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def hidden_of(build, reverse=False, lengths=None):
    """Hidden states (batch, T, H) of a cell over X. build: scan, input -> hidden state."""
    net = Network()
    s = net.scan("s", reverse)
    s.add(Input(name="x", length=SIZE))
    h = build(s, "x")
    return run(net, {"s": Feed(None, {"x": X}, lengths)}, [h]).traces[h]


def reordered(w, theirs, ours):
    """Rows of gates in another order."""
    parts = dict(zip(theirs, np.split(w, len(theirs)), strict=True))
    return np.concatenate([parts[gate] for gate in ours])


def of_torch(module, gates=None, suffix="_l0"):
    """Input and recurrent weights of a torch module, gates as ours."""
    w = [getattr(module, n + suffix).detach().double().numpy()
         for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]  # fmt: skip
    if gates is not None:
        w = [reordered(a, *gates) for a in w]
    return Weights(w[0], w[2]), Weights(w[1], w[3])


def torch_hidden(module):
    with torch.no_grad():
        return module.double()(torch.from_numpy(X))[0].numpy()


LSTM_ORDER = ("ifjo", "ifjo")  # torch says g for our j


def test_rnn_is_torchs():
    module = torch.nn.RNN(SIZE, HIDDEN, batch_first=True)
    expected = torch_hidden(module)
    w_x, w_h = of_torch(module)
    assert np.allclose(hidden_of(lambda s, x: cells.rnn(s, "r", x, w_x, w_h)), expected)


def test_gru_is_torchs():
    module = torch.nn.GRU(SIZE, HIDDEN, batch_first=True)
    expected = torch_hidden(module)
    w_x, w_h = of_torch(module)
    assert np.allclose(hidden_of(lambda s, x: cells.gru(s, "g", x, w_x, w_h)), expected)


@pytest.mark.parametrize("projection", [0, 6])
def test_lstm_is_torchs(projection):
    module = torch.nn.LSTM(SIZE, HIDDEN, batch_first=True, proj_size=projection)
    expected = torch_hidden(module)
    w_x, w_h = of_torch(module, LSTM_ORDER)
    p = Weights(module.weight_hr_l0.detach().double().numpy()) if projection else None
    options = LstmOptions(projection=p)
    found = hidden_of(lambda s, x: cells.lstm(s, "l", [(x, w_x)], w_h, options))
    assert np.allclose(found, expected)


def test_bidirectional_is_torchs_at_every_length():
    module = torch.nn.LSTM(SIZE, HIDDEN, batch_first=True, bidirectional=True).double()
    lengths = np.array([7, 2, 5])
    net = Network()
    halves = []
    for suffix, reverse in (("_l0", False), ("_l0_reverse", True)):
        s = net.scan("s", reverse)
        if not reverse:
            s.add(Input(name="x", length=SIZE))
        w_x, w_h = of_torch(module, LSTM_ORDER, suffix)
        halves.append(cells.lstm(s, suffix, [("x", w_x)], w_h))
    both = cells.concatenate(net.scan("s"), "both", *halves)
    found = run(net, {"s": Feed(None, {"x": X}, lengths)}, [both]).traces[both]
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.from_numpy(X), torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
    )
    with torch.no_grad():
        expected = torch.nn.utils.rnn.pad_packed_sequence(module(packed)[0], batch_first=True)[0]
    for n, length in enumerate(lengths):
        assert np.allclose(found[n, :length], expected[n, :length])


def written_out(w_x, w_h, gate, norms=None, bias=0.0):
    """Eq. 12-14 step by step; gate: (i, f) of the activated gates. norms: of x, h and c."""
    norms = norms or [lambda v: v] * 3
    h, c, states = np.zeros((BATCH, HIDDEN)), np.zeros((BATCH, HIDDEN)), []
    for t in range(STEPS):
        px = X[:, t] @ w_x.matrix.T + (0 if w_x.bias is None else w_x.bias)
        parts = np.split(norms[0](px) + norms[1](h @ w_h.matrix.T) + bias,
                         len(w_h.matrix) // HIDDEN, axis=1)  # fmt: skip
        i, f = gate(parts)
        c = f * c + i * np.tanh(parts[-2])
        h = sigmoid(parts[-1]) * np.tanh(norms[2](c))
        states.append(h)
    return np.stack(states, axis=1)


def test_coupled_gates():
    maker = Maker(2)
    w_x, w_h = maker.weights(3 * HIDDEN, SIZE), maker.weights(3 * HIDDEN, HIDDEN, bias=False)
    options = LstmOptions(coupled=True)
    found = hidden_of(lambda s, x: cells.lstm(s, "l", [(x, w_x)], w_h, options))
    expected = written_out(w_x, w_h, lambda p: (1 - sigmoid(p[0]), sigmoid(p[0])))
    assert np.allclose(found, expected)


def test_capped_gates():
    maker = Maker(3)
    w_x, w_h = maker.weights(4 * HIDDEN, SIZE), maker.weights(4 * HIDDEN, HIDDEN, bias=False)
    options = LstmOptions(capped=True)
    found = hidden_of(lambda s, x: cells.lstm(s, "l", [(x, w_x)], w_h, options))

    def gate(p):
        i, f = sigmoid(p[0]), sigmoid(p[1])
        return np.minimum(1 - f, i), f

    assert np.allclose(found, written_out(w_x, w_h, gate))


@pytest.mark.parametrize("rows", [1, 4])
def test_madnorm_in_place_of_layer_norm(rows):
    maker = Maker(4)
    w_x = maker.weights(4 * HIDDEN, SIZE, bias=False)
    w_h = maker.weights(4 * HIDDEN, HIDDEN, bias=False)
    norms, bias = maker.norms(HIDDEN, rows), RNG.normal(0, 1, 4 * HIDDEN)
    options = LstmOptions(norms=norms, bias=bias)
    found = hidden_of(lambda s, x: cells.lstm(s, "l", [(x, w_x)], w_h, options))

    def of(norm, parts):
        def apply(v):
            v = v.reshape(BATCH, parts, -1)
            v = v - v.mean(axis=2, keepdims=True)
            d = np.abs(v).mean(axis=2, keepdims=True)
            return norm.gamma * (v / np.maximum(d, 1e-300)).reshape(BATCH, -1) + norm.beta

        return apply

    applied = [of(norms[0], rows), of(norms[1], rows), of(norms[2], 1)]
    expected = written_out(w_x, w_h, lambda p: tuple(map(sigmoid, p[:2])), applied, bias)
    assert np.allclose(found, expected)


def test_gamma_of_a_layer_norm():
    """Of Gaussian values LayerNorm and MadNorm with its gamma agree."""
    x = np.random.default_rng(0).normal(3, 2, 100_000)
    norm = Norm.of_layer_norm(np.array(1.7))
    mad = (x - x.mean()) / np.abs(x - x.mean()).mean() * norm.gamma
    assert np.allclose(mad, 1.7 * (x - x.mean()) / x.std(), rtol=0.01)


def test_mogrifier_rounds():
    maker = Maker(6)
    sizes = (SIZE, HIDDEN)
    full = [[maker.weights(sizes[n % 2], sizes[1 - n % 2])] for n in range(3)]
    low = [[maker.weights(sizes[n % 2], 2), maker.weights(2, sizes[1 - n % 2], bias=False)]
           for n in range(4)]  # fmt: skip
    for rounds in (full, low):
        net = Network()
        s = net.scan("s")
        s.add(Input(name="x", length=SIZE))
        s.add(Input(name="h", length=HIDDEN))
        names = cells.mogrify(s, "m", "x", "h", rounds)
        start = RNG.normal(0, 1, (BATCH, 1, SIZE)), RNG.normal(0, 1, (BATCH, 1, HIDDEN))
        traces = run(net, {"s": Feed(None, dict(zip("xh", start, strict=True)))}, names).traces
        x, h = (v[:, 0] for v in start)
        for n, (left, *right) in enumerate(rounds):
            source = x if n % 2 else h
            for w in right:
                source = source @ w.matrix.T
            q = 2 * sigmoid(source @ left.matrix.T + left.bias)
            x, h = (x, q * h) if n % 2 else (q * x, h)
        assert np.allclose(traces[names[0]][:, 0], x)
        assert np.allclose(traces[names[1]][:, 0], h)


def test_attention_is_the_softmax_over_the_steps_that_count():
    net, v = Network(), RNG.normal(0, 1, 4)
    s = net.scan("memory")
    for name, length in (("key", 4), ("encoder", 5)):
        s.add(Input(name=name, length=length))
    s = net.scan("text")
    s.add(Input(name="query", length=4))
    s.add(Attend(name="context", inputs=("query", "key", "encoder"), length=5, memory="memory",
                 v=v))  # fmt: skip
    key, encoder = RNG.normal(0, 1, (2, 6, 4)), RNG.normal(0, 1, (2, 6, 5))
    query, lengths = RNG.normal(0, 1, (2, 3, 4)), np.array([6, 2])
    feeds = {"memory": Feed(None, {"key": key, "encoder": encoder}, lengths),
             "text": Feed(None, {"query": query})}  # fmt: skip
    found = run(net, feeds, ["context"]).traces["context"]
    for n, length in enumerate(lengths):
        for t in range(3):
            e = np.exp(np.tanh(query[n, t] + key[n, :length]) @ v)
            assert np.allclose(found[n, t], (e / e.sum()) @ encoder[n, :length])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda s, m: cells.product(s, "p", "x", m.weights(3, 5)),
         "p: 5 columns of weights for 12 of x"),
        (lambda s, m: cells.product(s, "p", "y", m.weights(3, 5)),
         "p: reads y, which no node writes before it"),
        (lambda s, m: cells.activation(s, "p", "tanh", "y"),
         "p: reads y, which no node writes before it"),
        (lambda s, m: s.add(Input(name="x", length=3)), "x: there are two tensors of this name"),
        (lambda s, m: s.state("x", "y", 3), "x: there are two tensors of this name"),
        (lambda s, m: LstmOptions(coupled=True, capped=True),
         "capped: a coupled input gate is 1 - f already; choose one of the two"),
        (lambda s, m: cells.lstm(s, "l", [("x", m.weights(64, 12))] * 2, m.weights(64, 16),
                                 LstmOptions(norms=m.norms(16, 1))),
         "l: norms are of one input and h; it has 2 inputs"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(build, message):
    s = Network().scan("s")
    s.add(Input(name="x", length=SIZE))
    with pytest.raises(InputError, match=f"^{message}$"):
        build(s, Maker())
