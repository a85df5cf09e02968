"""Amaranth's SyncFIFO, at the depths that the NPU has, and at one that is no power of two."""

from amaranth.hdl import Array, Module, Mux
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In

from golden.npu_config import CONFIGS
from rtl.mac_engine import TAG_DEPTH
from sim.proof import Proof, Property, Twin
from sim.proofs.order import WIDTH, InOrder, stable


class Overwriting(SyncFIFO):
    """Takes words although it is full."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.w_rdy.eq(1)
        return m


class Offering(SyncFIFO):
    """Offers words although it has none."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.r_rdy.eq(1)
        return m


class QueueInOrder(Property):
    """A queue between a writer and a reader that do as they like, also against w_rdy and r_rdy."""

    def __init__(self, depth: int, queue: type[SyncFIFO] = SyncFIFO):
        self._depth, self._queue = depth, queue
        place = range(depth)
        super().__init__(
            {
                "w_en": In(1),
                "w_data": In(WIDTH),
                "r_en": In(1),
                "follow": In(1),
                "produce": In(place),
                "consume": In(place),
                "storage": In(WIDTH * depth),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth = self._depth
        m.submodules.queue = queue = self._queue(width=WIDTH, depth=depth)
        m.submodules.order = order = InOrder(width=WIDTH, capacity=depth)
        m.d.comb += [
            queue.w_en.eq(self.w_en),
            queue.w_data.eq(self.w_data),
            queue.r_en.eq(self.r_en),
        ]
        order.observe(m, queue.w_stream, queue.r_stream, self.follow)

        def around(place):
            return Mux(place >= depth, place - depth, place)

        words = Array(self.storage.word_select(n, WIDTH) for n in range(depth))
        kept = (order.ahead < order.inside) & (
            words[around(self.consume + order.ahead)] == order.followed
        )
        m.d.comb += [
            self.ok.eq(
                order.ok
                & stable(m, queue.r_stream)
                & (queue.w_rdy == (order.inside != depth))
                & (queue.r_rdy == (order.inside != 0))
                & (queue.level == order.inside)
                & (self.consume < depth)
                & (self.produce == around(self.consume + order.inside))
                & (~order.following | kept)
            ),
            self.seen.eq(order.following & order.leaves & (order.ahead == 0)),
        ]
        return m


def _queue(depth: int) -> Proof:
    words = ",".join(f"queue.storage[{n}]" for n in reversed(range(depth)))
    return Proof(
        name=f"queue-{depth}",
        claim="words leave in order, each once, unchanged; ready unless full, valid unless empty",
        inputs=f"all traffic through a SyncFIFO of {depth} words",
        build=lambda: QueueInOrder(depth),
        faults=(
            Twin("takes words although full", lambda: QueueInOrder(depth, Overwriting)),
            Twin("offers words although empty", lambda: QueueInOrder(depth, Offering)),
        ),
        probes={
            "produce": "queue.produce",
            "consume": "queue.consume",
            "storage": words,
        },
        cycles=depth + 2,
    )


DEPTHS = sorted(
    {TAG_DEPTH, 5}
    | {d for c in CONFIGS.values() for d in (c.queue_depth, c.input_depth, c.output_depth)}
)

QUEUE_PROOFS = tuple(_queue(depth) for depth in DEPTHS)
