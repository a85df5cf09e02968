import gc

import numpy as np
import pytest
from native_runs import every_pattern, full_rate, load, numbers, packed
from rtl_cases import complaints, reference

from golden import stimulus
from golden.elementwise import AddSpec, add
from golden.errors import InputError
from golden.npu_config import ROUNDER
from rtl.term_sum import TermSum, term_sum_layout
from sim.native import NativeUnit, Words

unused = pytest.mark.filterwarnings("ignore:.*created but never used")


def payloads(unit: NativeUnit, component: TermSum, spec: AddSpec, q) -> Words:
    """Packed rows of q, an array a term."""
    columns = {"shift": spec.shift, "zero_point": spec.out_zero_point}
    for n, term in enumerate(zip(q, spec.zero_points, spec.mantissas, strict=True)):
        columns |= dict(zip((f"q_{n}", f"z_{n}", f"m_{n}"), term, strict=True))
    return packed(component, columns, unit.input_bytes)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("terms", [2, 3])
def test_the_reference_vectors(terms, bits):
    inputs, outputs = [], []
    for q, zero_points, mantissas, shift, z_out, out_bits, result in reference("add"):
        if len(q) == terms and out_bits == bits:
            fields = {"shift": shift, "zero_point": z_out}
            for n, term in enumerate(zip(q, zero_points, mantissas, strict=True)):
                fields |= dict(zip((f"q_{n}", f"z_{n}", f"m_{n}"), term, strict=True))
            inputs.append(fields)
            outputs.append(result)
    assert len(inputs) > 600
    unit = TermSum(operand_bits=(16,) * terms, bits=bits)
    assert complaints(unit, inputs[:300], outputs[:300]) == ""


@pytest.mark.parametrize(
    ("zero_points", "mantissas", "shift", "z_out"),
    [
        ((120, 131), (43000, -65535), 16, 118),
        ((0, 255), (65535, 65535), 17, 128),
        ((255, 0), (1, -2), 0, 255),
    ],
)
def test_every_pair_of_codes(zero_points, mantissas, shift, z_out):
    component = TermSum()
    a, b = (codes.ravel() for codes in np.meshgrid(np.arange(256), np.arange(256)))
    spec = AddSpec(zero_points, mantissas, shift, z_out)
    unit = load(component)
    runs = every_pattern(unit, payloads(unit, component, spec, (a, b)), 1 << 16)
    for run in runs.values():
        assert (numbers(run, component) == add(spec, a, b)).all()


@pytest.mark.parametrize(
    ("operand_bits", "multiplier_width"),
    [((8,) * 8, 8), ((16,) * 8, 32), ((8, 16, 8, 16, 8), 17)],
)
def test_the_largest_sums(operand_bits, multiplier_width):
    component = TermSum(operand_bits=operand_bits, multiplier_width=multiplier_width, bits=16)
    unit, largest = load(component), (1 << multiplier_width) - 1
    tops = [(1 << bits) - 1 for bits in operand_bits]
    half = multiplier_width + max(operand_bits) - 13
    for sign in (1, -1):
        for q, z in ((tops, [0] * len(tops)), ([0] * len(tops), tops)):
            mantissas = (sign * min(largest, (1 << 31) - 1),) * len(tops)
            for shift in (half, half + 3):
                spec = AddSpec(tuple(z), mantissas, shift, 1 << 15, 16)
                words = payloads(unit, component, spec, [*map(np.atleast_1d, q)])
                run = full_rate(unit, words, 1)
                assert numbers(run, component).tolist() == [int(add(spec, *q))]


@unused
@pytest.mark.parametrize(
    ("terms", "multiplier_width", "cycles"),
    [(2, 17, 1), (4, 17, 1), (5, 17, 2), (2, 18, 1), (3, 18, 2), (8, 32, 2)],
)
def test_latency_is_a_cycle_for_every_four_products(terms, multiplier_width, cycles):
    latency = TermSum(operand_bits=(8,) * terms, multiplier_width=multiplier_width).LATENCY
    assert latency == 2 + cycles + ROUNDER
    gc.collect()


def test_one_result_a_cycle():
    component = TermSum(operand_bits=(8,) * 5)
    unit, rng = load(component), np.random.default_rng(5)
    q = stimulus.mixed(rng, 0, 255, 2500).reshape(5, -1)
    spec = AddSpec((77,) * 5, (3, 4, 5, -6, 7), 2, 100)
    run = full_rate(unit, payloads(unit, component, spec, q), 500)
    assert (numbers(run, component) == add(spec, *q)).all()
    assert run.taken_at.tolist() == list(range(component.LATENCY, component.LATENCY + 500))


@unused
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"operand_bits": (8,)}, "sum: 1 terms; 2 to 8"),
        ({"operand_bits": (8,) * 9}, "sum: 9 terms; 2 to 8"),
        ({"operand_bits": (8, 12)}, "sum: bits is 12; 8 or 16"),
        ({"bits": 32}, "sum: bits is 32; 8 or 16"),
        ({"multiplier_width": 33}, "sum: multiplier_width is 33; 8 to 32"),
    ],
)
def test_sizes_that_there_are_not(sizes, message):
    with pytest.raises(InputError) as error:
        TermSum(**sizes)
    assert str(error.value) == message
    del error
    gc.collect()  # what was refused goes here, where its not being used is no fault


def test_layout_has_the_widths_asked_for():
    layout = term_sum_layout((8, 16), 24, 8)
    assert [(name, field.width) for name, field in layout] == [
        ("q_0", 8), ("z_0", 8), ("m_0", 25), ("q_1", 16), ("z_1", 16), ("m_1", 25),
        ("shift", 6), ("zero_point", 8),
    ]  # fmt: skip
