import functools
import gc

import numpy as np
import pytest
from native_runs import full_rate, load, packed
from rtl_cases import complaints, reference

from golden.errors import InputError
from golden.linear import ACCUMULATOR_MAX, MatVecSpec, accumulate
from golden.npu_config import MAC_ARRAY
from golden.weights import FORMATS
from irnn_hw.area.yosys import estimate
from rtl.mac_array import MacArray
from rtl.units.mac_array import weight_codes, weight_values

MASK = 0xFFFFFFFF
VARIANTS = {
    "int8": {},
    **{name: {"weight_format": name} for name in FORMATS},
    **{f"packed {bits}": {"packed": bits} for bits in range(16, 25)},
}
# Of the packed ones, those whose products overlap most, as on an ECP5, and not at all.
NATIVELY = ["int8", *FORMATS, "packed 16", "packed 18", "packed 24"]
ENDS = ("first", "last")
EVERY = pytest.mark.parametrize("variant", NATIVELY)
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


def values_of(variant: str) -> np.ndarray:
    return np.array(weight_values(VARIANTS[variant].get("weight_format", "int8")))


def codes_of(variant: str, values: np.ndarray) -> np.ndarray:
    return weight_codes(values, VARIANTS[variant].get("weight_format", "int8"))


@functools.cache
def natively(variant: str):
    """The 2 x 2 array of a variant: (component, native unit)."""
    component = MacArray(rows=2, columns=2, **VARIANTS[variant])
    return component, load(component)


def beats(variant: str, x, w0, w1, **ends) -> np.ndarray:
    """Words of the 2 x 2 array: in both columns the code x, weights w0 in row 0, w1 in row 1."""
    component, unit = natively(variant)
    bits = component.i.payload.shape()["w"].width // 4
    codes = [
        codes_of(variant, np.asarray(w)).astype(np.int64) & ((1 << bits) - 1) for w in (w0, w1)
    ]
    w = sum(codes[n // 2] << (bits * n) for n in range(4))
    fields = {"x": np.asarray(x) * 0x101, "w": w, "first": 0, "last": 0}
    return packed(component, fields | ends, unit.input_bytes)


def products(variant: str, x, w0, w1) -> np.ndarray:
    """What the array says of tiles of one beat: (tiles, 2)."""
    words = beats(variant, x, w0, w1, first=1, last=1)
    run = full_rate(natively(variant)[1], words, len(words))
    assert run.taken_at[0] == MAC_ARRAY
    assert (np.diff(run.taken_at) == 1).all()
    return run.outputs.view("<i4")


def golden(x, w) -> np.ndarray:
    """Twice the product of each code by each weight, in pairs: both columns have the same."""
    weights = np.repeat(np.unique(w)[:, np.newaxis], 2, axis=1).astype(np.int8)
    spec = MatVecSpec(weights, np.zeros(len(weights), np.int32), 0, None)
    table = accumulate(spec, np.repeat(np.arange(256)[:, np.newaxis], 2, axis=1))
    return table[x, np.searchsorted(weights[:, 0], w)]


@EVERY
def test_every_code_by_every_weight(variant):
    values = values_of(variant)
    x, n = (a.ravel() for a in np.meshgrid(np.arange(256), np.arange(len(values))))
    w0, w1 = values[n], values[(n + x) % len(values)]
    got = products(variant, x, w0, w1)
    assert (got[:, 0] == golden(x, w0)).all()
    assert (got[:, 1] == golden(x, w1)).all()


def check_pairs(variant: str, lower, upper) -> None:
    x, w0, w1 = (a.ravel() for a in np.meshgrid(np.arange(256), lower, upper))
    got = products(variant, x, w0, w1)
    assert (got[:, 0] == golden(x, w0)).all()
    assert (got[:, 1] == golden(x, w1)).all()


@pytest.mark.parametrize("variant", NATIVELY[-3:])
def test_packed_weights_do_not_touch_each_other(variant):
    """Every code and weight beside the weights with the longest carries and borrows."""
    corners = np.array([-127, -65, -64, -1, 0, 1, 64, 127])
    check_pairs(variant, corners, values_of(variant))
    check_pairs(variant, values_of(variant), corners)


@pytest.mark.slow
@pytest.mark.parametrize("variant", NATIVELY[-3:])
def test_every_code_by_every_pair_of_packed_weights(variant):
    for part in np.array_split(values_of(variant), 15):
        check_pairs(variant, part, values_of(variant))


@EVERY
def test_accumulators_use_all_32_bits(variant):
    """The longest tile of the largest operands, of both signs; wrapping would change a sign."""
    largest = int(values_of(variant)[-1])
    count = ACCUMULATOR_MAX // (2 * 255 * largest)
    inner = np.repeat(beats(variant, [255], [largest], [-largest]), count - 2, axis=0)
    first, last = (beats(variant, [255], [largest], [-largest], **{end: 1}) for end in ENDS)
    unit = natively(variant)[1]
    (got,) = full_rate(unit, np.concatenate([first, inner, last]), 1).outputs.view("<i4")
    total = count * 2 * 255 * largest
    assert ACCUMULATOR_MAX - total < 2 * 255 * largest
    assert got.tolist() == [total, -total]


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_and_columns_may_differ_and_be_odd(variant):
    rng = np.random.default_rng(0)
    weights = rng.choice(values_of(variant), (6, 10)).astype(np.int8)
    x = rng.integers(0, 256, 10)
    spec = MatVecSpec(weights, np.zeros(6, np.int32), 0, None)
    outputs = words(accumulate(spec, x), 3)
    array = MacArray(rows=3, columns=5, **VARIANTS[variant])
    codes = codes_of(variant, weights.astype(np.int64))
    assert complaints(array, tiles(codes, x, 3, 5), outputs) == ""


@pytest.mark.parametrize(
    ("target", "bits"),
    [("ecp5", 18), ("up5k", 16), pytest.param("xilinx", 24, marks=pytest.mark.slow)],
)
def test_shifted_weights_take_no_multiplier_and_packed_ones_half(target, bits, tmp_path):
    wanted = {"int8": 4, "ternary": 0, "power of two": 0, f"packed {bits}": 2}
    for variant, multipliers in wanted.items():
        array = MacArray(rows=2, columns=2, **VARIANTS[variant])
        assert estimate(array, "unit", target, tmp_path)["total"]["dsp"] == multipliers


def test_latency_is_the_named_constant():
    assert MacArray.LATENCY == MAC_ARRAY == 3


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"weight_format": "int4"}, "weight_format: int4 is not one of int8, ternary, "),
        ({"packed": 15}, r"packed: 15 is not in 16\.\.24"),
        ({"packed": 25}, r"packed: 25 is not in 16\.\.24"),
        ({"weight_format": "ternary", "packed": 24}, "packed: ternary weights take no multiplier"),
    ],
)
def test_what_there_is_not_is_refused_by_name(parameters, message):
    with pytest.raises(InputError, match=message):
        MacArray(rows=2, columns=2, **parameters)
    gc.collect()  # the refused array, while its warning is expected
