"""irnn_hw.quant.presets: bits and pieces of the paper's settings, in the models made by them."""

import numpy as np
import pytest
from networks import HIDDEN, Maker
from qat_networks import tables

from golden.errors import InputError
from golden.operations import Pwl
from irnn_hw.quant.network import run
from irnn_hw.quant.presets import PRESETS, preset_named
from irnn_hw.quant.quantize import parameters, quantize


@pytest.mark.parametrize(("name", "bits"), [("lm8", 8), ("asr16", 16)])
def test_an_lstm_of_a_preset_has_its_bits(name, bits):
    network, feeds = Maker().lstm(preset_named(name).lstm(coupled=True))
    ranges = run(network, feeds).ranges
    taken = quantize(network, parameters(network, ranges), None, None, tables(network, ranges))
    tensors = taken.model.tensors
    wide = {f"l.{t}" for t in ("f.pre", "j.pre", "o.pre", "fc", "ij", "c", "c.next")}
    assert {n for n, t in tensors.items() if t.bits == 16} == (wide if bits == 16 else set())
    assert {tensors[f"l.{t}"].bits for t in ("px", "ph", "f", "j", "o", "h.next")} == {8}
    assert tensors["logits"].bits == 32


def test_a_language_model_of_lm8_has_32_pieces():
    preset = PRESETS["lm8"]
    network, feeds = Maker().lstm(preset.lstm(bias=np.zeros(4 * HIDDEN)))
    taken = quantize(network, parameters(network, run(network, feeds).ranges), preset.choices())
    pieces = {len(op.knots) for op in taken.model.operations if isinstance(op, Pwl)}
    assert pieces == {32}
    assert PRESETS["asr16"].choices("optimal").pieces == {"": 96, "exp": 160}


def test_another_name_is_refused():
    with pytest.raises(InputError, match=r"^preset: 'lm4'; choose lm8, asr16$"):
        preset_named("lm4")
