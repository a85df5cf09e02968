"""Every network of the paper, from real numbers to integers: expressed, saved, run, and near."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from networks import NETWORKS, Maker

from golden.errors import InputError
from golden.executor import Executor
from golden.model import IntModel
from golden.operations import OPERATIONS
from irnn_hw.quant.cells import Weights
from irnn_hw.quant.network import run
from irnn_hw.quant.overflow import prove_no_overflow
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.quantize import Choices, labels, parameters, quantize
from irnn_hw.stats import gather

CHOICES = Choices(pieces={"": 16, "exp": 32}, method="greedy")
# In decibels, of the main output. A weight of one bit and a sign is far from its real number.
LEAST = {"LSTM, ternary weights": 14, "LSTM, power-of-two weights": 20,
         "LSTM, exponential weights": 20, "Mogrifier, mixture of softmaxes": 20,
         "MadNorm LSTM, norms of each gate": 20}  # fmt: skip


@cache
def made(name):
    """The float network, its feeds and its integer model."""
    network, feeds = NETWORKS[name]()
    params = parameters(network, run(network, feeds).ranges)
    return network, feeds, quantize(network, params, CHOICES, labels(network, params))


def batch_of(feeds) -> int:
    (feed, *_) = feeds.values()
    return len(feed.tokens if feed.tokens is not None else next(iter(feed.inputs.values())))


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_stay_near_the_real_numbers(name):
    network, feeds, taken = made(name)
    codes = {key: taken.feed(feed) for key, feed in feeds.items()}
    stats = gather(taken.model, [codes], batch_of(feeds), network, [feeds])
    assert stats[taken.model.output].sqnr_db > LEAST.get(name, 24)
    clamped, seen = (sum(getattr(s, key) for s in stats.values()) for key in ("clamped", "seen"))
    assert clamped < 1e-3 * seen  # ranges were observed on the same data


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_saved_read_and_proved(name, tmp_path):
    _, feeds, taken = made(name)
    taken.model.save(tmp_path / "m.irnn")
    again = IntModel.load(tmp_path / "m.irnn")
    assert again.to_bytes() == taken.model.to_bytes()
    assert all(case.worst <= case.bound for case in prove_no_overflow(again))
    fed = {key: taken.feed(feed) for key, feed in feeds.items()}
    ours, theirs = (Executor(m, batch_of(feeds)).run(fed) for m in (taken.model, again))
    assert all(np.array_equal(ours[key], theirs[key]) for key in ours)


def test_every_operation_is_in_some_network():
    found = {type(op) for name in NETWORKS for op in made(name)[2].model.operations}
    assert found == set(OPERATIONS.values()) - {OPERATIONS["lookup"]}
    tables = quantize(*_tables())
    assert OPERATIONS["lookup"] in {type(op) for op in tables.model.operations}


def _tables():
    network, feeds = NETWORKS["LSTM"]()
    return network, parameters(network, run(network, feeds).ranges), Choices(pieces={"": None})


def test_tensors_between_which_codes_move_share_their_parameters():
    _, _, taken = made("encoder-decoder")
    p = taken.params
    assert p["e0.forward.h"] == p["e0.backward.h.next"] == p["encoder0"]
    assert p["e0.forward.px"] == p["e0.forward.px.i"] != p["e0.backward.px"]
    _, _, taken = made("Mogrifier, mixture of softmaxes")
    assert taken.params["l.1-f"] == taken.params["l.i"] == taken.params["l.i.capped"]


def test_widths_are_those_of_sections_4_3_and_4_4():
    tensors = made("encoder-decoder, 16 bits")[2].model.tensors
    wide = {name for name, t in tensors.items() if t.bits == 16}
    cells = [f"e{layer}.{side}" for layer in (0, 1) for side in ("forward", "backward")] + ["d"]
    parts = [*(f"{gate}.pre" for gate in "ifjo"), "fc", "ij", "c", "c.next"]
    assert wide == {f"{c}.{p}" for c in cells for p in parts} | {"context.total", "context.score"}
    wide = {n for n, t in made("encoder-decoder")[2].model.tensors.items() if t.bits == 16}
    assert wide == {"context.total", "context.score"}


def test_tied_embeddings_are_stored_once():
    def bytes_of(tied):
        network, feeds = Maker(1).language_model(lambda s, x: x, tied=tied, hidden=12)
        return len(quantize(network, parameters(network, run(network, feeds).ranges))
                   .model.to_bytes())  # fmt: skip

    assert bytes_of(tied=False) - bytes_of(tied=True) > 200  # 20 x 12 weights, less some header


def test_a_constant_that_does_not_fit_names_its_operation():
    network, feeds, taken = made("LSTM")
    params = dict(taken.params) | {"l.fc": QuantParams(1e-30, 0)}
    with pytest.raises(InputError, match=r"^l\.fc: multiplier .* does not fit 16 bits$"):
        quantize(network, params, CHOICES)
    with pytest.raises(InputError, match=r"^l\.h\.next: no range was gathered; run the"):
        parameters(network, {})
    ranges = run(network, feeds).ranges
    with pytest.raises(InputError, match=r"^l\.ij: range: \[nan, 1\.0\] is not finite"):
        parameters(network, ranges | {"l.ij": (float("nan"), 1.0)})
    maker = Maker(1)
    bad = maker.language_model(lambda s, x: x, hidden=12)[0]
    bad.scans[0].nodes[-1] = replace(bad.scans[0].nodes[-1], weight_format="int4")
    with pytest.raises(InputError, match=r"^logits: weight format int4; choose int8, uint8, tern"):
        quantize(bad, {"x": QuantParams(0.1, 3)}, CHOICES)
    wide = Weights(np.full((1, 12), 1e-9), np.full(1, 1e9))
    huge = maker.language_model(lambda s, x: x, hidden=12)[0]
    node = replace(huge.scans[0].nodes[-1], weights=wide.matrix, bias=wide.bias, length=1)
    huge.scans[0].nodes[-1] = node
    with pytest.raises(InputError, match=r"^logits: a bias does not fit 32 bits; widen the"):
        quantize(huge, {"x": QuantParams(0.1, 3)}, CHOICES)
    network, _, taken = made("MadNorm LSTM")
    index, node = next(
        (n, x) for n, x in enumerate(network.scans[0].nodes) if x.name == "l.px.norm"
    )
    far = replace(network, scans=[replace(network.scans[0], nodes=list(network.scans[0].nodes))])
    far.scans[0].nodes[index] = replace(node, beta=node.beta + 1e30)
    with pytest.raises(InputError, match=r"^l\.px\.norm: a bias does not fit 61 bits; widen"):
        quantize(far, taken.params, CHOICES)


def test_a_sequence_without_a_feed_is_named():
    network, feeds, _ = made("encoder-decoder")
    with pytest.raises(InputError, match=r"^feeds: sequence text is missing; give its feed$"):
        run(network, {"speech": feeds["speech"]})
