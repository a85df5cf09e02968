"""The NPU's instruction set: one table that assembler, machine, RTL and documentation read.

An instruction is one 192-bit word: a header, then the fields of its opcode's format, from bit 0 up.
Opcodes 0-3 are the sequencer's, 4-7 the MAC engine's, 8-15 the vector engine's. All addresses of
activation, result and constant memory are in bytes; weights and biases are addressed by word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

WORD_BITS = 192
ADDRESS_BITS = 16
COUNT_BITS = 16


class Opcode(IntEnum):
    """bit 3: vector engine; else bit 2: MAC engine; else the sequencer."""

    HALT = 0
    LOOP = 1
    END = 2
    MAC_SYNC = 4
    MATVEC = 5
    VECTOR_SYNC = 8
    FILL = 9
    EMBED = 10
    MULTIPLY = 11
    ADD = 12
    PWL = 13

    @property
    def engine(self) -> str:
        return "vector" if self & 8 else "mac" if self & 4 else "sequencer"


class Bank(IntEnum):
    """Memories a vector operand can name. Each has one writer, so no port is ever contended."""

    ACTIVATION = 0  # written by the vector engine
    RESULT = 1  # written by the MAC engine
    CONSTANT = 2  # written by the host; operand a only


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an instruction: width in bits, two's complement when signed."""

    name: str
    width: int
    meaning: str
    signed: bool = False


HEADER = (
    Field("opcode", 4, "what to do"),
    Field("wait", 1, "consume one token of the other engine before starting"),
    Field("signal", 1, "give the other engine one token when the last result is written"),
)
FORMATS: Mapping[str, tuple[Field, ...]] = MappingProxyType(
    {
        "sequencer": (
            *HEADER,
            Field("count", COUNT_BITS, "LOOP: iterations; 0 takes the STEPS register"),
        ),
        "mac": (
            *HEADER,
            Field("stream", 1, "send 32-bit accumulators to the output stream, write no result"),
            Field("x", ADDRESS_BITS, "activation address of the input vector, word-aligned"),
            Field("beats", 12, "input words a row (columns / C)"),
            Field("rows", COUNT_BITS, "output rows"),
            Field("weights", 24, "first weight word; tiles of R rows follow one another"),
            Field("bias", 16, "first bias word; one a row"),
            Field("dst", ADDRESS_BITS, "result address of the first row"),
            Field("mantissa", 17, "requantization multiplier"),
            Field("shift", 6, "requantization shift"),
            Field("z_out", 16, "zero point of the result"),
        ),
        "vector": (
            *HEADER,
            Field("fence", 1, "start only when all earlier vector results are written"),
            Field("a", 24, "address of operand a, lane-aligned"),
            Field("a_bank", 2, "memory of operand a"),
            Field("b", ADDRESS_BITS, "address of operand b; EMBED: number of table rows"),
            Field("b_bank", 1, "memory of operand b: activation or result"),
            Field("dst", ADDRESS_BITS, "activation address of the result, lane-aligned"),
            Field("beats", 12, "groups of L elements"),
            Field("z_a", 16, "zero point of a"),
            Field("z_b", 16, "zero point of b"),
            Field("z_out", 16, "zero point of the result"),
            Field("m_a", 18, "multiplier of a (ADD) or of the product (MULTIPLY)", signed=True),
            Field("m_b", 18, "multiplier of b (ADD)", signed=True),
            Field("shift", 6, "shift of the one rounding"),
            Field("table", 4, "PWL table"),
        ),
    }
)


_MAC = {f.name for f in FORMATS["mac"]}
_ELEMENT = {f.name for f in FORMATS["vector"]} - {"opcode", "table"}
# Fields that each opcode reads; every other one is zero.
FIELDS: Mapping[Opcode, frozenset[str]] = MappingProxyType(
    {
        Opcode.HALT: frozenset(),
        Opcode.LOOP: frozenset({"count"}),
        Opcode.END: frozenset(),
        Opcode.MAC_SYNC: frozenset({"wait"}),
        Opcode.MATVEC: frozenset(_MAC - {"opcode"}),
        Opcode.VECTOR_SYNC: frozenset({"wait", "fence"}),
        Opcode.FILL: frozenset({"wait", "signal", "fence", "dst", "beats", "z_out"}),
        Opcode.EMBED: frozenset(_ELEMENT - {"z_a", "z_b", "z_out", "m_b", "b_bank", "shift"}),
        Opcode.MULTIPLY: frozenset(_ELEMENT - {"m_b"}),
        Opcode.ADD: frozenset(_ELEMENT),
        Opcode.PWL: frozenset(_ELEMENT - {"b", "b_bank", "z_a", "z_b", "m_a", "m_b"} | {"table"}),
    }
)


@dataclass(frozen=True)
class Instruction:
    """One instruction: opcode and the fields that are not zero, in the order of the table.

    Raises ValueError for a field that the opcode does not read, or a value that does not fit.
    """

    opcode: Opcode
    fields: Mapping[str, int]

    def __post_init__(self) -> None:
        known = {field.name: field for field in FORMATS[self.opcode.engine]}
        for name, value in self.fields.items():
            if name not in known or (value and name not in FIELDS[self.opcode]):
                raise ValueError(f"{self.opcode.name}: no field {name}")
            field = known[name]
            low = -(1 << (field.width - 1)) if field.signed else 0
            high = low + (1 << field.width) - 1
            if not low <= value <= high:
                raise ValueError(f"{self.opcode.name}: {name} = {value} is not in {low}..{high}")
        set_fields = {name: int(self.fields[name]) for name in known if self.fields.get(name)}
        object.__setattr__(self, "fields", set_fields)

    def __getitem__(self, name: str) -> int:
        return self.fields.get(name, 0)

    def encode(self) -> int:
        """The 192-bit word."""
        word, position = 0, 0
        for field in FORMATS[self.opcode.engine]:
            value = int(self.opcode) if field.name == "opcode" else self[field.name]
            word |= (value & ((1 << field.width) - 1)) << position
            position += field.width
        return word

    @classmethod
    def decode(cls, word: int) -> "Instruction":
        """The instruction of a word. Raises ValueError for an opcode that does not exist."""
        opcode = Opcode(word & 0xF)
        fields, position = {}, 0
        for field in FORMATS[opcode.engine]:
            value = (word >> position) & ((1 << field.width) - 1)
            if field.signed and value >> (field.width - 1):
                value -= 1 << field.width
            position += field.width
            if value and field.name != "opcode":
                fields[field.name] = value
        return cls(opcode, fields)

    def __str__(self) -> str:
        fields = (f"{name}={value}" for name, value in self.fields.items())
        return " ".join([self.opcode.name.lower(), *fields])


assert all(sum(f.width for f in fields) <= WORD_BITS for fields in FORMATS.values())
