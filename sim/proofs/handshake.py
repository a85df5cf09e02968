"""Streams: every word that enters leaves, once, unchanged and in order."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl.pipeline import Pipeline
from sim.mutations.handshake import HANDSHAKE_MUTATIONS
from sim.proof import Proof, Property
from sim.proofs.order import WIDTH, InOrder, ones, stable


class _Carrier(Pipeline):
    """A Pipeline that changes nothing. valid, payloads: what each stage holds."""

    def __init__(self, latency: int):
        self.LATENCY = latency
        self.valid = Signal(latency)
        self.payloads = [Signal(WIDTH, name=f"payload_{n}") for n in range(latency)]
        super().__init__(WIDTH, WIDTH)

    def datapath(self, m, valid):
        m.d.comb += self.valid.eq(valid[1:])
        value = self.i.payload
        for payload in self.payloads:
            m.d.sync += payload.eq(value)
            value = payload
        m.d.comb += self.o.payload.eq(value)


class PipelineInOrder(Property):
    """A Pipeline of so many stages, between a source and a sink that do as they like."""

    def __init__(self, latency: int):
        self._latency = latency
        super().__init__(
            {"i": In(stream.Signature(WIDTH)), "o": Out(stream.Signature(WIDTH)), "follow": In(1)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = _Carrier(self._latency)
        m.submodules.order = order = InOrder(width=WIDTH, capacity=self._latency)
        wiring.connect(m, wiring.flipped(self.i), unit.i)
        wiring.connect(m, unit.o, wiring.flipped(self.o))
        order.observe(m, unit.i, unit.o, self.follow)
        # Where the word followed is: it moves on whenever the unit takes a word.
        place = Signal(self._latency)
        picked = order.follow & order.enters & ~order.following
        with m.If(unit.i.ready):
            m.d.sync += place.eq((place << 1) | picked)
        there = [
            unit.valid[n]
            & (unit.payloads[n] == order.followed)
            & (order.ahead == ones(unit.valid[n + 1 :]))
            for n in range(self._latency)
        ]
        at_place = order.following == place.any()
        for n in range(self._latency):
            at_place &= ~place[n] | (there[n] & (place == 1 << n))
        m.d.comb += [
            self.ok.eq(
                order.ok
                & stable(m, unit.o)
                & (unit.i.ready | unit.o.valid)
                & (order.inside == ones(unit.valid))
                & at_place
            ),
            self.seen.eq(order.following & order.leaves & (order.ahead == self._latency - 1)),
        ]
        return m


HANDSHAKE_PROOFS = tuple(
    Proof(
        name=f"pipeline-{latency}",
        claim="no word lost, doubled, altered or overtaken; an offer stands until it is taken",
        inputs=f"all traffic through {latency} stages",
        build=lambda latency=latency: PipelineInOrder(latency),
        faults=HANDSHAKE_MUTATIONS,
        cycles=2 * latency + 2,
    )
    for latency in (2, 1, 3, 4)
)
