"""irnn sweep --model: a network with its activations replaced, on held-out text."""

from dataclasses import replace

import numpy as np
import pytest
from networks import SYMBOLS, Maker
from test_sweep import irnn, results

from golden.activation import tabulate
from golden.errors import InputError
from golden.model import IntModel
from golden.operations import LookUp, Pwl
from irnn_hw import steps
from irnn_hw.data.corpus import load_corpus
from irnn_hw.quant.network import run
from irnn_hw.quant.quantize import Choices, labels, parameters, quantize
from irnn_hw.sweep.network import activations, replaced


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A corpus of as many symbols as the network has."""
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    words = np.random.default_rng(1).choice(["abc", "defg", "hi", "jklm", "nop."], 2400)
    path.write_text(" ".join(words[:1200]) + "\n\n" + " ".join(words[1200:]))
    return path


@pytest.fixture(scope="module")
def model(text, tmp_path_factory):
    """File of a random LSTM over the corpus, its activations optimal PWLs of 16 pieces."""
    corpus = load_corpus(str(text))
    assert len(corpus.vocabulary) == SYMBOLS
    network, feeds = Maker().lstm()
    params = parameters(network, run(network, feeds).ranges)
    metadata = {"vocabulary": corpus.vocabulary, **labels(network, params)}
    path = tmp_path_factory.mktemp("model") / "m.irnn"
    quantize(network, params, Choices(), metadata).model.save(path)
    return path


def tables(model):
    return [tabulate(spec).table for op, spec in zip(model.operations, model.specs, strict=True)
            if isinstance(op, Pwl)]  # fmt: skip


def test_replacing_by_as_many_pieces_gives_the_same_network_but_for_ties(model):
    """The file's scales have 24 bits: of fits that are equally good, another may be taken. Each is
    at most 1 LSB off."""
    given = IntModel.load(model)
    same = replaced(given, 16, "optimal")
    assert activations(given) == {("sigmoid", 8, 8), ("tanh", 8, 8)}
    assert len(tables(same)) == len(tables(given)) == 5
    assert np.abs(np.subtract(tables(same), tables(given))).max() <= 2


def test_replacing_by_fewer_pieces_and_by_a_table(model):
    given = IntModel.load(model)
    few = [op for op in replaced(given, 4, "greedy").operations if isinstance(op, Pwl)]
    assert {len(op.knots) for op in few} == {4}
    tables = replaced(given, 0, "")
    assert not any(isinstance(op, Pwl) for op in tables.operations)
    again = [op for op in replaced(tables, 4, "greedy").operations if isinstance(op, Pwl)]
    assert again == few
    assert sum(isinstance(op, LookUp) for op in tables.operations) == len(few)


def test_bits_per_character_stand_with_the_points_they_belong_to(model, text, tmp_path):
    arguments = ("--pieces", "2,16", "--variant", "bank", "--in-bits", "8", "--target", "ecp5",
                 "-o", tmp_path, "--model", model, "--corpus", text)  # fmt: skip
    shown = irnn(*arguments)
    found = results(tmp_path)
    ours, corpus = IntModel.load(model), load_corpus(str(text))
    by_pieces = {r["pieces"]: r["bits_per_char"] for r in found["points"]}
    for pieces, bits in by_pieces.items():
        network = replaced(ours, pieces, "optimal")
        assert bits == steps.evaluate(network, corpus)["bits_per_char_int"]
    for r in found["points"]:
        assert r["perplexity"] == pytest.approx(2 ** r["bits_per_char"], abs=1e-4)
    own = steps.evaluate(ours, corpus)["bits_per_char_int"]
    assert abs(by_pieces[16] - own) < 0.01 < abs(by_pieces[2] - own)
    assert len(found["network"]["evaluations"]) == 2
    assert found["network"]["model_sha256"] == ours.sha256
    assert str(by_pieces[16]) in shown
    assert any(r["network_front"] for r in found["points"])
    assert (tmp_path / "sigmoid-network.png").exists()
    page = (tmp_path / "index.html").read_text()
    assert "bits per character" in page
    assert f"<td>{found['network']['evaluations'][0]['perplexity']:.4f}</td>" in page
    assert "0 steps computed" in irnn(*arguments)


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"vocabulary": "ab"}, "corpus: .* has other characters .* give the corpus"),
        ({"functions": {}}, "model: metadata does not say .*; write it again"),
        ({"functions": 3}, "model: metadata does not say .*; write it again"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(metadata, says, model, text, tmp_path):
    given = IntModel.load(model)
    broken = replace(given, metadata={**given.metadata, **metadata})
    broken.save(tmp_path / "b.irnn")
    with pytest.raises(InputError, match=says):
        irnn("--model", tmp_path / "b.irnn", "--corpus", text, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_scale_that_is_missing_fails_the_points_that_need_it(model, text, tmp_path):
    given = IntModel.load(model)
    replace(given, metadata={**given.metadata, "scales": {}}).save(tmp_path / "b.irnn")
    arguments = ("--model", tmp_path / "b.irnn", "--corpus", text, "--in-bits", "8",
                 "--variant", "table", "--function", "sigmoid,relu")  # fmt: skip
    irnn(*arguments, "-o", tmp_path / "out", code=1)
    sigmoid, _, relu, _ = results(tmp_path / "out")["points"]
    assert "metadata has no scale of" in sigmoid["error"]
    assert sigmoid["area"]["lut"] > 0
    assert (relu["error"], relu["bits_per_char"]) == (None, None)
