import gc

import numpy as np
import pytest
from amaranth.sim import Simulator
from native_runs import every_pattern, full_rate, load, numbers, packed
from rtl_cases import complaints, reference

from golden.elementwise import (
    AddSpec,
    AffineSpec,
    MultiplySpec,
    add,
    affine,
    minimum,
    multiply,
    one_minus,
    subtract_spec,
)
from golden.errors import InputError
from golden.fixed import FixedPoint, requantize
from golden.madnorm import MadNormSpec, deviation, mean
from golden.npu_config import ROUNDER, VECTOR_LANE
from rtl.units.vector_lane import terms
from rtl.vector_lane import SEGMENT_CYCLE, VectorLane, lane_layout, longest_sum

unused = pytest.mark.filterwarnings("ignore:.*created but never used")
SCALE_BITS = 18


def fits(codes, bits: int) -> bool:
    return all(code < 1 << bits for code in codes)


@pytest.mark.parametrize("bits", [8, 16])
def test_multiply_on_the_reference_vectors(bits):
    inputs, outputs = [], []
    for a, z_a, b, z_b, mantissa, shift, z_out, out_bits, result in reference("multiply"):
        if out_bits == bits and fits((a, z_a, b, z_b, z_out), bits):
            inputs.append(
                {"a": a, "z_a": z_a, "b": b, "z_b": z_b, "m_a": mantissa, "shift": shift}
                | {"z_out": z_out, "multiply": 1}
            )
            outputs.append(result)
    assert len(inputs) > 20
    assert complaints(VectorLane(bits=bits, scale_bits=SCALE_BITS), inputs, outputs) == ""


@pytest.mark.parametrize("bits", [8, 16])
def test_add_on_the_reference_vectors(bits):
    inputs, outputs = [], []
    for q, zero_points, mantissas, shift, z_out, out_bits, result in reference("add"):
        if len(q) == 2 and out_bits == bits and fits((*q, *zero_points, z_out), bits):
            (a, b), (z_a, z_b), (m_a, m_b) = q, zero_points, mantissas
            inputs.append(
                {"a": a, "z_a": z_a, "b": b, "z_b": z_b, "m_a": m_a, "m_b": m_b}
                | {"shift": shift, "z_out": z_out}
            )
            outputs.append(result)
    assert len(inputs) > 5
    assert complaints(VectorLane(bits=bits, scale_bits=SCALE_BITS), inputs, outputs) == ""


def test_extreme_operands_do_not_overflow():
    top = (1 << (SCALE_BITS - 1)) - 1
    inputs, outputs = [], []
    for a, z_a, b, z_b, m in [(0, 255, 255, 0, top), (255, 0, 255, 0, top), (0, 255, 0, 255, top)]:
        product = (a - z_a) * (b - z_b) * m
        inputs.append(
            {"a": a, "z_a": z_a, "b": b, "z_b": z_b, "m_a": m, "shift": 26, "z_out": 128}
            | {"multiply": 1}
        )
        half_away = (abs(product) + (1 << 25)) >> 26
        outputs.append(min(max(128 + (half_away if product > 0 else -half_away), 0), 255))
    assert complaints(VectorLane(), inputs, outputs, ["full rate"]) == ""


A, B = (codes.ravel() for codes in np.meshgrid(np.arange(256), np.arange(256)))
ONE_BEAT = {"first": 1, "last": 1}
# Zero points of a, b and the result; a multiplier of each; the shift of a scaled operand.
CONSTANTS = [
    ((120, 131, 118), (43000, 65535), 16),
    ((0, 255, 128), (131071, 131071), 18),
    ((255, 0, 0), (77, 3), 0),
]


def every_pair(operation, constants):
    """Columns of an operation on all pairs of codes, and golden's answers."""
    (z_a, z_b, z_out), (m_a, m_b), shift = constants
    fields = {"a": A, "b": B, "z_a": z_a, "z_b": z_b, "z_out": z_out, "m_a": m_a, "m_b": m_b}
    fields |= {"shift": shift, **ONE_BEAT}
    if operation == "multiply":
        spec = MultiplySpec((z_a, z_b), FixedPoint(m_a, shift + 8), z_out)
        fields |= {"multiply": 1, "m_b": 0, "shift": shift + 8}
        return fields, multiply(spec, A, B)
    if operation == "add":
        return fields, add(AddSpec((z_a, z_b), (m_a, m_b), shift, z_out), A, B)
    if operation == "subtract":
        return fields | {"m_b": -m_b}, add(AddSpec((z_a, z_b), (m_a, -m_b), shift, z_out), A, B)
    if operation == "affine":
        gamma, y = np.arange(-127, 128, dtype=np.int8), np.arange(256)
        beta = (np.arange(255) - 127) << 26
        spec = AffineSpec(gamma, beta, z_a, FixedPoint(m_a, shift + 8), z_out)
        columns = [v.ravel() for v in np.broadcast_arrays(y[:, None], np.arange(1, 256), beta)]
        fields |= dict(zip(("a", "b", "offset"), columns, strict=True))
        fields |= {"z_b": 128, "multiply": 1, "pwl": 1, "slope": m_a, "shift": shift + 8}
        return fields, affine(spec, np.repeat(y[:, None], 255, axis=1)).ravel()
    if operation == "minimum":
        same = {"z_a": z_a, "z_b": z_a, "z_out": z_a, "m_a": 1, "m_b": 0, "shift": 0}
        return fields | same | {"minimum": 1}, minimum(A, B)
    spec = row_spec(2, z_a, FixedPoint(m_a, shift), z_out)
    fields |= {"z_b": z_a, "m_b": m_a}
    if operation == "sum":
        return fields, mean(spec, np.stack([A, B], axis=-1))
    return fields | {"z_out": 0, "magnitudes": 1}, deviation(spec, np.stack([A, B], axis=-1))


def packed_lane(unit, component, fields):
    """Payloads; what is not named is 0."""
    held = [name for name, _ in component.i.payload.shape()]
    columns = {name: fields.get(name, 0) for name in held}
    return packed(component, columns, unit.input_bytes)


def row_spec(length: int, z: int, scale: FixedPoint, z_out: int) -> MadNormSpec:
    """Eq. 27 and 29 with one scale, about one zero point."""
    return MadNormSpec(
        length, scale, AddSpec((z, z_out), (1, -1), 0, z), scale, FixedPoint(1, 0), 0
    )


OPERATIONS = ("multiply", "add", "subtract", "affine", "minimum", "sum", "magnitudes")


@pytest.mark.parametrize("constants", CONSTANTS, ids=lambda c: str(c[0]))
def test_every_pair_of_codes(constants):
    """Every operation on a pair, one after the other."""
    component = VectorLane(complete=True)
    unit = load(component)
    words, wanted = [], []
    for operation in OPERATIONS:
        fields, answers = every_pair(operation, constants)
        words.append(packed_lane(unit, component, fields))
        wanted.append(answers)
    assert sum(map(len, wanted)) == 6 * (1 << 16) + 256 * 255
    run = full_rate(unit, np.concatenate(words), sum(map(len, wanted)))
    assert (numbers(run, component) == np.concatenate(wanted)).all()


@pytest.mark.parametrize("complete", [False, True])
def test_every_pair_of_what_the_engine_does(complete):
    component = VectorLane(complete=complete)
    unit = load(component)
    for operation in ("multiply", "add"):
        fields, wanted = every_pair(operation, CONSTANTS[0])
        words = packed_lane(unit, component, fields)
        for run in every_pattern(unit, words, 1 << 16).values():
            assert (numbers(run, component) == wanted).all()


def test_the_larger_one_of_every_pair_of_codes():
    component = VectorLane(complete=True)
    unit, odd = load(component), np.arange(2 << 16) % 2
    fields = {"a": np.stack([A, B], axis=-1).ravel(), "first": 1 - odd, "last": odd, "maximum": 1}
    fields |= {"b": 255 - A.repeat(2), "z_a": 77, "z_out": 77, "m_a": 1}
    for run in every_pattern(unit, packed_lane(unit, component, fields), 1 << 16).values():
        assert (numbers(run, component) == np.maximum(A, B)).all()


def test_what_stands_at_the_input_in_a_gap_is_not_looked_at():
    """The largest of 5, 200, 3 and the sum of 5, 200, 3, with other codes in the gaps."""
    component, answers = VectorLane(complete=True), []
    layout = component.i.payload.shape()

    async def bench(ctx):
        ctx.set(component.o.ready, 1)
        for kind in ({"maximum": 1}, {}):
            for n, code in enumerate((5, 200, 3)):
                beat = {"a": code, "m_a": 1, "first": n == 0, "last": n == 2, **kind}
                garbage = {"a": 255, "b": 255, "m_a": 1, "m_b": 1, "multiply": n == 1, **kind}
                for valid, payload in ((1, beat), (0, garbage)):
                    ctx.set(component.i.valid, valid)
                    ctx.set(component.i.payload, layout.const(payload))
                    await ctx.tick()
        await ctx.tick().repeat(VECTOR_LANE)

    async def watch(ctx):
        async for _, _, valid, answer in ctx.tick().sample(component.o.valid, component.o.payload):
            if valid:
                answers.append(answer)

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.add_testbench(watch, background=True)
    simulator.run()
    assert answers == [200, 208]


@pytest.mark.parametrize("bits", [8, 16])
def test_one_minus_every_code(bits):
    component = VectorLane(bits=bits, complete=True)
    x, top = np.arange(1 << bits), (1 << bits) - 1
    spec = subtract_spec((0, 3), (65535, 43000), 16, 9, bits)
    fields = {"a": top, "b": x, "z_a": 0, "z_b": 3, "z_out": 9, "m_a": 65535, "m_b": -43000}
    unit = load(component)
    run = full_rate(unit, packed_lane(unit, component, fields | ONE_BEAT | {"shift": 16}), len(x))
    assert (numbers(run, component) == one_minus(spec, x, bits)).all()


@pytest.mark.parametrize(("bits", "scale_bits"), [(8, 18), (16, 25)])
def test_the_longest_sums(bits, scale_bits):
    """Operands and scales at their ends: of both signs, as magnitudes, one after the other."""
    component = VectorLane(bits=bits, scale_bits=scale_bits, complete=True)
    count, top, m = longest_sum(bits), (1 << bits) - 1, (1 << (scale_bits - 1)) - 1
    assert count * top * (m + 1) < 1 << (2 * bits + scale_bits + 1)
    beat, shift, half = np.arange(count // 2), bits + scale_bits + 3, 1 << (bits - 1)
    ends = {"first": beat == 0, "last": beat == len(beat) - 1, "shift": shift, "z_out": half}
    unit, words, wanted = load(component), [], []
    for q, z, magnitudes in ((top, 0, 0), (0, top, 0), (0, top, 1), (top, 0, 1)):
        fields = {"a": q, "b": q, "z_a": z, "z_b": z, "m_a": m, "m_b": m, **ends}
        fields["magnitudes"] = magnitudes
        words.append(packed_lane(unit, component, fields))
        total = count * (abs(q - z) if magnitudes else q - z)
        wanted.append(int(requantize(total, FixedPoint(m, shift), half, bits)))
    assert 0 < wanted[1] < half < wanted[0] == wanted[2] == wanted[3] < top
    run = full_rate(unit, np.concatenate(words), 4)
    assert numbers(run, component).tolist() == wanted
    assert run.taken_at.tolist() == [(n + 1) * len(beat) - 1 + VECTOR_LANE for n in range(4)]


@pytest.mark.parametrize("bits", [8, 16])
def test_sums_of_the_reference_vectors(bits):
    inputs, outputs = [], []
    for q, zero_points, mantissas, shift, z_out, out_bits, result in reference("add"):
        if out_bits == bits and fits((*q, *zero_points, z_out), bits):
            inputs += terms(q, zero_points, mantissas, shift=shift, z_out=z_out)
            outputs.append(result)
    assert len(inputs) > len(outputs) + 5
    component = VectorLane(bits=bits, complete=True)
    assert complaints(component, inputs, outputs, ["gaps and back-pressure"]) == ""


@unused
def test_bits_that_there_are_not():
    with pytest.raises(InputError) as error:
        VectorLane(bits=12)
    assert str(error.value) == "vector lane: bits is 12; 8 or 16"
    del error
    gc.collect()  # what was refused goes here, where its not being used is no fault


def test_latency_composes():
    assert VectorLane.LATENCY == VECTOR_LANE == 4 + ROUNDER
    assert 0 < SEGMENT_CYCLE < VectorLane.LATENCY - ROUNDER


def test_layout_has_the_widths_asked_for():
    layout = lane_layout(bits=8, scale_bits=18)
    assert layout["offset"].width == 18 + 8 + 1
    assert layout.size == 5 * 8 + 3 * 18 + 6 + 2 + 27
    complete = lane_layout(bits=8, scale_bits=18, complete=True)
    assert complete["offset"].width == 18 + 2 * 8 + 1
    assert complete.size == layout.size + 8 + 5
