"""Sums, comparisons, products and shifts as carry chains, multipliers and logic.

The decompositions are those of Yosys: a sum of two terms is one carry chain, one of more terms is
compressed by full adders first; a product wider than a multiplier is split into partial products.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from irnn_hw.estimate.aig import FALSE, TRUE, Aig, Bits
from irnn_hw.estimate.technology import Technology


@dataclass(frozen=True, slots=True)
class Term:
    """A summand: bits, or the product with other bits; subtracted where negative."""

    bits: tuple[int, ...]
    signed: bool
    negative: bool = False
    factor: tuple[int, ...] = ()

    def negated(self) -> "Term":
        return Term(self.bits, self.signed, not self.negative, self.factor)


def extended(bits: Sequence[int], signed: bool, width: int) -> Bits:
    top = bits[-1] if signed and bits else FALSE
    return [*bits[:width], *[top] * (width - len(bits))]


def stripped(bits: Sequence[int]) -> tuple[tuple[int, ...], bool]:
    """The bits without those that only extend them, and whether these extend the sign."""
    bits = tuple(bits)
    signed = len(bits) > 1 and bits[-1] == bits[-2] != FALSE
    if signed:
        while len(bits) > 1 and bits[-1] == bits[-2]:
            bits = bits[:-1]
        return bits, True
    while bits and bits[-1] == FALSE:
        bits = bits[:-1]
    return bits, False


class Arithmetic:
    """Adds to one netlist, for one technology. Equal chains are one chain."""

    def __init__(self, aig: Aig, technology: Technology):
        self._aig, self._technology = aig, technology
        self._chains: dict[tuple[tuple[int, ...], ...], tuple[Bits, Bits]] = {}

    def total(self, terms: Iterable[Term], width: int) -> Bits:
        """The sum of the terms, `width` bits."""
        terms = [t for t in terms if any(t.bits)]
        if len(terms) == 2 and not any(t.factor for t in terms):
            if terms[0].negative and not terms[1].negative:
                terms.reverse()
            if not terms[0].negative:
                a, b = (extended(t.bits, t.signed, width) for t in terms)
                return self._add(a, b, terms[1].negative)
        if len(terms) == 1 and not terms[0].factor:
            bits = extended(terms[0].bits, terms[0].signed, width)
            return self._add([FALSE] * width, bits, True) if terms[0].negative else bits
        return self._compressed(terms, width)

    def _add(self, a: Bits, b: Bits, subtract: bool) -> Bits:
        """a + b or a - b; low bits of a to which 0 is added pass."""
        width, low = len(a), 0
        while low < width and b[low] == FALSE:
            low += 1
        if not subtract and not low:
            while low < width and a[low] == FALSE:
                low += 1
            a, b = (b, a) if low else (a, b)
        high, _ = self.chain(a[low:], b[low:], subtract)
        return a[:low] + high

    def chain(self, a: Bits, b: Bits, subtract: bool = False) -> tuple[Bits, Bits]:
        """Bits of a + b or a - b, and the carry out of each."""
        key = tuple(a), tuple(b), (subtract,)
        if key not in self._chains:
            make = self._technology.chain if len(a) > self._technology.least_chain else lookahead
            self._chains[key] = make(self._aig, a, b, subtract)
        return self._chains[key]

    def _compressed(self, terms: Iterable[Term], width: int) -> Bits:
        columns: list[dict[int, None]] = [{} for _ in range(width)]
        for term in terms:
            for row in self._rows(term, width):
                for position, bit in enumerate(row):
                    _insert(columns, bit, position)
        summands, extra = _summands(columns)
        while len(summands) > 2:
            rows = []
            for n in range(0, len(summands) - 2, 3):
                total, carry = self._full_add(*summands[n : n + 3])
                rows += [total, [extra.pop() if extra else FALSE, *carry[:-1]]]
            summands = rows + summands[len(summands) // 3 * 3 :]
        if len(summands) < 2:
            return summands[0] if summands else [FALSE] * width
        return self._add(summands[0], summands[1], False)

    def _rows(self, term: Term, width: int) -> Iterable[Bits]:
        aig, a, b = self._aig, term.bits, term.factor
        if not b:
            rows = [extended(a, term.signed, width)]
        else:
            if len(a) < len(b):
                a, b = b, a
            a, rows = extended(a, term.signed, width), []
            for n, bit in enumerate(b):
                last = term.signed and n + 1 == len(b)
                row = [v ^ last for v in a[: width - n]]
                rows.append([FALSE] * n + [aig.land(v, bit) for v in row])
                if last:
                    rows.append([FALSE] * n + [bit] + [FALSE] * (width - n - 1))
        for row in rows:
            if term.negative:
                yield [TRUE] + [FALSE] * (width - 1)
                yield [v ^ 1 for v in row]
            else:
                yield row

    def _full_add(self, a: Bits, b: Bits, c: Bits) -> tuple[Bits, Bits]:
        aig = self._aig
        total, carry = [], []
        for x, y, z in zip(a, b, c, strict=True):
            half = aig.xor(x, y)
            total.append(aig.xor(half, z))
            carry.append(aig.lor(aig.land(x, y), aig.land(half, z)))
        return total, carry

    def less(self, a: Bits, b: Bits, signed: bool) -> int:
        """a < b: the borrow of a - b."""
        aig = self._aig
        while len(a) > 1 and a[-1] == b[-1] and a[-2] == a[-1] and b[-2] == b[-1]:
            a, b = a[:-1], b[:-1]
        if not signed:
            while a and a[-1] == b[-1] == FALSE:
                a, b = a[:-1], b[:-1]
        if not a:
            return FALSE
        if not signed and all(v <= TRUE for v in b):
            value = sum(v << n for n, v in enumerate(b))
            if value & (value - 1) == 0:
                low = max(value.bit_length() - 1, 0)
                return aig.any(a[low:]) ^ 1 if value else FALSE
        constant = all(v <= TRUE for v in a) or all(v <= TRUE for v in b)
        if constant and len(a) <= self._technology.inputs_of_comparison:
            return _less_logic(aig, a, b, signed)
        difference, carries = self.chain(a, b, True)
        if not signed:
            return carries[-1] ^ 1
        overflow = aig.xor(carries[-1], carries[-2] if len(carries) > 1 else TRUE)
        return aig.xor(difference[-1], overflow)

    def product(self, a: Sequence[int], b: Sequence[int], signed: bool, width: int) -> Bits:
        """a * b in multipliers and the sums of their outputs, or as a sum of rows."""
        if len(a) < len(b):
            a, b = b, a
        size = self._technology.multiplier
        if size is None or len(b) < size.least or width < size.least_result:
            return self.total([Term(tuple(a), signed, factor=tuple(b))], width)
        return self._partial(a, signed, b, signed, width)

    def _partial(
        self, a: Sequence[int], a_signed: bool, b: Sequence[int], b_signed: bool, width: int
    ) -> Bits:
        size = self._technology.multiplier
        assert size is not None
        for flipped, most in ((False, size.a), (True, size.b)):
            wide, signed = (b, b_signed) if flipped else (a, a_signed)
            if len(wide) > most:
                other, other_signed = (a, a_signed) if flipped else (b, b_signed)
                step = most - size.headroom
                terms, n = [], 0
                while len(wide) - n > most:
                    part = [*wide[n : n + step], *[FALSE] * size.headroom]
                    bits = min(width - n, len(other) + most)
                    made = self._partial(part, False, other, other_signed, bits)
                    terms.append(Term((FALSE,) * n + tuple(made), other_signed))
                    n += step
                last = wide[n:]
                made = self._partial(last, signed, other, other_signed, len(last) + len(other))
                terms.append(Term((FALSE,) * n + tuple(made), signed or other_signed))
                return self.total(terms, width)
        if min(len(a), len(b)) < size.least:
            return self.total([Term(tuple(a), a_signed or b_signed, factor=tuple(b))], width)
        return self._technology.multiply(self._aig, [*a, *b], min(width, size.a + size.b), width)

    def shifted(self, value: Bits, amount: Bits, left: bool, fill: int) -> Bits:
        """value << or >> amount: a row of multiplexers a bit of the amount."""
        aig, width = self._aig, len(value)
        bits = min(max(width - 1, 1).bit_length() + 1, len(amount))
        over = aig.any(amount[bits:])
        row = [aig.mux(over, fill, v) for v in value]
        for n, select in enumerate(amount[:bits]):
            step = min(1 << n, width)
            gap = [fill] * step
            moved = (gap + row[: width - step]) if left else row[step:] + gap
            row = [aig.mux(select, high, low) for high, low in zip(moved, row, strict=True)]
        return row


def _insert(columns: list[dict[int, None]], bit: int, position: int) -> None:
    """A bit that is in its column already counts twice: once in the next."""
    while bit != FALSE and position < len(columns):
        if bit not in columns[position]:
            columns[position][bit] = None
            return
        del columns[position][bit]
        position += 1


def _summands(columns: list[dict[int, None]]) -> tuple[list[Bits], Bits]:
    """Words of a bit a column, and the bits that find place as carries into full adders."""
    summands, extra = list[Bits](), list[int]()
    while any(columns):
        summands.append([_pop(column) if column else FALSE for column in columns])
        free = max(len(summands) - 2, 0) - len(extra)
        for n, column in enumerate(columns):
            while column and 1 << n <= free:
                extra += [_pop(column)] * (1 << n)
                free -= 1 << n
    return summands, extra


def _pop(column: dict[int, None]) -> int:
    bit = next(iter(column))
    del column[bit]
    return bit


def lookahead(aig: Aig, a: Bits, b: Bits, subtract: bool) -> tuple[Bits, Bits]:
    """A chain as logic: the prefix adder of Brent and Kung (1982)."""
    b = [v ^ subtract for v in b]
    half = [aig.xor(x, y) for x, y in zip(a, b, strict=True)]
    p, g = list(half), [aig.land(x, y) for x, y in zip(a, b, strict=True)]
    g[0] = aig.lor(g[0], aig.land(p[0], int(subtract)))
    width = len(a)

    def combine(high: int, low: int) -> None:
        g[high] = aig.lor(g[high], aig.land(p[high], g[low]))
        p[high] = aig.land(p[high], p[low])

    levels = (width - 1).bit_length()
    for n in range(1, levels + 1):
        for high in range((1 << n) - 1, width, 1 << n):
            combine(high, high - (1 << n - 1))
    for n in range(levels, 0, -1):
        for high in range((1 << n) + (1 << n - 1) - 1, width, 1 << n):
            combine(high, high - (1 << n - 1))
    carries = [int(subtract), *g[:-1]]
    return [aig.xor(x, c) for x, c in zip(half, carries, strict=True)], g


def _less_logic(aig: Aig, a: Bits, b: Bits, signed: bool) -> int:
    """a < b by its bits, highest last; a sign counts the other way."""
    less = FALSE
    for n, (x, y) in enumerate(zip(a, b, strict=True)):
        if signed and n == len(a) - 1:
            x, y = y, x
        less = aig.lor(aig.land(x ^ 1, y), aig.land(aig.xor(x, y) ^ 1, less))
    return less
