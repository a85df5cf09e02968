"""Small designs whose area is known by hand."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

# What an FPGA has, as module `top`: a set and a reset register, an adder, a multiplier, a large and
# a small memory, a delay.
EVERYTHING = """
module top(input clk, input rst, input [15:0] a, input [15:0] b, input [9:0] at, input write,
           output reg [15:0] sum, output reg [15:0] product, output reg [15:0] large,
           output [5:0] small, output late);
  reg [15:0] memory [0:1023];
  reg [5:0] few [0:15];
  reg [11:0] delay;
  always @(posedge clk) begin
    sum <= rst ? 16'h5555 : a + b;
    product <= a[7:0] * b[7:0];
    large <= memory[at];
    if (write) memory[at] <= a;
    if (write) few[at[3:0]] <= b[5:0];
    delay <= {delay, a[0]};
  end
  assign small = few[at[7:4]];
  assign late = delay[11];
endmodule
"""


class Multiplier(wiring.Component):
    """A registered 8 x 8 product: one DSP block and no logic, or 16 flip-flops."""

    def __init__(self):
        super().__init__({"a": In(8), "b": In(8), "p": Out(16)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.p.eq(self.a * self.b)
        return m


class Bits(wiring.Component):
    """q = ~(a & b), registered: one NAND2 and one flip-flop a bit."""

    def __init__(self, width):
        self._width = width
        super().__init__({"a": In(width), "b": In(width), "q": Out(width)})

    def elaborate(self, platform):
        m = Module()
        q = Signal(self._width, reset_less=True)
        m.d.sync += q.eq(~(self.a & self.b))
        m.d.comb += self.q.eq(q)
        return m


class Ram(wiring.Component):
    def __init__(self):
        super().__init__({"read": In(10), "data": Out(16), "write": In(10), "value": In(16)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = ram = memory.Memory(shape=16, depth=1024, init=[])
        read, write = ram.read_port(), ram.write_port()
        m.d.comb += [read.addr.eq(self.read), self.data.eq(read.data), write.en.eq(1)]
        m.d.comb += [write.addr.eq(self.write), write.data.eq(self.value)]
        return m


class Pair(wiring.Component):
    """Two equal Bits and a Multiplier of their outputs, and a register of the top's own."""

    def __init__(self):
        super().__init__({"x": In(8), "y": In(8), "z": In(8), "p": Out(16)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.bits0 = first = Bits(8)
        m.submodules.bits1 = second = Bits(8)
        m.submodules.multiplier = multiplier = Multiplier()
        m.d.comb += [first.a.eq(self.x), first.b.eq(self.y), second.a.eq(self.y)]
        m.d.comb += [second.b.eq(self.z), multiplier.a.eq(first.q), multiplier.b.eq(second.q)]
        m.d.sync += self.p.eq(multiplier.p)
        return m


class Nested(wiring.Component):
    """Two Pairs, with four equal Bits in all."""

    def __init__(self):
        super().__init__({"x": In(8), "y": In(8), "z": In(8), "p": Out(16)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.pair0 = first = Pair()
        m.submodules.pair1 = second = Pair()
        for pair in (first, second):
            m.d.comb += [pair.x.eq(self.x), pair.y.eq(self.y), pair.z.eq(self.z)]
        m.d.comb += self.p.eq(first.p ^ second.p)
        return m
