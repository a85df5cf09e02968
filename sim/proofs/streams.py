"""What else holds words between a source and a sink: the drain of a context, the AXI4-Lite port."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In

from golden.attention import ContextSpec
from golden.fixed import FixedPoint
from rtl.axi_lite import AxiLite, axi_lite_members
from rtl.context import ContextSizes, Drain
from sim.mutation import Mutation
from sim.proof import Proof, Property
from sim.proofs.faults import mutations
from sim.proofs.order import InOrder, stable

PREFIX = "s"
ADDRESS_BITS = 4
LANES = 4
DRAIN = ContextSizes(ContextSpec(128, FixedPoint(1, 0), 0), LANES, max_steps=1)


class AxiLiteAnswers(Property):
    """Each write and each read that is taken has one answer, its own, in order; it stands until
    it is taken. A write reaches the register side if, and only if, all of its bytes are written.
    """

    def __init__(self):
        self._bus = axi_lite_members(PREFIX, ADDRESS_BITS)
        inputs = {name: member for name, member in self._bus.items() if member.flow is In}
        register_side = {"write_error": In(1), "read_data": In(32), "read_error": In(1)}
        super().__init__({**inputs, **register_side, "follow": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = AxiLite(prefix=PREFIX, address_bits=ADDRESS_BITS)
        for name, member in self._bus.items():
            if member.flow is In:
                m.d.comb += getattr(unit, name).eq(getattr(self, name))
        for name in ("write_error", "read_data", "read_error"):
            m.d.comb += getattr(unit, name).eq(getattr(self, name))
        bus = {name.removeprefix(f"{PREFIX}_"): getattr(unit, name) for name in self._bus}
        taken = bus["awvalid"] & bus["awready"]
        whole = bus["wstrb"].all()
        writes = self._answered(m, "writes", taken, ~whole | self.write_error, "b", bus)
        reads = self._answered(
            m, "reads", bus["arvalid"] & bus["arready"], Cat(self.read_data, self.read_error),
            "r", bus,
        )  # fmt: skip
        m.d.comb += [
            self.ok.eq(
                writes
                & reads
                & (taken == (bus["wvalid"] & bus["wready"]))
                & (unit.write == (taken & whole))
                & (bus["arready"] | bus["rvalid"])
            ),
            self.seen.eq(bus["bvalid"] & bus["bresp"].any() & bus["bready"] & taken),
        ]
        return m

    def _answered(self, m: Module, name: str, taken, word, channel: str, bus):
        """Answers on a channel are those of the words taken: an error bit, data below it."""
        order = InOrder(width=len(word), capacity=1)
        m.submodules[name] = order
        o = stream.Signature(len(word)).create(path=(name,))
        data = [bus["rdata"]] if channel == "r" else []
        m.d.comb += [
            o.payload.eq(Cat(*data, bus[f"{channel}resp"][1])),
            o.valid.eq(bus[f"{channel}valid"]),
            o.ready.eq(bus[f"{channel}ready"]),
            order.enters.eq(taken),
            order.word.eq(word),
            order.leaves.eq(o.valid & o.ready),
            order.leaving.eq(o.payload),
            order.follow.eq(self.follow),
        ]
        kept = order.inside.bool() & (order.ahead == 0) & (o.payload == order.followed)
        return (
            order.ok
            & stable(m, o)
            & (order.inside == o.valid)
            & ~bus[f"{channel}resp"][0]
            & (~order.following | kept)
        )


class DrainInOrder(Property):
    """Word after word, each lane of it once, in order, beside the divisor of them all.

    Probes: held, left.
    """

    def __init__(self):
        super().__init__(
            {
                "i": In(stream.Signature(DRAIN.sums(LANES))),
                "ready": In(1),
                "held": In(DRAIN.sums(LANES).size),
                "left": In(range(LANES + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = Drain(sizes=DRAIN)
        wiring.connect(m, wiring.flipped(self.i), unit.i)
        m.d.comb += unit.o.ready.eq(self.ready)
        word, given = Signal.like(self.i.payload), Signal(range(LANES + 1), init=LANES)
        taken = unit.o.valid & self.ready
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [word.eq(self.i.payload), given.eq(0)]
        with m.Elif(taken):
            m.d.sync += given.eq(given + 1)
        due, held = Signal.like(unit.o.payload), View(word.shape(), self.held)
        m.d.comb += [due.n[0].eq(word.n[given]), due.d.eq(word.d)]
        kept = (self.left == LANES - given) & (held.d == word.d)
        for n in range(LANES):  # what is left has moved down, lane by lane
            for lane in range(n, LANES):
                kept &= (given != n) | (held.n[lane - n] == word.n[lane])
        m.d.comb += [
            self.ok.eq(
                kept
                & stable(m, unit.o)
                & (given <= LANES)
                & (unit.o.valid == (given != LANES))
                & (unit.i.ready == ((given == LANES) | (taken & (given == LANES - 1))))
                & (~unit.o.valid | (unit.o.payload == due))
            ),
            self.seen.eq(taken & (given == LANES - 1) & self.i.valid),
        ]
        return m


STREAM_PROOFS = (
    Proof(
        name="axi-lite",
        claim="one answer for each access, its own, in order; it stands until it is taken",
        inputs="all traffic of an AXI4-Lite manager",
        build=AxiLiteAnswers,
        faults=(
            Mutation(
                "write taken before its answer is",
                "",
                "axi_lite.py",
                'bus["wvalid"] & (~bus["bvalid"] | bus["bready"])',
                'bus["wvalid"]',
            ),
            Mutation(
                "part of a word written",
                "",
                "axi_lite.py",
                'whole = bus["wstrb"] == 0xF',
                'whole = bus["wstrb"].any()',
            ),
            Mutation(
                "read answer not held",
                "",
                "axi_lite.py",
                'm.Elif(bus["rready"])',
                "m.Else()",
            ),
        ),
        cycles=6,
    ),
    Proof(
        name=f"drain-{LANES}",
        claim="every lane of a word once, in order, with the word's divisor; no word lost",
        inputs=f"all traffic through a drain of {LANES} lanes",
        build=DrainInOrder,
        faults=mutations("lanes of a context overwritten"),
        probes={"held": "unit.held", "left": "unit.left"},
        cycles=LANES + 4,
    ),
)
