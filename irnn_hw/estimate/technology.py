"""What a target offers to an estimate: LUTs, carry chains, multipliers, memories, their delays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from irnn_hw.estimate.aig import TRUE, Aig, Bits, Live, Resource
from irnn_hw.estimate.memory import (
    Access,
    Block,
    block_memory,
    lut_memory,
    registers,
    whole_memory,
)


@dataclass(frozen=True, slots=True)
class Multiplier:
    """Widths of a hard multiplier; operands and results narrower than the least are logic.

    headroom: bits of a part of a wide operand that its sign takes.
    """

    a: int
    b: int
    headroom: int = 0
    least: int = 2
    least_result: int = 0


@dataclass(frozen=True, slots=True)
class Technology:
    """A target. luts: (area, delays of the inputs in ps, the fastest first), by number of inputs.

    wire: ps from one cell to the next. slack: delay that a mapping gets, of the least that this
    package's finds; ABC finds others. least_chain: sums of so many bits or fewer are logic.
    inputs_of_comparison: a comparison of so many bits with a constant is one LUT. controlled:
    flip-flops have a reset and an enable.
    """

    luts: Sequence[tuple[int, tuple[int, ...]]] = ()
    wire: int = 0
    slack: float = 1.0
    least_chain: int = 0
    inputs_of_comparison: int = 0
    controlled: bool = True
    multiplier: Multiplier | None = None
    block: Block | None = None

    def chain(self, aig: Aig, a: Bits, b: Bits, subtract: bool) -> tuple[Bits, Bits]:
        """Bits of a + b or a - b, and the carry out of each."""
        raise NotImplementedError

    def multiply(self, aig: Aig, operands: Bits, bits: int, width: int) -> Bits:
        """The product of one multiplier, whose path is not timed."""
        resource = Resource("dsp", operands)
        made = [aig.source(resource) for _ in range(bits)]
        return made + [made[-1]] * (width - bits)

    def rom(self, depth: int, width: int) -> tuple[str, int]:
        """Block RAMs of constants, where these cost less than logic, else 0; and their kind."""
        assert self.block is not None
        blocks = math.prod(self.block.fewest(width, depth))
        return "bram", blocks if blocks * self.block.cost < depth * width / 16 else 0

    def memory(self, aig: Aig, access: Access) -> Bits:
        """What a registered read of the memory gives."""
        raise NotImplementedError

    def figures(self, luts: int, live: Live) -> dict[str, float]:
        """Figures of a netlist whose logic takes so many LUTs."""
        raise NotImplementedError


class Ecp5(Technology):
    """Lattice ECP5: CCU2C of two bits, MULT18X18D, DPR16X4, DP16KD; delays of Yosys' models."""

    def chain(self, aig: Aig, a: Bits, b: Bits, subtract: bool) -> tuple[Bits, Bits]:
        carry, total, carries = int(subtract), Bits(), Bits()
        for n in range(0, len(a), 2):
            x, y = a[n : n + 2], b[n : n + 2]
            piece = Resource("chain", [*x, *y, carry])
            first = [v for v in (x[0], y[0]) if v > TRUE]
            into = [carry] if carry > TRUE else []
            total.append(aig.source(piece, _arcs((first, 379), (into, 257))))
            carries.append(aig.majority(x[0], y[0] ^ subtract, carry))
            if len(x) > 1:
                second = [v for v in (x[1], y[1]) if v > TRUE]
                arcs = _arcs((first, 630), (second, 379), (into, 273))
                total.append(aig.source(piece, arcs))
                carry = aig.source(piece, _arcs((first + second, 516), (into, 43)))
                carries.append(carry)
        return total, carries

    def memory(self, aig: Aig, access: Access) -> Bits:
        assert self.block is not None
        blocks = math.prod(self.block.fewest(access.width, access.depth))
        behind, beside = -(-access.depth // 16), -(-access.width // 4)
        # Four LUTs a piece, and what chooses between those behind each other.
        luts = 4 * behind * beside + (behind - 1) * (access.width + 1)
        small = not access.style and luts < self.block.cost * blocks
        if small or access.style == "distributed":
            return lut_memory(aig, 16, 4, access)
        return block_memory(aig, self.block, access)

    def figures(self, luts: int, live: Live) -> dict[str, float]:
        lut = luts + 2 * live.count("chain") + 4 * live.count("lutram")
        return {"lut": lut, **{name: live.count(name) for name in ("ff", "dsp", "bram")}}


class Ice40(Technology):
    """Lattice iCE40 HX: a carry a bit of a sum, SB_RAM40_4K, no multipliers.

    The LUT of a bit takes in what follows it, but nothing in front of it, which its carry needs.
    """

    def chain(self, aig: Aig, a: Bits, b: Bits, subtract: bool) -> tuple[Bits, Bits]:
        carry, total, carries = int(subtract), Bits(), Bits()
        for x, y in zip(a, (v ^ subtract for v in b), strict=True):
            inputs = [v for v in (x, y) if v > TRUE]
            into = [carry] if carry > TRUE else []
            pins = [
                aig.source(Resource("pin", [v]), [(v, 0)]) if aig.fanins[v >> 1] else v
                for v in (x, y)
            ]
            total.append(aig.xor(aig.xor(*pins), carry))
            if len(inputs) + len(into) < 2 or x == y:
                carry = aig.majority(x, y, carry)
            else:
                piece = Resource("chain", [x, y, carry])
                carry = aig.source(piece, _arcs((inputs, 259), (into, 126)))
            carries.append(carry)
        return total, carries

    def memory(self, aig: Aig, access: Access) -> Bits:
        assert self.block is not None
        blocks = math.prod(self.block.fewest(access.width, access.depth))
        asks = access.style == "block"
        if not asks and blocks * self.block.cost >= access.width * access.depth:
            return registers(aig, access)
        return block_memory(aig, self.block, access)

    def figures(self, luts: int, live: Live) -> dict[str, float]:
        counted = {"lut": luts, "carry": live.count("chain")}
        return counted | {name: live.count(name) for name in ("ff", "bram")}


class Gates(Technology):
    """NAND2 and NOT: sums are prefix adders, memories stay whole, flip-flops have D and Q alone."""

    def rom(self, depth: int, width: int) -> tuple[str, int]:
        return "bit", depth * width

    def memory(self, aig: Aig, access: Access) -> Bits:
        return whole_memory(aig, access)

    def figures(self, luts: int, live: Live) -> dict[str, float]:
        ff = live.count("ff")
        transistors = round(self.slack * live.logic) + 16 * ff
        bits = {"ff": ff, "memory_bits": live.count("bit")}
        return {"nand2": round(transistors / 4), "transistors": transistors} | bits


def _arcs(*paths: tuple[Bits, int]) -> list[tuple[int, int]]:
    return [(bit, delay) for bits, delay in paths for bit in bits]


ECP5 = Ecp5(
    luts=(
        (0, ()),
        (1, (141,)),
        (1, (141, 275)),
        (1, (141, 275, 379)),
        (1, (141, 275, 379, 379)),
        (2, (151, 239, 373, 477, 477)),
        (4, (148, 292, 380, 514, 618, 618)),
        (8, (148, 289, 433, 521, 655, 759, 759)),
    ),
    wire=300,
    slack=1.02,
    least_chain=4,
    inputs_of_comparison=4,
    multiplier=Multiplier(18, 18),
    block=Block(14, (1, 2, 4, 9, 18, 36)),
)
ICE40 = Ice40(
    luts=((0, ()), *((1, (316, 379, 400, 449)[:n]) for n in range(1, 5))),
    wire=250,
    slack=1.05,
    least_chain=2,
    inputs_of_comparison=4,
    block=Block(11, (2, 4, 8, 16), 64),
)
GATES = Gates(slack=4.4, least_chain=1 << 16, controlled=False)
TECHNOLOGIES: dict[str, Technology] = {"ecp5": ECP5, "ice40": ICE40, "gates": GATES}
