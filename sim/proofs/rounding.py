"""The rounder, and with it every requantizer: all that follows the product.

The product of an a-bit accumulator and a w-bit mantissa is at most ``2^(a-1) (2^w - 1)`` in
magnitude, below ``2^(a+w-1)``: never the most negative value of its width.
"""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from rtl.rounder import SHIFT_BITS, Rounder
from sim.proof import Proof, Property
from sim.proofs.faults import mutations

ACC_WIDTH = 32


def rounded(m: Module, p: Value, shift: Value) -> Signal:
    """round(p / 2^shift), half away from zero, by its definition on the magnitude of p."""
    magnitude, quotient = Signal(len(p)), Signal(len(p) + 1)
    below = Signal(len(p))  # the last bit shifted out, and those above it
    m.d.comb += [
        magnitude.eq(Mux(p < 0, -p, p)),
        below.eq(Mux(shift == 0, 0, magnitude >> (shift - 1)[:SHIFT_BITS])),
        quotient.eq((magnitude >> shift) + below[0]),
    ]
    result = Signal(signed(len(p) + 2))
    m.d.comb += result.eq(Mux(p < 0, -quotient, quotient))
    return result


def clamped(value: Value, bits: int) -> Value:
    """value within 0..2^bits - 1."""
    top = Const((1 << bits) - 1)
    return Mux(value < 0, 0, Mux(value > top, top, value))


class Rounding(Property):
    """A rounder against the definition, for every product of its width but the most negative."""

    def __init__(self, width: int, bits: int):
        self._bits = bits
        super().__init__(
            {
                "p": In(signed(width)),
                "shift": In(SHIFT_BITS),
                "zero_point": In(bits),
                "q": Out(bits),
                "expected": Out(bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = Rounder(width=len(self.p), bits=self._bits)
        total = rounded(m, self.p, self.shift) + self.zero_point
        m.d.comb += [
            *(getattr(unit, name).eq(getattr(self, name)) for name in ("p", "shift", "zero_point")),
            self.q.eq(unit.q),
            self.expected.eq(clamped(total, self._bits)),
            self.given.eq(self.p != -1 << (len(self.p) - 1)),
            self.ok.eq(self.q == self.expected),
            self.seen.eq((self.p < 0) & (self.q > 0) & (self.q < self.zero_point)),
        ]
        return m


def _rounding(multiplier_width: int, bits: int) -> Proof:
    width = ACC_WIDTH + multiplier_width
    return Proof(
        name=f"rounder-{width}-{bits}",
        claim="half away from zero, zero point, clamp, as defined",
        inputs=f"every {width}-bit product, shift and {bits}-bit zero point",
        build=lambda: Rounding(width, bits),
        faults=mutations(
            "ties upwards, not away from zero", "upper clamp dropped", "lower clamp dropped"
        ),
        slow=(multiplier_width, bits) != (16, 8),
    )


ROUNDING_PROOFS = tuple(_rounding(width, bits) for width in (8, 16, 24, 32) for bits in (8, 16))
