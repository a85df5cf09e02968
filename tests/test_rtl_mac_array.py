import numpy as np
import pytest
from rtl_cases import as_unit, complaints, reference

from golden.linear import MatVecSpec, accumulate
from golden.npu_config import MAC_ARRAY
from rtl.mac_array import MacArray, mac_layout
from rtl.units.unit import pack
from sim.unit_check import UnitBench

MASK = 0xFFFFFFFF
CASES = [c for c in reference("matvec") if c["w_zero_point"] == 0 and len(c["x"]) <= 128]


def tiles(weights, x, rows: int, columns: int) -> list[dict]:
    """Beats of a matrix-vector product: tiles of `rows` rows, padded with zeros."""
    weights = np.asarray(weights)
    padded = np.zeros((-(-len(weights) // rows) * rows, -(-len(x) // columns) * columns), int)
    padded[: len(weights), : len(x)] = weights
    codes = np.zeros(padded.shape[1], int)
    codes[: len(x)] = x
    beats = []
    for tile in padded.reshape(-1, rows, padded.shape[1]):
        chunks = np.split(np.arange(padded.shape[1]), padded.shape[1] // columns)
        for n, chunk in enumerate(chunks):
            ends = {"first": n == 0, "last": n == len(chunks) - 1}
            beats.append({"x": codes[chunk], "w": tile[:, chunk], **ends})
    return beats


def words(accumulators, rows: int) -> list[int]:
    """Accumulators of the rows of each tile as one payload."""
    padded = [int(a) for a in accumulators] + [0] * (-len(accumulators) % rows)
    return [
        sum((a & MASK) << (32 * r) for r, a in enumerate(padded[n : n + rows]))
        for n in range(0, len(padded), rows)
    ]


@pytest.mark.parametrize("case", CASES[:5], ids=lambda c: f"{len(c['weights'])}x{len(c['x'])}")
def test_the_reference_vectors(case):
    weights = np.asarray(case["weights"], np.int8)
    folded = np.asarray(case["bias"]) - case["x_zero_point"] * weights.astype(int).sum(axis=1)
    outputs = words(np.asarray(case["accumulators"]) - folded, 4)
    assert complaints(MacArray(rows=4, columns=4), tiles(weights, case["x"], 4, 4), outputs) == ""


def test_accumulators_use_all_32_bits():
    beats = 33_000
    assert (1 << 30) < beats * 2 * 255 * 127 < (1 << 31)
    layout = mac_layout(2, 2)
    inputs = []
    for sign in (1, -1):
        weights = [[127 * sign] * 2, [-127 * sign] * 2]
        beat = pack(layout, {"x": [255, 255], "w": weights})
        first, last = (pack(layout, {name: 1}) for name in ("first", "last"))
        inputs += [beat | first, *[beat] * (beats - 2), beat | last]
    total = beats * 2 * 255 * 127
    unit = as_unit(
        "mac-array-2x2",
        lambda: MacArray(rows=2, columns=2),
        inputs,
        words([total, -total], 2) + words([-total, total], 2),
    )
    assert UnitBench(unit, 0).check_native().message == ""


def test_rows_and_columns_may_differ():
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (6, 10)).astype(np.int8)
    x = rng.integers(0, 256, 10)
    spec = MatVecSpec(weights, np.zeros(6, np.int32), 0, None)
    outputs = words(accumulate(spec, x), 3)
    assert complaints(MacArray(rows=3, columns=5), tiles(weights, x, 3, 5), outputs) == ""


def test_latency_is_the_named_constant():
    assert MacArray.LATENCY == MAC_ARRAY == 3
