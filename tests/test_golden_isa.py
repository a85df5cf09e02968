import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.isa import FIELDS, FORMATS, HEADER, WORD_BITS, Instruction, Opcode


def limits(field) -> tuple[int, int]:
    half = 1 << (field.width - 1)
    return (-half, half - 1) if field.signed else (0, 2 * half - 1)


@st.composite
def instructions(draw, opcode: Opcode):
    fields = [f for f in FORMATS[opcode.engine] if f.name in FIELDS[opcode]]
    return Instruction(opcode, {f.name: draw(st.integers(*limits(f))) for f in fields})


@pytest.mark.parametrize("opcode", Opcode)
@given(data=st.data())
def test_round_trip(opcode, data):
    instruction = data.draw(instructions(opcode))
    word = instruction.encode()
    assert 0 <= word < 1 << WORD_BITS
    assert Instruction.decode(word) == instruction
    assert Instruction.decode(word).encode() == word


@pytest.mark.parametrize("opcode", Opcode)
def test_every_field_takes_its_ends_and_no_more(opcode):
    for field in FORMATS[opcode.engine]:
        if field.name not in FIELDS[opcode]:
            continue
        low, high = limits(field)
        for value in (low, high):
            instruction = Instruction(opcode, {field.name: value})
            assert instruction[field.name] == value
            assert Instruction.decode(instruction.encode()) == instruction
        for value in (low - 1, high + 1):
            message = f"^{opcode.name}: {field.name} = {value} is not in {low}..{high}$"
            with pytest.raises(ValueError, match=message):
                Instruction(opcode, {field.name: value})


@pytest.mark.parametrize("opcode", Opcode)
def test_a_field_that_the_opcode_does_not_read_stays_zero(opcode):
    everything = {f.name for fields in FORMATS.values() for f in fields} | {"nonsense"}
    own = {f.name for f in FORMATS[opcode.engine]}
    for name in sorted(everything - FIELDS[opcode]):
        with pytest.raises(ValueError, match=f"^{opcode.name}: no field {name}$"):
            Instruction(opcode, {name: 1})
        if name in own:
            assert Instruction(opcode, {name: 0}).fields == {}


def test_fields_of_every_opcode_are_of_its_format():
    for opcode in Opcode:
        assert FIELDS[opcode] <= {f.name for f in FORMATS[opcode.engine]} - {"opcode"}


def test_formats_share_their_header_and_fit_a_word():
    for fields in FORMATS.values():
        assert fields[: len(HEADER)] == HEADER
        assert sum(f.width for f in fields) <= WORD_BITS
        assert len({f.name for f in fields}) == len(fields)


def test_the_opcode_names_its_engine():
    engines = {opcode: opcode.engine for opcode in Opcode}
    for opcode, engine in engines.items():
        expected = "vector" if opcode >= 8 else "mac" if opcode >= 4 else "sequencer"
        assert engine == expected


@pytest.mark.parametrize("code", sorted(set(range(16)) - {int(o) for o in Opcode}))
def test_an_opcode_that_does_not_exist(code):
    with pytest.raises(ValueError, match=f"{code} is not a valid Opcode"):
        Instruction.decode(code)


def test_zeros_and_order_make_no_difference():
    one = Instruction(Opcode.LOOP, {"count": 3})
    assert one == Instruction(Opcode.LOOP, {"signal": 0, "count": 3, "wait": 0})
    a = Instruction(Opcode.FILL, {"z_out": 5, "dst": 4, "beats": 1})
    b = Instruction(Opcode.FILL, {"beats": 1, "dst": 4, "z_out": 5})
    assert str(a) == str(b) == "fill dst=4 beats=1 z_out=5"


def test_bits_lie_where_the_table_says():
    word = Instruction(Opcode.ADD, {"wait": 1, "m_b": -1}).encode()
    position = 0
    for field in FORMATS["vector"]:
        bits = (word >> position) & ((1 << field.width) - 1)
        expected = {"opcode": 12, "wait": 1, "m_b": (1 << 18) - 1}.get(field.name, 0)
        assert bits == expected, field.name
        position += field.width
    assert word >> position == 0
