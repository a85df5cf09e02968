"""Amaranth's operators on words as logic, carry chains and multipliers."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amaranth.hdl._nir import Matches, Operator, Part

from irnn_hw.estimate.aig import FALSE, Aig, Bits
from irnn_hw.estimate.arithmetic import Arithmetic, Term, stripped
from irnn_hw.estimate.technology import Technology

# a < b with its operands swapped, and inverted.
_COMPARE = {"<": (False, False), ">": (True, False), ">=": (False, True), "<=": (True, True)}
_REDUCE: Mapping[str, Callable[[Aig, Bits], int]] = {
    "b": Aig.any,
    "r|": Aig.any,
    "r&": Aig.all,
    "r^": Aig.parity,
}


class Operators:
    """Cells of a netlist as bits. A subclass has the bit of a net."""

    def __init__(self, cells: Sequence[Any], technology: Technology):
        self.aig, self.cells, self.technology = Aig(), cells, technology
        self.arithmetic = Arithmetic(self.aig, technology)
        self.users = Counter(net for cell in cells for net in cell.input_nets())

    def bit(self, net: int) -> int:
        """The literal of a net."""
        raise NotImplementedError

    def bits(self, nets: Sequence[int]) -> Bits:
        return [self.bit(net) for net in nets]

    def matches(self, cell: Matches, pattern: str) -> int:
        bits = self.bits(cell.value)
        chosen = zip(reversed(pattern), bits, strict=True)
        return self.aig.all([bit ^ (p == "0") for p, bit in chosen if p != "-"])

    def part(self, cell: Part) -> Bits:
        value, fill = self.bits(cell.value), FALSE
        if cell.value_signed:
            fill = value[-1]
        amount = self.bits(cell.offset)
        rows = [
            [
                value[n * cell.stride + k] if n * cell.stride + k < len(value) else fill
                for k in range(cell.width)
            ]
            for n in range(1 << len(amount))
        ]
        for select in amount:
            rows = [
                [self.aig.mux(select, h, low) for h, low in zip(high, down, strict=True)]
                for down, high in zip(rows[::2], rows[1::2], strict=True)
            ]
        return rows[0]

    def operator(self, cell: Operator) -> Bits:
        aig, name = self.aig, cell.operator
        if name in ("+", "-"):
            return self.arithmetic.total(self._terms(cell), cell.width)
        if name == "*":
            return self._product(cell)
        values = [self.bits(v) for v in cell.inputs]
        first = values[0]
        if name == "m":
            return [aig.mux(first[0], h, low) for h, low in zip(*values[1:], strict=True)]
        if name in ("&", "|", "^"):
            make = {"&": aig.land, "|": aig.lor, "^": aig.xor}[name]
            return [make(x, y) for x, y in zip(*values, strict=True)]
        if name == "~":
            return [v ^ 1 for v in first]
        if name in ("<<", "u>>", "s>>"):
            fill = first[-1] if name == "s>>" else FALSE
            return self.arithmetic.shifted(first, values[1], name == "<<", fill)
        if name in _REDUCE:
            return [_REDUCE[name](aig, first)]
        return [self._compared(name, *values)]

    def _compared(self, name: str, a: Bits, b: Bits) -> int:
        if name in ("==", "!="):
            differs = [self.aig.xor(x, y) for x, y in zip(a, b, strict=True)]
            return self.aig.any(differs) ^ (name == "==")
        swapped, inverted = _COMPARE[name[1:]]
        a, b = (b, a) if swapped else (a, b)
        return self.arithmetic.less(a, b, name[0] == "s") ^ inverted

    def _product(self, cell: Operator) -> Bits:
        (a, a_signed), (b, b_signed) = (stripped(self.bits(v)) for v in cell.inputs)
        if a_signed != b_signed:
            a, b = (a, (*b, FALSE)) if a_signed else ((*a, FALSE), b)
        if not a or not b:
            return [FALSE] * cell.width
        return self.arithmetic.product(a, b, a_signed or b_signed, cell.width)

    def _terms(self, cell: Operator) -> list[Term]:
        """Summands; a sum that only this one uses is summed with it."""
        result = []
        for n, nets in enumerate(cell.inputs):
            negative = cell.operator == "-" and n == len(cell.inputs) - 1
            merged = self._merged(nets)
            if merged is None:
                bits, signed = stripped(self.bits(nets))
                result.append(Term(bits, signed, negative))
            else:
                result += [t.negated() if negative else t for t in self._terms(merged)]
        return result

    def _merged(self, nets: Sequence[int]) -> Operator | None:
        """The cell of a sum whose bits are all of these nets, and used here alone."""
        source = self.cells[nets[0] >> 16] if nets[0] > 1 else None
        if not isinstance(source, Operator) or source.operator not in ("+", "-"):
            return None
        first = nets[0]
        if first & 0xFFFF:
            return None
        whole = [first + n for n in range(source.width)]
        rest = nets[source.width :]
        if list(nets[: source.width]) != whole or any(v not in (0, whole[-1]) for v in rest):
            return None
        return source if all(self.users[net] == 1 for net in whole) else None
