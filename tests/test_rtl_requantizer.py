import gc

import numpy as np
import pytest
from native_runs import every_pattern, load, numbers, packed
from rtl_cases import complaints, reference
from test_rtl_fixed import exact_round

from golden import stimulus
from golden.errors import InputError
from golden.fixed import FixedPoint, requantize
from golden.npu_config import REQUANTIZER
from rtl.requantizer import Requantizer, requantizer_layout
from rtl.rounder import Rounder

unused = pytest.mark.filterwarnings("ignore:.*created but never used")
FIELDS = ("acc", "mantissa", "shift", "zero_point")


@pytest.mark.parametrize("bits", [8, 16])
def test_the_reference_vectors(bits):
    cases = [c for c in reference("requantize") if c[4] == bits and c[1] < 1 << 16]
    assert len(cases) > 50
    inputs = [dict(zip(FIELDS, case, strict=False)) for case in cases]
    outputs = [case[5] for case in cases]
    assert complaints(Requantizer(multiplier_width=16, bits=bits), inputs, outputs) == ""


@pytest.mark.parametrize(("acc_width", "multiplier_width", "bits"), [(32, 31, 16), (20, 8, 8)])
def test_other_widths(acc_width, multiplier_width, bits):
    rng, count, limit = np.random.default_rng(0), 300, 1 << (acc_width - 1)
    columns = (
        stimulus.mixed(rng, -limit, limit - 1, count),
        stimulus.mixed(rng, 1, (1 << multiplier_width) - 1, count),
        stimulus.mixed(rng, 0, 62, count),
        stimulus.mixed(rng, 0, (1 << bits) - 1, count),
    )
    inputs = [dict(zip(FIELDS, row, strict=True)) for row in zip(*columns, strict=True)]
    outputs = [
        int(requantize(int(a), FixedPoint(int(m), int(s)), int(z), bits))
        for a, m, s, z in zip(*columns, strict=True)
    ]
    unit = Requantizer(acc_width=acc_width, multiplier_width=multiplier_width, bits=bits)
    assert complaints(unit, inputs, outputs) == ""


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("multiplier_width", [8, 16, 24, 32])
def test_every_width_to_its_ends(multiplier_width, bits):
    """Against rational arithmetic: products of 32 by 32 bits are beyond golden's domain."""
    rng, count = np.random.default_rng(multiplier_width), 2000
    mantissa = stimulus.mixed(rng, 1, (1 << multiplier_width) - 1, count)
    acc = stimulus.mixed(rng, -(1 << 31), (1 << 31) - 1, count)
    mantissa[:400], acc[:200], acc[200:400] = (1 << multiplier_width) - 1, -(1 << 31), (1 << 31) - 1
    shift = stimulus.mixed(rng, 0, 62, count)
    shift[:400] = np.arange(400) % 63
    zero_point = stimulus.mixed(rng, 0, (1 << bits) - 1, count)
    columns = {"acc": acc, "mantissa": mantissa, "shift": shift, "zero_point": zero_point}
    component = Requantizer(multiplier_width=multiplier_width, bits=bits)
    unit = load(component)
    runs = every_pattern(unit, packed(component, columns, unit.input_bytes), count)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    wanted = [min(max(exact_round(a * m, s) + z, 0), (1 << bits) - 1) for a, m, s, z in rows]
    for run in runs.values():
        assert numbers(run, component).tolist() == wanted
    assert runs["full rate"].taken_at.tolist() == list(range(5, 5 + count))


@unused
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"multiplier_width": 7}, "requantizer: multiplier_width is 7; 8 to 32"),
        ({"multiplier_width": 33}, "requantizer: multiplier_width is 33; 8 to 32"),
        ({"bits": 12}, "requantizer: bits is 12; 8 or 16"),
    ],
)
def test_widths_that_there_are_not(sizes, message):
    with pytest.raises(InputError) as error:
        Requantizer(**sizes)
    assert str(error.value) == message
    del error
    gc.collect()  # what was refused goes here, where its not being used is no fault


def test_latency_is_two_multiplier_stages_and_a_rounder():
    assert Requantizer.LATENCY == REQUANTIZER == 2 + Rounder.LATENCY


def test_layout_has_the_widths_asked_for():
    layout = requantizer_layout(32, 24, 16)
    assert [layout[f].width for f in FIELDS] == [32, 24, 6, 16]
    assert [layout[f].offset for f in FIELDS] == [0, 32, 56, 62]
