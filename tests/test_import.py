"""irnn import: torch.nn.LSTM and nn.GRU to integer models, and what is no module of theirs."""

import json
import pickle

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from golden.errors import InputError
from golden.feed import Feed
from golden.model import IntModel
from irnn_hw.cli import app
from irnn_hw.importing import import_file
from irnn_hw.inputs import read_inputs
from irnn_hw.qat.config import Schedule
from irnn_hw.qat.torch_import import Kept, import_module, read_state_dict
from irnn_hw.quant.network import run

FEATURES, HIDDEN = 6, 8
CONFIG = Schedule()
MODULES = {
    "LSTM": lambda: torch.nn.LSTM(FEATURES, HIDDEN),
    "LSTM without biases": lambda: torch.nn.LSTM(FEATURES, HIDDEN, bias=False),
    "LSTM of two layers": lambda: torch.nn.LSTM(FEATURES, HIDDEN, 2),
    "LSTM in both directions": lambda: torch.nn.LSTM(FEATURES, HIDDEN, bidirectional=True),
    "LSTM with projection": lambda: torch.nn.LSTM(FEATURES, HIDDEN, 2, proj_size=3),
    "LSTM with all of it": lambda: torch.nn.LSTM(
        FEATURES, HIDDEN, 2, proj_size=3, bidirectional=True
    ),
    "GRU": lambda: torch.nn.GRU(FEATURES, HIDDEN),
    "GRU of two layers in both directions": lambda: torch.nn.GRU(
        FEATURES, HIDDEN, 2, bidirectional=True
    ),
}


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(1).normal(0, 1, (5, 20, FEATURES))


@pytest.fixture
def files(tmp_path, vectors):
    """A GRU's state_dict and vectors as files."""
    torch.manual_seed(1)
    torch.save(torch.nn.GRU(FEATURES, HIDDEN).state_dict(), tmp_path / "gru.pt")
    np.save(tmp_path / "x.npy", vectors)
    return tmp_path


@pytest.mark.parametrize("name", MODULES)
def test_real_numbers_are_those_of_torch(name, vectors):
    torch.manual_seed(1)
    module = MODULES[name]().double()
    network = import_module(module.state_dict())
    found = run(network, {"input": Feed(inputs={"x": vectors})}).traces[network.outputs[0]]
    with torch.no_grad():
        expected = module(torch.from_numpy(vectors).transpose(0, 1))[0].transpose(0, 1)
    assert np.abs(found - expected.numpy()).max() < 1e-12


@pytest.mark.parametrize("name", MODULES)
def test_integers_are_near_and_the_checkpoint_is_theirs(name, vectors, tmp_path):
    torch.manual_seed(1)
    torch.save(MODULES[name]().state_dict(), tmp_path / "m.pt")
    np.save(tmp_path / "x.npy", vectors)
    model, checkpoint = tmp_path / "m.irnn", tmp_path / "c.pt"
    figures = import_file(
        tmp_path / "m.pt", tmp_path / "x.npy", model, CONFIG, Kept(), checkpoint=checkpoint
    )
    assert figures["sqnr_db"] > 25
    assert figures["vectors"] == 100
    done = CliRunner().invoke(
        app,
        ["verify", "--model", str(model), "--checkpoint", str(checkpoint), "--all", "--json",
         "--inputs", str(tmp_path / "x.npy")],
    )  # fmt: skip
    assert done.exit_code == 0
    counts = json.loads(done.stdout)
    assert counts["values_compared"] > 5000
    assert counts["values_differing"] == 0


def test_the_command_writes_a_model_and_says_what_it_costs(files):
    arguments = ["import", str(files / "gru.pt"), "--inputs", str(files / "x.npy"),
                 "-o", str(files / "m.irnn")]  # fmt: skip
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0
    figures = json.loads(done.stdout)
    assert figures["sqnr_db"] > 25
    assert figures["tensors"]["l0.h.next"]["sqnr_db"] == figures["sqnr_db"]
    assert IntModel.load(files / "m.irnn").sha256 == figures["sha256"]
    shown = CliRunner().invoke(app, arguments)
    assert "sqnr db" in shown.stdout
    assert "l0.h.next" in shown.stdout


def test_a_part_of_a_larger_module_with_a_head(vectors):
    class Whole(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.LSTM(FEATURES, HIDDEN)
            self.decoder = torch.nn.GRU(FEATURES, HIDDEN)
            self.fc = torch.nn.Linear(HIDDEN, 4)

    torch.manual_seed(1)
    whole = Whole().double()
    arrays = whole.state_dict()
    with pytest.raises(InputError, match=r"several modules \(encoder\., decoder\.\); choose one"):
        import_module(arrays)
    network = import_module(arrays, "encoder.", "fc.", Kept(cell_bits=16, per_row=True))
    found = run(network, {"input": Feed(inputs={"x": vectors})}).traces["output"]
    with torch.no_grad():
        h, _ = whole.encoder(torch.from_numpy(vectors).transpose(0, 1))
        expected = whole.fc(h).transpose(0, 1).numpy()
    assert np.abs(found - expected).max() < 1e-12
    assert {n.bits for n in network.nodes if n.name == "l0.c.next"} == {16}
    with pytest.raises(InputError, match=r"^head\.weight: missing in the state_dict"):
        import_module(arrays, "encoder.", "head.")
    with pytest.raises(InputError, match=r"^fc\.weight: shape \(4, 7\), \(any, 8\) expected"):
        import_module(arrays | {"fc.weight": torch.ones(4, 7)}, "encoder.", "fc.")


def changed(module, **arrays):
    return module.state_dict() | arrays


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, r"^state_dict: no weight_ih_l0, as nn\.LSTM and nn\.GRU have it"),
        ({"weight_ih_l0": torch.ones(18, 6)}, r"^weight_hh_l0: missing in the state_dict"),
        (
            {"weight_ih_l0": torch.ones(8, 6), "weight_hh_l0": torch.ones(8, 8)},
            r"^weight_ih_l0: 8 rows for a state of 8; nn\.LSTM has 4 times as many, nn\.GRU 3",
        ),
        (
            changed(torch.nn.LSTM(6, 8), weight_ih_l0=torch.full((32, 6), torch.nan)),
            r"^weight_ih_l0: a value that is not finite; train the module again",
        ),
        (
            changed(torch.nn.LSTM(6, 8), bias_hh_l0=torch.ones(31)),
            r"^bias_hh_l0: shape \(31,\), \(32,\) expected",
        ),
        (
            changed(torch.nn.GRU(6, 8, 2), weight_ih_l1=torch.ones(24, 7)),
            r"^weight_ih_l1: shape \(24, 7\), \(24, 8\) expected",
        ),
        (
            {k: v for k, v in torch.nn.GRU(6, 8, 2).state_dict().items() if k != "weight_hh_l1"},
            r"^weight_hh_l1: missing in the state_dict; save that of the whole module",
        ),
        (changed(torch.nn.GRU(6, 8), weight_ih_l0=torch.ones(24)), r"^weight_ih_l0: shape \(24,\)"),
    ],
)
def test_what_is_no_module_is_refused(arrays, message):
    with pytest.raises(InputError, match=message):
        import_module(arrays)


def test_files_that_are_no_state_dict_are_refused(files):
    path = files / "bad.pt"
    contents = {
        b"": "no file of tensors alone",
        b"PK\x03\x04 no zip": "no file of tensors alone",
        (files / "gru.pt").read_bytes()[:500]: "no file of tensors alone",
        pickle.dumps(print): "no file of tensors alone",
        pickle.dumps({"a": CONFIG}): "no file of tensors alone",
    }
    for data, message in contents.items():
        path.write_bytes(data)
        with pytest.raises(InputError, match=message):
            read_state_dict(path)
    for content, message in (([1, 2], "holds no state_dict"), ({"a": 1}, "without tensors")):
        torch.save(content, path)
        with pytest.raises(InputError, match=message):
            read_state_dict(path)
    with pytest.raises(InputError, match="cannot read the state_dict"):
        read_state_dict(files / "nowhere.pt")
    done = CliRunner().invoke(
        app, ["import", str(files / "x.npy"), "--inputs", str(files / "x.npy")]
    )
    assert isinstance(done.exception, InputError)


def test_vectors_that_are_none_are_refused(tmp_path):
    path = tmp_path / "x.npy"
    for array, message in (
        (np.ones((3, 5)), r"shape \(3, 5\); \(T, 6\) or \(N, T, 6\) expected"),
        (np.ones(6), r"shape \(6,\)"),
        (np.ones((0, 6)), "holds no vector"),
        (np.array([[0, 1, 2, 3, 4, np.nan]]), r"not finite, at \[0, 0, 5\]; clean the data"),
        (np.array([["a"] * 6]), "an array of real numbers expected"),
        (np.ones((2, 6), complex), "an array of real numbers expected"),
        (np.array([{}]), r"no \.npy array of numbers"),
    ):
        np.save(path, array)
        with pytest.raises(InputError, match=message):
            read_inputs(path, 6)
    path.write_bytes(b"no array")
    with pytest.raises(InputError, match=r"no \.npy array of numbers"):
        read_inputs(path, 6)
    with pytest.raises(InputError, match="cannot read the inputs"):
        read_inputs(tmp_path / "nowhere.npy", 6)
    np.save(path, np.ones((4, 6), np.float32))
    assert read_inputs(path, 6).shape == (1, 4, 6)


def test_weights_that_are_zero_are_named_or_have_a_scale(tmp_path, vectors):
    np.save(tmp_path / "x.npy", vectors)
    module = torch.nn.GRU(FEATURES, HIDDEN)
    arguments = tmp_path / "m.pt", tmp_path / "x.npy", tmp_path / "m.irnn", CONFIG
    with torch.no_grad():
        module.weight_hh_l0[3] = 0
        torch.save(module.state_dict(), tmp_path / "m.pt")
        assert import_file(*arguments, Kept(per_row=True))["sqnr_db"] > 25
        module.weight_hh_l0[:] = 0
        torch.save(module.state_dict(), tmp_path / "m.pt")
    with pytest.raises(InputError, match=r"^l0\.ph: range: largest magnitude 0\.0 is not a"):
        import_file(*arguments, Kept())


def test_bits_are_8_or_16():
    with pytest.raises(InputError, match=r"^cell_bits: 12; choose 8 or 16"):
        Kept(cell_bits=12)
    with pytest.raises(InputError, match=r"^method: 'best'; choose greedy, optimal"):
        Schedule(method="best")
