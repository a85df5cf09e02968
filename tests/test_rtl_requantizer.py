import numpy as np
import pytest
from rtl_cases import complaints, reference

from golden import stimulus
from golden.fixed import FixedPoint, requantize
from golden.npu_config import REQUANTIZER
from rtl.requantizer import Requantizer, requantizer_layout
from rtl.rounder import Rounder

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


def test_latency_is_two_multiplier_stages_and_a_rounder():
    assert Requantizer.LATENCY == REQUANTIZER == 2 + Rounder.LATENCY


def test_layout_has_the_widths_asked_for():
    layout = requantizer_layout(32, 24, 16)
    assert [layout[f].width for f in FIELDS] == [32, 24, 6, 16]
    assert [layout[f].offset for f in FIELDS] == [0, 32, 56, 62]
