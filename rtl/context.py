"""The context vector of attention (section 4.3): weighted sums, divided once."""

from collections.abc import Callable

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.wiring import In, Out

from golden.attention import ContextSpec
from rtl.divider import Divider, PipelinedDivider, ZeroPoint, divider_layout
from rtl.pipeline import Pipeline, chain, delayed

ACCUMULATOR_BITS = 32


def weight_sum_bits(spec: ContextSpec) -> int:
    """Bits of sum e: the longest sequence is one whose numerators fit 32 bits."""
    return (spec.max_steps * ((1 << spec.exp_bits) - 1)).bit_length()


def divider_widths(spec: ContextSpec) -> dict[str, int]:
    """Widths of the division: parameters of a Divider."""
    n_bits = ACCUMULATOR_BITS + spec.multiplier.mantissa.bit_length()
    return {"n_bits": n_bits, "d_bits": weight_sum_bits(spec), "bits": spec.out_bits}


def context_layout(spec: ContextSpec, lanes: int) -> StructLayout:
    """A beat: the weight of an encoder step, `lanes` of its codes, whether it is the last one."""
    return StructLayout({"e": spec.exp_bits, "h": ArrayLayout(spec.h_bits, lanes), "last": 1})


def sums_layout(spec: ContextSpec, lanes: int) -> StructLayout:
    """The numerator of each lane before it is scaled, and the divisor of all of them."""
    numerators = ArrayLayout(signed(ACCUMULATOR_BITS), lanes)
    return StructLayout({"n": numerators, "d": weight_sum_bits(spec)})


class WeightedSums(Pipeline):
    """``sum e (h - Z_h)`` of each lane and ``sum e``, up to the beat marked last.

    LATENCY cycles from the last beat; one beat a cycle, the next sequence right behind.

    Parameters: the ContextSpec, lanes.
    Members: i: In(stream of context_layout), o: Out(stream of sums_layout).
    """

    LATENCY = 3

    def __init__(self, *, spec: ContextSpec, lanes: int):
        self._spec, self._lanes = spec, lanes
        super().__init__(context_layout(spec, lanes), sums_layout(spec, lanes))

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
            acc = Signal(signed(ACCUMULATOR_BITS), name=f"acc_{k}")
            with m.If(valid[2]):
                m.d.sync += acc.eq(Mux(first, 0, acc) + product)
            m.d.comb += o.n[k].eq(acc)


class Drain(wiring.Component):
    """A word of all lanes, given lane after lane: 1 cycle to the first, then one a cycle.

    Parameters: the ContextSpec, lanes.
    Members: i: In(stream of sums_layout), o: Out(stream of sums_layout of one lane).
    """

    LATENCY = 1

    def __init__(self, *, spec: ContextSpec, lanes: int):
        self._lanes = lanes
        ports = {"i": In(stream.Signature(sums_layout(spec, lanes)))}
        super().__init__(ports | {"o": Out(stream.Signature(sums_layout(spec, 1)))})

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
            rest = held.n.as_value()[ACCUMULATOR_BITS:]
            m.d.sync += [held.n.as_value().eq(rest), left.eq(left - 1)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(self.i.payload), left.eq(self._lanes)]
        return m


class Scale(Pipeline):
    """The numerator times the multiplier, for a Divider: LATENCY cycles, one a cycle.

    Parameters: the ContextSpec.
    Members: i: In(stream of sums_layout of one lane), o: Out(stream of divider_layout).
    """

    LATENCY = 2

    def __init__(self, *, spec: ContextSpec):
        self._multiplier, widths = spec.multiplier, divider_widths(spec)
        super().__init__(sums_layout(spec, 1), divider_layout(widths["n_bits"], widths["d_bits"]))

    def datapath(self, m, valid):
        # Cycles 1-2: multiply; the second register moves into the multiplier.
        product = Signal.like(self.o.payload.n)
        m.d.sync += product.eq(self.i.payload.n[0] * Const(self._multiplier.mantissa))
        m.d.comb += [
            self.o.payload.n.eq(delayed(m, product, 1, "product")),
            self.o.payload.shift.eq(self._multiplier.shift),
            self.o.payload.d.eq(delayed(m, self.i.payload.d, 2, "d")),
        ]


class Context(Pipeline):
    """``context(spec, e, h, lengths)`` of golden/attention.py, `lanes` elements of it at once.

    A beat is an encoder step, a code out an element, lane after lane, through one divider. The
    last of them comes LATENCY cycles after the last beat. Sequences of lanes * INTERVAL beats or
    more follow one another at a beat a cycle; before shorter ones, the input waits.

    Parameters: the ContextSpec; lanes; divider: a variant of Divider, called with its widths.
    Members: i: In(stream of context_layout), o: Out(stream of out_bits).
    """

    def __init__(
        self,
        *,
        spec: ContextSpec,
        lanes: int = 1,
        divider: Callable[..., Divider] = PipelinedDivider,
    ):
        if lanes < 1:
            raise ValueError(f"context: {lanes} lanes; at least 1")
        super().__init__(context_layout(spec, lanes), spec.out_bits)
        self._chain = {
            "sums": WeightedSums(spec=spec, lanes=lanes),
            "drain": Drain(spec=spec, lanes=lanes),
            "scale": Scale(spec=spec),
            "divider": divider(**divider_widths(spec)),
            "zero_point": ZeroPoint(zero_point=spec.out_zero_point, bits=spec.out_bits),
        }
        self.INTERVAL = self._chain["divider"].INTERVAL
        waiting = (lanes - 1) * self.INTERVAL
        self.LATENCY = sum(unit.LATENCY for unit in self._chain.values()) + waiting

    def elaborate(self, platform):
        m = Module()
        chain(m, self, self._chain)
        return m
