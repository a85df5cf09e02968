"""What both engines begin with: a queue of instructions, and the tokens that order them."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.data import StructLayout, View
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from golden.isa import FORMATS, WORD_BITS
from golden.npu_config import NpuConfig


def instruction_layout(engine: str) -> StructLayout:
    """The fields of an engine's instructions, from the instruction table."""
    fields = FORMATS[engine]
    return StructLayout(
        {f.name: signed(f.width) if f.signed else unsigned(f.width) for f in fields}
    )


class FrontEnd(wiring.Component):
    """The oldest queued instruction, available once the token that it waits for is there.

    1 cycle from push to available. Accepting takes the instruction and its token.

    Parameters: config, engine ("mac" or "vector").
    Members: i: In(stream of instruction words), head: Out(instruction), available: Out,
    accept: In, token: In (one from the other engine), empty: Out.
    """

    LATENCY = 1

    def __init__(self, *, config: NpuConfig, engine: str):
        self._config, self._layout = config, instruction_layout(engine)
        super().__init__(
            {
                "i": In(stream.Signature(WORD_BITS)),
                "head": Out(self._layout),
                "available": Out(1),
                "accept": In(1),
                "token": In(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = SyncFIFO(
            width=self._layout.size, depth=self._config.queue_depth
        )
        tokens = Signal(self._config.token_bits)
        head = View(self._layout, queue.r_data)
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
            self.head.eq(head),
            self.available.eq(queue.r_rdy & (~head.wait | (tokens != 0))),
            queue.r_en.eq(self.accept),
            self.empty.eq(~queue.r_rdy),
        ]
        m.d.sync += tokens.eq(tokens + self.token - (self.accept & head.wait))
        return m
