"""The context vector of attention (section 4.3): weighted sums, divided once."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out

from golden.attention import ContextSpec
from rtl.divider import Divider, PipelinedDivider, ZeroPoint, divider_layout
from rtl.pipeline import Pipeline, chain, delayed


@dataclass(frozen=True, slots=True)
class ContextSizes:
    """What a context unit holds: `lanes` elements, sequences of at most `max_steps` beats.

    max_steps: None for the longest that golden takes, whose numerators just fit 32 bits.
    Raises ValueError naming the size that does not fit.
    """

    spec: ContextSpec
    lanes: int = 1
    max_steps: int | None = None

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise ValueError(f"context: {self.lanes} lanes; at least 1")
        if not 1 <= self.steps <= self.spec.max_steps:
            raise ValueError(f"context: {self.steps} steps; 1 to {self.spec.max_steps}")

    @property
    def steps(self) -> int:
        """The longest sequence."""
        return self.spec.max_steps if self.max_steps is None else self.max_steps

    @property
    def divisor_bits(self) -> int:
        """Bits of sum e."""
        return (self.steps * ((1 << self.spec.exp_bits) - 1)).bit_length()

    @property
    def numerator_bits(self) -> int:
        """Bits of sum e (h - Z_h), signed."""
        z = self.spec.h_zero_point
        distance = max(z, (1 << self.spec.h_bits) - 1 - z)
        return (self.steps * ((1 << self.spec.exp_bits) - 1) * distance).bit_length() + 1

    def beat(self) -> StructLayout:
        """The weight of an encoder step, `lanes` of its codes, whether it is the last one."""
        spec = self.spec
        h = ArrayLayout(spec.h_bits, self.lanes)
        return StructLayout({"e": spec.exp_bits, "h": h, "last": 1})

    def sums(self, lanes: int) -> StructLayout:
        """The numerator of each of `lanes` before it is scaled, and the divisor of all of them."""
        numerators = ArrayLayout(signed(self.numerator_bits), lanes)
        return StructLayout({"n": numerators, "d": self.divisor_bits})

    def division(self) -> dict[str, int]:
        """Widths and shift of the division: parameters of a Divider."""
        multiplier = self.spec.multiplier
        return {
            "n_bits": self.numerator_bits + multiplier.mantissa.bit_length(),
            "d_bits": self.divisor_bits,
            "bits": self.spec.out_bits,
            "shift": multiplier.shift,
        }


class WeightedSums(Pipeline):
    """``sum e (h - Z_h)`` of each lane and ``sum e``, up to the beat marked last.

    LATENCY cycles from the last beat; one beat a cycle, the next sequence right behind.

    Parameters: sizes.
    Members: i: In(stream of beats), o: Out(stream of sums of all lanes).
    """

    LATENCY = 3

    def __init__(self, *, sizes: ContextSizes):
        self._spec, self._lanes = sizes.spec, sizes.lanes
        super().__init__(sizes.beat(), sizes.sums(sizes.lanes))

    def datapath(self, m, valid):
        i, o, spec = self.i.payload, self.o.payload, self._spec
        last = delayed(m, i.last, 2, "last")
        m.d.comb += self.o.valid.eq(valid[3] & delayed(m, last, 1, "last_sum"))
        first = Signal(init=1)
        e = delayed(m, i.e, 1, "e")
        weight = delayed(m, e, 1, "weight")
        total = Signal(len(o.d))
        with m.If(valid[2]):
            m.d.sync += [total.eq(Mux(first, 0, total) + weight), first.eq(last)]
        m.d.comb += o.d.eq(total)
        for k in range(self._lanes):
            # Cycle 1: the distance from Z_h. Cycle 2: weighted.
            h = Signal(signed(spec.h_bits + 1), name=f"h_{k}")
            product = Signal(signed(spec.h_bits + 1 + spec.exp_bits), name=f"product_{k}")
            m.d.sync += [h.eq(i.h[k] - spec.h_zero_point), product.eq(h * e)]
            # Cycle 3: accumulate; a new sequence starts from zero.
            acc = Signal(o.n[k].shape(), name=f"acc_{k}")
            with m.If(valid[2]):
                m.d.sync += acc.eq(Mux(first, 0, acc) + product)
            m.d.comb += o.n[k].eq(acc)


class Drain(wiring.Component):
    """A word of all lanes, given lane after lane: 1 cycle to the first, then one a cycle.

    Parameters: sizes.
    Members: i: In(stream of sums of all lanes), o: Out(stream of sums of one lane).
    """

    LATENCY = 1

    def __init__(self, *, sizes: ContextSizes):
        self._lanes, self._bits = sizes.lanes, sizes.numerator_bits
        ports = {"i": In(stream.Signature(sizes.sums(sizes.lanes)))}
        super().__init__(ports | {"o": Out(stream.Signature(sizes.sums(1)))})

    def elaborate(self, platform):
        m = Module()
        held = Signal.like(self.i.payload)
        left = Signal(range(self._lanes + 1))
        taken = self.o.valid & self.o.ready
        m.d.comb += [
            self.o.valid.eq(left != 0),
            self.i.ready.eq((left == 0) | (taken & (left == 1))),
            self.o.payload.d.eq(held.d),
            self.o.payload.n[0].eq(held.n[0]),
        ]
        with m.If(taken):
            rest = held.n.as_value()[self._bits :]
            m.d.sync += [held.n.as_value().eq(rest), left.eq(left - 1)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(self.i.payload), left.eq(self._lanes)]
        return m


class Scale(Pipeline):
    """The numerator times the multiplier, for a Divider: LATENCY cycles, one a cycle.

    Parameters: sizes.
    Members: i: In(stream of sums of one lane), o: Out(stream of divider_layout, constant shift).
    """

    LATENCY = 2

    def __init__(self, *, sizes: ContextSizes):
        self._mantissa, division = sizes.spec.multiplier.mantissa, sizes.division()
        super().__init__(
            sizes.sums(1), divider_layout(division["n_bits"], division["d_bits"], True)
        )

    def datapath(self, m, valid):
        # Cycles 1-2: multiply; the second register moves into the multiplier.
        product = Signal.like(self.o.payload.n)
        m.d.sync += product.eq(self.i.payload.n[0] * Const(self._mantissa))
        m.d.comb += [
            self.o.payload.n.eq(delayed(m, product, 1, "product")),
            self.o.payload.d.eq(delayed(m, self.i.payload.d, 2, "d")),
        ]


class Context(Pipeline):
    """``context(spec, e, h, lengths)`` of golden/attention.py, `lanes` elements of it at once.

    A beat is an encoder step, a code out an element, lane after lane, through one divider: one
    every SPACING cycles. The last of them comes LATENCY cycles after the last beat. Sequences of
    lanes * SPACING beats or more follow one another at a beat a cycle; before shorter ones, the
    input waits.

    Parameters: sizes; divider: a variant of Divider, called with widths and shift.
    Members: i: In(stream of beats), o: Out(stream of out_bits).
    """

    def __init__(self, *, sizes: ContextSizes, divider: Callable[..., Divider] = PipelinedDivider):
        spec = sizes.spec
        super().__init__(sizes.beat(), spec.out_bits)
        self._chain = {
            "sums": WeightedSums(sizes=sizes),
            "drain": Drain(sizes=sizes),
            "scale": Scale(sizes=sizes),
            "divider": divider(**sizes.division()),
            "zero_point": ZeroPoint(zero_point=spec.out_zero_point, bits=spec.out_bits),
        }
        self.SPACING = self._chain["divider"].INTERVAL
        waiting = (sizes.lanes - 1) * self.SPACING
        self.LATENCY = sum(unit.LATENCY for unit in self._chain.values()) + waiting

    def elaborate(self, platform):
        m = Module()
        chain(m, self, self._chain)
        return m
