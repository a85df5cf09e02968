"""irnn_hw.qat.language: the network of Table 1, and its perplexity."""

import numpy as np
import pytest
import torch

from golden.errors import InputError
from golden.feed import Feed
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.language import WINDOW, perplexity
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.readout import Outputs
from irnn_hw.qat.real import real
from irnn_hw.qat.scans import Run
from irnn_hw.qat.streams import Streams
from irnn_hw.quant.network import without_dropout
from irnn_hw.recipes.networks import SEQUENCE, norm_lstm

SYMBOLS = 30
TOKENS = np.random.default_rng(1).integers(0, SYMBOLS, 10 * (2 * WINDOW + 5)).astype(np.int32)


def test_equal_logits_are_as_many_choices_as_there_are_symbols():
    def run(feed, states):
        batch, steps = np.asarray(feed.tokens).shape
        return Run(Outputs({"logits": torch.full((steps, batch, SYMBOLS), 7.0)}), {})

    assert perplexity(run, 0.5, TOKENS) == pytest.approx(SYMBOLS)


def test_windows_change_no_figure(monkeypatch):
    walks = real(Masters(without_dropout(norm_lstm(np.random.default_rng(1), SYMBOLS, 12, 0.5))))

    def run(feed: Feed, states):
        return walks.run({SEQUENCE: Batch.of(feed)}, states)

    whole = perplexity(run, 1.0, TOKENS)
    monkeypatch.setattr("irnn_hw.qat.language.WINDOW", 9)
    assert perplexity(run, 1.0, TOKENS) == pytest.approx(whole, rel=1e-5)
    assert whole == pytest.approx(SYMBOLS, rel=0.1)  # untrained


def test_streams_are_read_in_parallel():
    found = Streams.of(np.arange(11), 2, 5, "numbers")
    assert found.inputs.T.tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert found.targets.T.tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]


def test_too_few_tokens_are_refused():
    with pytest.raises(InputError, match=r"^tokens: 11 characters do not fill 10 streams of 35"):
        perplexity(None, 1.0, TOKENS[:11])
