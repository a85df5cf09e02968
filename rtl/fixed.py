"""Amaranth expressions of golden/fixed.py: rounding and saturation, as hardware does them.

``round_shift(p, s) = (((2p - (p < 0)) >> s) + 1) >> 1`` for every s >= 0: floors nest, and taking
one half unit from a negative number turns half-up into half-away-from-zero.
"""

from amaranth.hdl import Cat, Const, Mux, Value, signed


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


def shift_halves(halves: Value, shift: Value, bits: int) -> Value:
    """halves >> shift, saturated to bits + 3: stage 2. Nothing beyond changes a `bits`-wide code.

    A value outside the signed range of bits + 3 rounds to at least 2^(bits+1) in magnitude, which a
    zero point below 2^bits cannot bring back into range.
    """
    return narrow(halves >> shift, bits + 3)


def round_saturate(shifted: Value, zero_point: Value, bits: int) -> Value:
    """clamp(((shifted + 1) >> 1) + zero_point, 0, 2^bits - 1): stage 3."""
    rounded = ((shifted + 1) >> 1) + zero_point
    return saturate(rounded, bits)


def saturate(value: Value, bits: int) -> Value:
    """A signed value clamped to 0..2^bits-1."""
    overflow = value[bits:-1].any()
    return Mux(value[-1], Const(0, bits), Mux(overflow, Const(-1, signed(bits)), value[:bits]))[
        :bits
    ]
