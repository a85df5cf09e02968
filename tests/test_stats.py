"""irnn_hw.stats: ranges, clamps and noise of every tensor, against plain numpy on whole traces."""

from dataclasses import replace

import numpy as np
import pytest
from networks import NETWORKS

from golden.errors import InputError
from golden.executor import Executor
from golden.feed import Feed
from golden.operations import stepwise
from irnn_hw.quant.network import run
from irnn_hw.quant.quantize import Choices, labels, parameters, quantize
from irnn_hw.stats import TensorStats, gather, units


def quantized(name):
    network, feeds = NETWORKS[name]()
    params = parameters(network, run(network, feeds).ranges)
    choices = Choices(pieces={"": 16}, method="greedy")
    return network, feeds, quantize(network, params, choices, labels(network, params))


def test_every_figure_of_a_language_model():
    network, feeds, taken = quantized("GRU")
    model, tokens = taken.model, feeds["text"].tokens
    parts = [{"text": Feed(tokens[:, n : n + 7])} for n in range(0, tokens.shape[1], 7)]
    seen = []
    stats = gather(model, parts, len(tokens), network, progress=seen.append)
    assert seen == [1, 2, 3, 4]
    names = [n for op in model.operations for n in stepwise(op)]
    executor = Executor(model, len(tokens), keep=names)
    codes, real = executor.run(feeds), run(network, feeds, names).traces
    assert list(stats) == [n for n in model.tensors if n in names]
    for name, s in stats.items():
        assert (s.low, s.high) == (codes[name].min(), codes[name].max())
        value = units(model)[name] * (codes[name] - model.tensors[name].zero_point)
        noise = np.square(value - real[name]).sum()
        expected = 10 * np.log10(np.square(real[name]).sum() / noise)
        assert s.sqnr_db == pytest.approx(expected)
        assert s.sqnr_db > 20
        count = executor.clamps.get(name)
        assert (s.clamped, s.seen) == ((0, 0) if count is None else (count.clamped, count.seen))


def test_padding_counts_nowhere_and_attention_shows_what_it_holds():
    network, feeds, taken = quantized("encoder-decoder")
    codes = {name: taken.feed(feed) for name, feed in feeds.items()}
    stats = gather(taken.model, [codes], 5, network, [feeds])
    filled = {
        name: replace(
            feed,
            tokens=None if feed.tokens is None else _refilled(feed.tokens, feed.lengths),
            inputs={n: _refilled(x, feed.lengths) for n, x in feed.inputs.items()},
        )
        for name, feed in feeds.items()
    }
    again = gather(
        taken.model, [{n: taken.feed(f) for n, f in filled.items()}], 5, network, [filled]
    )
    for name, s in stats.items():
        assert s.figures() == again[name].figures(), name
        assert s.low is not None
    assert stats["context.total"].bits == 16
    assert stats["context.exp"].high == 255  # exp(0), the largest score's own
    encoder_steps = int(np.repeat(feeds["speech"].lengths, feeds["text"].lengths).sum())
    assert stats["context.score"].seen == encoder_steps


def _refilled(x, lengths):
    """x (batch, T, ...) with other padding."""
    x = np.array(x)
    x[np.arange(x.shape[1]) >= np.asarray(lengths)[:, None]] = 0
    return x


def test_without_scales_there_are_codes_but_no_noise():
    network, feeds, taken = quantized("vanilla RNN")
    bare = replace(taken.model, metadata={})
    stats = gather(bare, [feeds], 6)
    assert stats["logits"].low < 0 < stats["logits"].high
    assert all(s.sqnr_db is None and s.figures()["range"] is None for s in stats.values())
    with pytest.raises(InputError, match=r"^model: its metadata holds no scales"):
        gather(bare, [feeds], 6, network)


def test_a_signal_that_nothing_disturbs():
    stats = TensorStats(8, 3, 0.5)
    stats.compare(np.array([3, 5]), np.array([0.0, 1.0]))
    assert stats.sqnr_db == np.inf
    assert stats.figures()["sqnr_db"] is None
