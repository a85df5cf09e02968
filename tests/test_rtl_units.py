import pytest
from amaranth.hdl import Value, signed
from amaranth.lib.data import ArrayLayout, StructLayout
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.emit import verilog_text
from rtl.pipeline import Pipeline
from rtl.units import UNITS
from rtl.units.unit import pack, unpack

LAYOUT = StructLayout(
    {"a": 3, "b": signed(5), "c": ArrayLayout(ArrayLayout(signed(4), 2), 3), "d": 1}
)


@settings(derandomize=True)
@given(
    st.integers(0, 7),
    st.integers(-16, 15),
    st.lists(st.lists(st.integers(-8, 7), min_size=2, max_size=2), min_size=3, max_size=3),
    st.integers(0, 1),
)
def test_unpack_is_the_inverse_of_pack(a, b, c, d):
    value = {"a": a, "b": b, "c": c, "d": d}
    word = pack(LAYOUT, value)
    assert unpack(LAYOUT, word) == value
    assert word == LAYOUT.const(value).as_bits()


def test_a_field_left_out_is_zero():
    assert unpack(LAYOUT, pack(LAYOUT, {"b": -1})) == {"a": 0, "b": -1, "c": [[0, 0]] * 3, "d": 0}


@pytest.mark.parametrize("name", UNITS)
def test_every_unit_is_a_pipeline_with_vectors_that_fit(name):
    unit = UNITS[name]
    assert unit.name == name
    assert unit.summary
    component = unit.build()
    verilog_text(component, "unit")
    assert isinstance(component, Pipeline)
    assert component.LATENCY > 0
    vectors = unit.vectors(0)
    assert len(vectors.inputs) >= len(vectors.outputs) > 0
    for words, stream in ((vectors.inputs, component.i), (vectors.outputs, component.o)):
        assert min(words) >= 0
        assert max(words).bit_length() <= len(Value.cast(stream.payload))
