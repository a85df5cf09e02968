"""What follows the select of every PWL unit: one multiply-add, shift, round, saturate (Eq. 24)."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.fixed import saturate


class PwlDatapath(wiring.Component):
    """``clamp(((slope q + offset) >> shift) + tie + zero_point)``, LATENCY after q and slope.

    tie: 1 where the sum is not negative and its lowest `shift` bits are ones, of which there is at
    least one. With offset_i = intercept_i - slope_i knot_i + 2^(shift-1) - 1 this is round_shift:
    halves of a positive sum go up, those of a negative one down. A constant shift is wiring, and
    rounding and zero point are in the offset then: no tie, no zero point.

    LATENCY: CONSTANT with a constant shift, else LOADED; the offset is taken one cycle after q and
    slope. Sums wrap, so that an offset may exceed them. shift and zero_point are held still.
    Parameters: in_bits, out_bits, slope and total (shapes), shift (None: a port).
    Members: q: In, slope: In, offset: In(width of total), shift: In, zero_point: In, y: Out.
    """

    CONSTANT = 2
    LOADED = 5

    def __init__(
        self, *, in_bits: int, out_bits: int, slope: Shape, total: Shape, shift: int | None = None
    ):
        self._total, self._shift, self._bits = total, shift, out_bits
        self.LATENCY = self.LOADED if shift is None else self.CONSTANT
        super().__init__(
            {
                "q": In(in_bits),
                "slope": In(slope),
                "offset": In(total.width),
                "shift": In(range(total.width)),
                "zero_point": In(out_bits),
                "y": Out(out_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # Cycle 1: slope * q, as much of it as the sum has bits.
        exact = self.slope * self.q
        product = Signal(Shape(min(len(exact), self._total.width), exact.shape().signed))
        m.d.sync += product.eq(exact)
        # Cycle 2: + offset.
        total = Signal(self._total)
        if self._shift is not None:
            floor = Signal(signed(max(self._total.width + 1 - self._shift, self._bits + 1)))
            m.d.comb += [total.eq(product + self.offset), floor.eq(total >> self._shift)]
            m.d.sync += self.y.eq(saturate(floor, self._bits))
            return m
        m.d.sync += total.eq(product + self.offset)
        # Cycle 3: shift by the two high bits of its amount. Cycle 4: by the others.
        low = max(len(self.shift) - 2, 0)
        rest, ones_so_far, over = _registered(m, *shift_coarse(total, self.shift, low, self._bits))
        floor, ones, beyond = shift_fine(rest, self.shift[:low], self._bits)
        tie = ones & ones_so_far & ~rest[-1]
        floor, tie, over = _registered(m, floor, tie, over | beyond)
        # Cycle 5: round, zero point, saturate. The tie is the carry into one adder.
        rounded = (Cat(tie, floor).as_signed() + Cat(Const(1, 1), self.zero_point))[1:].as_signed()
        limit = Mux(floor[-1], Const(0, self._bits), Const(-1, signed(self._bits)))
        m.d.sync += self.y.eq(Mux(over, limit, saturate(rounded, self._bits)))
        return m


def shift_coarse(value: Value, shift: Value, low: int, bits: int):
    """value >> (shift without its `low` lowest bits), which are still to come.

    Returns it in no more bits than can yet come into a result of bits + 1; whether the bits lost
    are ones, where the shift is not 0; whether the result exceeds bits + 1.
    """
    sign, width = value[-1], bits + (1 << low)
    cases = []
    for n in range(0, len(value), 1 << low):
        kept = value[n : n + width - 1]
        ones = value[:n].all() & shift.any() if n else shift.any()
        missing = sign.replicate(width - len(kept))
        cases.append(Cat(kept, missing, ones, differs(value[n + width - 1 :], sign)))
    case = Array(cases)[shift[low:]]
    return case[:width].as_signed(), case[width], case[width + 1]


def shift_fine(value: Value, shift: Value, bits: int):
    """value >> shift in bits + 1, whether the bits lost are ones, and whether it exceeds these."""
    sign, ones, beyond = value[-1], Const(1, 1), Const(0, 1)
    value = value.as_unsigned()
    for n in reversed(range(len(shift))):
        step = 1 << n
        ones &= ~shift[n] | value[:step].all()
        value = Mux(shift[n], Cat(value[step:], sign.replicate(step)), value)
        # Later steps shift by less than this one: what is above can no longer come into the result.
        beyond |= differs(value[bits + step - 1 :], sign)
        value = Cat(value[: bits + step - 1], sign)
    return value.as_signed(), ones, beyond


def differs(value: Value, bit: Value) -> Value:
    """Whether any bit of the value, of which there may be none, is not `bit`."""
    return (value ^ bit.replicate(len(value))).any() if len(value) else Const(0, 1)


def _registered(m: Module, *values: Value) -> list[Value]:
    """The values a cycle later."""
    registers = [Signal(v.shape(), name=f"stage_{n}") for n, v in enumerate(values)]
    m.d.sync += [register.eq(v) for register, v in zip(registers, values, strict=True)]
    return registers
