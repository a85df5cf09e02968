"""The sum of several scaled operands, rounded once (Eq. 6, 28)."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib.data import StructLayout

from golden.errors import InputError
from golden.npu_config import ROUNDER
from rtl.fixed import part_count, partial_products
from rtl.pipeline import Pipeline, delayed
from rtl.requantizer import check_multiplier_width, check_operand_bits
from rtl.rounder import SHIFT_BITS, Rounder

TERMS = range(2, 9)
# How many are added in a cycle.
_ADDED = 4


def term_sum_layout(operand_bits: Sequence[int], multiplier_width: int, bits: int) -> StructLayout:
    """Codes q_n, zero points z_n and signed mantissas m_n of every term, and what all share."""
    terms = {}
    for n, width in enumerate(operand_bits):
        terms |= {f"q_{n}": width, f"z_{n}": width, f"m_{n}": signed(multiplier_width + 1)}
    return StructLayout({**terms, "shift": SHIFT_BITS, "zero_point": bits})


class TermSum(Pipeline):
    """``add(AddSpec(z, m, shift, zero_point, bits), q_0, q_1, ...)`` of golden/elementwise.py.

    LATENCY cycles, one a cycle: 5, and one for each time that the products, four at once, are
    added to one. A product has one part for each 16 bits of a mantissa above 17.

    Parameters: operand_bits (2 to 8 terms, 8 or 16 bits each), multiplier_width (8 to 32, of a
    mantissa's magnitude), bits (8 or 16). Raises InputError naming what does not fit.
    Members: i: In(stream of term_sum_layout), o: Out(stream of bits).
    """

    def __init__(
        self, *, operand_bits: Sequence[int] = (8, 8), multiplier_width: int = 16, bits: int = 8
    ):
        if len(operand_bits) not in TERMS:
            raise InputError(f"sum: {len(operand_bits)} terms; {TERMS[0]} to {TERMS[-1]}")
        check_multiplier_width(multiplier_width, "sum")
        for width in (*operand_bits, bits):
            check_operand_bits(width, "sum")
        self._operands, self._bits = tuple(operand_bits), bits
        # |sum| <= sum (2^b - 1) 2^multiplier_width.
        limit = sum((1 << width) - 1 for width in operand_bits) << multiplier_width
        self._total = signed(limit.bit_length() + 1)
        mantissa = signed(multiplier_width + 1)
        products = sum(part_count(signed(width + 1), mantissa) for width in operand_bits)
        self.LATENCY = 2 + _levels(products) + ROUNDER
        super().__init__(term_sum_layout(operand_bits, multiplier_width, bits), bits)

    def datapath(self, m, valid):
        i, products = self.i.payload, []
        for n, width in enumerate(self._operands):
            # Cycle 1: the distance from the zero point. Cycle 2: scaled.
            distance = Signal(signed(width + 1), name=f"distance_{n}")
            m.d.sync += distance.eq(i[f"q_{n}"] - i[f"z_{n}"])
            mantissa = delayed(m, i[f"m_{n}"], 1, f"m_{n}")
            products += partial_products(m, distance, mantissa, f"product_{n}")
        # Cycle 3 on: one sum, so that there is one rounding. Last three: round, saturate.
        total, taken = self._sum(m, products), self.LATENCY - ROUNDER
        m.submodules.rounder = rounder = Rounder(width=len(total), bits=self._bits)
        m.d.comb += [
            rounder.p.eq(total),
            rounder.shift.eq(delayed(m, i.shift, taken, "shift")),
            rounder.zero_point.eq(delayed(m, i.zero_point, taken, "zero_point")),
            self.o.payload.eq(rounder.q),
        ]

    def _sum(self, m: Module, values: list[Value]) -> Signal:
        """The registered sum, a level of additions a cycle."""
        for level in range(_levels(len(values))):
            sums = [sum(values[n : n + _ADDED]) for n in range(0, len(values), _ADDED)]
            values = [
                Signal(signed(min(len(value), self._total.width)), name=f"sum_{level}_{n}")
                for n, value in enumerate(sums)
            ]
            m.d.sync += [register.eq(v) for register, v in zip(values, sums, strict=True)]
        return values[0]


def _levels(count: int) -> int:
    """Cycles that add so many values to one."""
    return 0 if count == 1 else 1 + _levels(-(-count // _ADDED))
