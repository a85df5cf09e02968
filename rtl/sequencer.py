"""The sequencer: fetches the program, turns its loops, feeds each engine's queue."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout, StructLayout, View
from amaranth.lib.wiring import In, Out

from golden.isa import COUNT_BITS, WORD_BITS, Opcode
from golden.npu_config import NpuConfig
from rtl.front_end import instruction_layout

STEPS_BITS = 32


class Sequencer(wiring.Component):
    """Two cycles an instruction: fetch, then decode. A full queue holds the decode.

    LOOP pushes the address that follows and its count; END returns there count - 1 times. HALT
    waits until `drained` and raises `done`.

    Parameters: config. Members: start: In, steps: In, drained: In, running: Out, done: Out,
    address: Out (program memory), word: In, mac: Out(stream), vector: Out(stream).
    """

    def __init__(self, *, config: NpuConfig):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "steps": In(STEPS_BITS),
                "drained": In(1),
                "running": Out(1),
                "done": Out(1),
                "address": Out(range(config.program_words)),
                "word": In(WORD_BITS),
                "mac": Out(stream.Signature(WORD_BITS)),
                "vector": Out(stream.Signature(WORD_BITS)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        decode = Signal()  # the word of `address` is there
        opcode = self.word[:4]
        to_vector, to_mac = opcode[3], ~opcode[3] & opcode[2]
        m.d.comb += [
            self.mac.payload.eq(self.word),
            self.vector.payload.eq(self.word),
            self.mac.valid.eq(decode & to_mac),
            self.vector.valid.eq(decode & to_vector),
        ]
        with m.If(self.start & ~self.running):
            m.d.sync += [self.running.eq(1), self.done.eq(0), self.address.eq(0), decode.eq(0)]
        with m.Elif(self.running & ~decode):
            m.d.sync += decode.eq(1)
        with m.Elif(self.running):
            taken = (to_vector & self.vector.ready) | (to_mac & self.mac.ready)
            with m.If(taken):
                m.d.sync += [self.address.eq(self.address + 1), decode.eq(0)]
            with m.Elif(~to_vector & ~to_mac):
                self._control(m, opcode, decode)
        return m

    def _control(self, m: Module, opcode, decode) -> None:
        frame = StructLayout({"body": self.address.shape(), "left": STEPS_BITS})
        stack = Signal(ArrayLayout(frame, self._config.loop_depth))
        depth = Signal(range(self._config.loop_depth + 1))
        count = View(instruction_layout("sequencer"), self.word[: 4 + 2 + COUNT_BITS]).count
        top = stack[(depth - 1)[: len(depth)]]
        following = (self.address + 1)[: len(self.address)]
        with m.Switch(opcode):
            with m.Case(Opcode.LOOP):
                m.d.sync += [
                    stack[depth].body.eq(following),
                    stack[depth].left.eq(count),
                    depth.eq(depth + 1),
                    self.address.eq(following),
                    decode.eq(0),
                ]
                with m.If(count == 0):
                    m.d.sync += stack[depth].left.eq(self.steps)
            with m.Case(Opcode.END):
                m.d.sync += [top.left.eq(top.left - 1), decode.eq(0)]
                with m.If(top.left == 1):
                    m.d.sync += [self.address.eq(following), depth.eq(depth - 1)]
                with m.Else():
                    m.d.sync += self.address.eq(top.body)
            with m.Default(), m.If(self.drained):
                m.d.sync += [self.running.eq(0), self.done.eq(1), decode.eq(0)]
