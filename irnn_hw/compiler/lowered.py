"""An instruction before its tokens, and the memory that it touches."""

from dataclasses import dataclass

from golden.errors import InputError
from golden.isa import Bank, Instruction, Opcode
from golden.program import Buffer


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [start, stop) of a memory."""

    bank: Bank
    start: int
    stop: int

    def overlaps(self, other: "Span") -> bool:
        return self.bank == other.bank and self.start < other.stop and other.start < self.stop


def span(buffer: Buffer, start: int = 0, length: int | None = None) -> Span:
    """`length` bytes of a buffer from `start`; to its end where length is None."""
    length = buffer.length - start if length is None else length
    return Span(buffer.bank, buffer.address + start, buffer.address + start + length)


@dataclass(frozen=True)
class Lowered:
    """What an instruction computes (label), reads and writes."""

    label: str
    opcode: Opcode
    fields: dict[str, int]
    reads: tuple[Span, ...]
    writes: tuple[Span, ...]

    @property
    def engine(self) -> str:
        return self.opcode.engine

    def instruction(self, **flags: int) -> Instruction:
        """With its flags. Raises InputError where a field is too narrow for the model."""
        try:
            return Instruction(self.opcode, self.fields | flags)
        except ValueError as error:
            raise InputError(f"{self.label}: {error}; the model is too large") from error
