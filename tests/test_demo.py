"""The whole road on a small network and NPU; run again, it does nothing that is done."""

import json

import pytest

from golden.errors import InputError
from golden.npu_config import CONFIGS
from irnn_hw import demo
from irnn_hw.demo import Settings, run_demo
from irnn_hw.qat.config import TrainConfig

KEYS = [
    "seconds",
    "bits_per_char_float",
    "bits_per_char_int",
    "logits_compared",
    "logits_differing",
    "words_compared",
    "words_differing",
    "cycles",
    "mac_utilisation",
    "cycles_per_second",
    "area",
    "hashes",
]
TRAINING = TrainConfig(embedding=8, hidden=16, float_steps=12, range_steps=2, lut_steps=2,
                       pwl_steps=2, batch=32, window=32)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(folder):
    patch = pytest.MonkeyPatch()
    patch.setattr(demo, "PASSAGE", 6)
    patch.setattr(demo, "WRITES", 4)
    yield run_demo(Settings(folder, "pydoc", CONFIGS["tiny"], TRAINING))
    patch.undo()


def test_every_figure_is_there_and_nothing_differs(folder, first):
    summary = json.loads((folder / "summary.json").read_text())
    assert set(KEYS) <= set(summary)
    assert summary["words_differing"] == summary["logits_differing"] == 0
    assert summary["message"] == ""
    assert summary["words_compared"] > 10 * (6 + 4) * 16
    assert summary["logits_compared"] > 1e6
    assert summary["steps"] == 10
    assert 0.5 < summary["mac_utilisation"] < 1
    assert {target: area for target, area in summary["area"].items() if area} == first["area"]
    assert set(summary["hashes"]) == {"model", "verilog", "program"}


def test_the_page_and_what_it_is_made_from_are_there(folder, first):
    text = json.loads((folder / "text.json").read_text())
    assert len(text["read"]) == 6
    assert len(text["written"]) == 4
    page = (folder / "report.html").read_text()
    assert "<svg" in page or "data:image" in page
    assert (folder / "npu" / "npu.v").read_text().count("module npu(") == 1


def test_a_second_run_reuses_every_step(folder, first):
    again = run_demo(Settings(folder, "pydoc", CONFIGS["tiny"], TRAINING))
    assert set(again["reused"]) == set(again["seconds_by_step"])
    assert again["seconds"] < 5
    assert again["hashes"] == first["hashes"]


def test_what_changed_is_made_again_with_all_that_follows(folder, first):
    (folder / "model.irnn").unlink()
    again = run_demo(Settings(folder, "pydoc", CONFIGS["tiny"], TRAINING))
    assert "export" not in again["reused"]
    assert {"train", "area", "cosim"} <= set(again["reused"])
    assert again["hashes"] == first["hashes"]


def test_a_bad_corpus_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        run_demo(
            Settings(tmp_path / "out", str(tmp_path / "nowhere.txt"), CONFIGS["tiny"], TRAINING)
        )
    assert not (tmp_path / "out").exists()
