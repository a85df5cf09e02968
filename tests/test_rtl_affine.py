import numpy as np
import pytest
from native_runs import every_pattern, full_rate, load, numbers

from golden.elementwise import AffineSpec, affine
from golden.fixed import FixedPoint
from rtl.affine import Affine
from rtl.units.division import affine_spec


@pytest.mark.parametrize("length", [1, 2, 30])
def test_every_code_at_every_place(length):
    spec, component = affine_spec(length), Affine(spec=affine_spec(length))
    y = np.repeat(np.arange(256), length).reshape(256, length)
    wanted = affine(spec, y).ravel()
    for run in every_pattern(load(component), y.reshape(-1, 1).astype(np.uint8), y.size).values():
        assert (numbers(run, component) == wanted).all()


def test_cycles():
    component = Affine(spec=affine_spec(30))
    run = full_rate(load(component), np.zeros((60, 1), np.uint8), 60)
    assert run.taken_at.tolist() == list(range(7, 67))
    assert component.LATENCY == 7


@pytest.mark.parametrize("zero_point", [0, 255, 65535])
def test_wide_constants(zero_point):
    """int16 gamma, 16-bit operands and codes, beta as large as its domain has it."""
    gamma = np.array([32767, -32767, 1, 0], np.int16)
    limit = (1 << 62) - 32767 * 65535 * ((1 << 24) - 1) - 1
    beta = np.array([limit, -limit, 1 << 30, -(1 << 45)], np.int64)
    spec = AffineSpec(gamma, beta, zero_point, FixedPoint((1 << 24) - 1, 40), 3000, 16)
    component = Affine(spec=spec, bits=16)
    y = np.random.default_rng(0).integers(0, 1 << 16, (500, 4))
    y[0], y[1] = 0, 65535
    words = y.reshape(-1, 1).view(np.uint8)[:, :2]
    run = full_rate(load(component), words, y.size)
    assert (numbers(run, component) == affine(spec, y).ravel()).all()
