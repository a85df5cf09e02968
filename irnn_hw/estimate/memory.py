"""Memories as block RAM or LUT memory, by the rules of Yosys' memory_libmap."""

from collections.abc import Sequence
from dataclasses import dataclass

from irnn_hw.estimate.aig import Aig, Bits, Resource


@dataclass(frozen=True, slots=True)
class Access:
    """One write port, or none, and one read port of a memory: literals. style: its ram_style, or
    nothing."""

    width: int
    depth: int
    style: str
    write_data: Bits
    write_address: Bits
    write: int
    read_address: Bits
    read: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block RAM: widths of a word, the narrowest of which has 2^address_bits words.

    cost: in LUTs, against which a memory in logic is weighed.
    """

    address_bits: int
    widths: Sequence[int]
    cost: int = 128

    def fewest(self, width: int, depth: int) -> tuple[int, int]:
        """How many blocks beside each other and behind each other hold the memory."""
        best = None
        for n, word in enumerate(self.widths):
            beside = -(-width // word)
            behind = -(-depth >> (self.address_bits - n)) if depth else 1
            if best is None or beside * behind < best[0] * best[1]:
                best = beside, behind
        assert best is not None
        return best


def block_memory(aig: Aig, block: Block, access: Access) -> Bits:
    """Registered reads of block RAMs; a register of the address tells which of a column answers."""
    beside, behind = block.fewest(access.width, access.depth)
    words = -(-access.depth // behind)
    high = (words - 1).bit_length()
    rows = []
    for n in range(behind):
        chosen = [v ^ (~n >> k & 1) for k, v in enumerate(access.write_address[high:])]
        enable = aig.all([access.write, *chosen])
        inputs = [*access.write_data, *access.write_address[:high], *access.read_address[:high]]
        piece = Resource("bram", [*inputs, enable], beside)
        rows.append([aig.source(piece) for _ in range(access.width)])
    selects = [registered(aig, v, access.read) for v in access.read_address[high:]]
    return selected(aig, rows, selects)


def lut_memory(aig: Aig, depth: int, width: int, access: Access, kind: str = "lutram") -> Bits:
    """Registered reads of LUT memories of depth x width bits each."""
    low = depth.bit_length() - 1
    rows = []
    for n in range(-(-access.depth // depth)):
        chosen = [v ^ (~n >> k & 1) for k, v in enumerate(access.write_address[low:])]
        enable = aig.all([access.write, *chosen])
        shared = [*access.write_address[:low], *access.read_address[:low], enable]
        row = Bits()
        for begin in range(0, access.width, width):
            data = access.write_data[begin : begin + width]
            piece = Resource(kind, [*data, *shared])
            arcs = [(v, 141) for v in access.read_address[:low] if v > 1]
            row += [aig.source(piece, arcs) for _ in data]
        rows.append(row)
    answers = selected(aig, rows, access.read_address[low:])
    return [registered(aig, v, access.read) for v in answers]


def registers(aig: Aig, access: Access) -> Bits:
    """A memory of flip-flops, and the register behind it."""
    rows = []
    for n in range(access.depth):
        chosen = [v ^ (~n >> k & 1) for k, v in enumerate(access.write_address)]
        enable = aig.all([access.write, *chosen])
        rows.append([registered(aig, v, enable) for v in access.write_data])
    answers = selected(aig, rows, access.read_address)
    return [registered(aig, v, access.read) for v in answers]


def whole_memory(aig: Aig, access: Access) -> Bits:
    """A memory that is not part of the logic, nor is its register: its bits are counted."""
    inputs = [*access.write_data, *access.write_address, access.write]
    inputs += [*access.read_address, access.read]
    memory = Resource("bit", inputs, access.width * access.depth)
    return [aig.source(memory) for _ in range(access.width)]


def registered(aig: Aig, data: int, enable: int) -> int:
    return aig.source(Resource("ff", [data, enable]))


def selected(aig: Aig, rows: Sequence[Bits], address: Bits) -> Bits:
    """rows[address] by multiplexers, the lowest bit of the address first."""
    rows = list(rows)
    for select in address:
        if len(rows) % 2:
            rows.append(rows[-1])
        rows = [
            [aig.mux(select, h, low) for h, low in zip(high, down, strict=True)]
            for down, high in zip(rows[::2], rows[1::2], strict=True)
        ]
    return rows[0]
