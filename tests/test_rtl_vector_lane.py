import pytest
from rtl_cases import complaints, reference

from golden.npu_config import ROUNDER, VECTOR_LANE
from rtl.vector_lane import SEGMENT_CYCLE, VectorLane, lane_layout

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


def test_latency_composes():
    assert VectorLane.LATENCY == VECTOR_LANE == 4 + ROUNDER
    assert 0 < SEGMENT_CYCLE < VectorLane.LATENCY - ROUNDER


def test_layout_has_the_widths_asked_for():
    layout = lane_layout(bits=8, scale_bits=18)
    assert layout["offset"].width == 18 + 8 + 1
    assert layout.size == 5 * 8 + 3 * 18 + 6 + 2 + 27
