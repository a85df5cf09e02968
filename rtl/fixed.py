"""Amaranth expressions of golden/fixed.py: products, rounding, saturation, as hardware does them.

``round_shift(p, s) = (((2p - (p < 0)) >> s) + 1) >> 1`` for every s >= 0: floors nest, and taking
one half unit from a negative number turns half-up into half-away-from-zero.
"""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Shape, Value, ValueLike, signed

from rtl.pipeline import delayed

# A shift is by whole groups of 2^_FINE bits first, by less than a group then.
_FINE = 3

# The widest signed operand that a multiplier of an FPGA takes whole, and the parts of a wider one.
_WHOLE, _PART = 18, 16


def partial_products(m: Module, a: Value, b: Value, name: str) -> list[Value]:
    """Products of parts of a and b, registered, whose sum is a * b of a cycle ago.

    Each is one multiplier of an FPGA: summed in the next cycle, wide products stay quick.
    """
    return [
        delayed(m, x * y, 1, f"{name}_{i + j}").shift_left(i + j)
        for x, i in _parts(a)
        for y, j in _parts(b)
    ]


def part_count(a: Shape, b: Shape) -> int:
    """How many partial products there are of operands of these shapes."""
    return len(_starts(a)) * len(_starts(b))


def _starts(shape: Shape) -> range:
    """Places of the parts: as few as there may be, the last of them up to _WHOLE wide."""
    width = shape.width + (not shape.signed)
    return range(0, max(width - _WHOLE, 0) + _PART, _PART)


def _parts(value: Value) -> list[tuple[Value, int]]:
    """Parts and their places; the last one has the sign."""
    shape, starts = value.shape(), _starts(value.shape())
    last = value[starts[-1] :]
    low = [(value[start : start + _PART], start) for start in starts[:-1]]
    return [*low, (last.as_signed() if shape.signed else last, starts[-1])]


def half_units(p: Value) -> Value:
    """2p - (p < 0), one bit wider than p: stage 1 of round_shift.

    Domain: p > -2^(len(p) - 1). The sums and products that are rounded leave that value unused.
    """
    negative = p.as_signed()[-1]
    return Cat(negative, (p.as_signed() - negative)[: len(p)]).as_signed()


def narrow(value: Value, bits: int) -> Value:
    """value saturated to a signed range of `bits`; the value itself where it is no wider."""
    if len(value) <= bits:
        return value
    top = value[bits - 1 :]
    fits = ~top.any() | top.all()
    limit = Cat((~value[-1]).replicate(bits - 1), value[-1])
    return Mux(fits, value[:bits], limit).as_signed()


def fits_groups(p: Value, shift: Value, bits: int) -> Value:
    """Whether p, shifted by the whole groups of `shift`, is within the window of shift_halves.

    Stage 1. Where it is not, round_shift(p, shift) is at least 2^bits in magnitude.
    """
    sign, low = p.as_signed()[-1], _window(bits) - 3
    starts = [low + first for first in _groups(shift)]
    parts = zip(starts, [*starts[1:], max(len(p), starts[-1])], strict=True)
    rest, fits = Const(1, 1), []
    # From the highest bits down: each group looks at the bits that only it needs to be the sign.
    for start, end in reversed(list(parts)):
        if start < len(p):
            part = p[start:end]
            rest = rest & ~(part ^ sign.replicate(len(part))).any()
        fits.append(rest)
    return Array(reversed(fits))[shift[_FINE:]]


def shift_halves(halves: Value, shift: Value, bits: int) -> tuple[Value, Value]:
    """halves >> shift as bits + 2 bits, the sign above; and whether it is: stage 2.

    The whole groups of the shift first, so that the rest of it is narrow.
    """
    sign, width = halves[-1], _window(bits)
    extended = Cat(halves, sign.replicate(width + _groups(shift)[-1]))
    windows = Array(extended[first : first + width] for first in _groups(shift))
    shifted = windows[shift[_FINE:]].as_signed() >> shift[:_FINE]
    top = shifted[bits + 1 : width]
    return Cat(shifted[: bits + 1], sign), ~(top ^ sign.replicate(len(top))).any()


def round_saturate(shifted: Value, zero_point: Value, bits: int, fits: ValueLike = 1) -> Value:
    """clamp(((shifted + 1) >> 1) + zero_point, 0, 2^bits - 1), one adder: stage 3.

    Where it does not fit, only the sign of `shifted` counts: 2^bits or more in magnitude, which no
    zero point below 2^bits brings back into range.
    """
    rounded = (shifted.as_signed() + Cat(Const(1, 1), zero_point)) >> 1
    beyond = ~Value.cast(fits)
    negative = rounded[-1] | (beyond & shifted[-1])
    return saturate(Cat(rounded[:-1], beyond, negative).as_signed(), bits)


def _window(bits: int) -> int:
    """Width of what is left after the whole groups of a shift: bits + 3 after any of the rest."""
    return bits + 3 + (1 << _FINE) - 1


def _groups(shift: Value) -> range:
    """What a shift may be by whole groups."""
    return range(0, 1 << len(shift), 1 << _FINE)


def saturate(value: Value, bits: int) -> Value:
    """A signed value clamped to 0..2^bits-1."""
    overflow = value[bits:-1].any()
    return Mux(value[-1], Const(0, bits), Mux(overflow, Const(-1, signed(bits)), value[:bits]))[
        :bits
    ]
