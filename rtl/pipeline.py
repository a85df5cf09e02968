"""The handshake that every arithmetic unit shares."""

from collections.abc import Mapping

from amaranth.hdl import EnableInserter, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Pipeline(wiring.Component):
    """A unit of fixed LATENCY between two streams, one payload a cycle.

    All stages advance together, unless the last holds a payload that is not taken. A subclass adds
    its stages in `datapath`, all in the `sync` domain, from self.i.payload to self.o.payload.
    A subclass that has its own `elaborate` may take a payload every INTERVAL cycles only.

    Members: i: In(stream), o: Out(stream).
    """

    LATENCY: int
    INTERVAL: int = 1

    def __init__(self, i_shape, o_shape):
        super().__init__({"i": In(stream.Signature(i_shape)), "o": Out(stream.Signature(o_shape))})

    def datapath(self, m: Module, valid: Signal) -> None:
        """Add the stages to m. valid[k]: stage k holds a payload; valid[0] is the input."""
        raise NotImplementedError

    def elaborate(self, platform):
        stages = Module()
        valid = Signal(self.LATENCY + 1)
        stages.d.comb += valid[0].eq(self.i.valid)
        stages.d.sync += valid[1:].eq(valid)
        stages.d.comb += self.o.valid.eq(valid[-1])
        self.datapath(stages, valid)

        m = Module()
        advance = Signal()
        m.d.comb += [
            advance.eq(self.o.ready | ~self.o.valid),
            self.i.ready.eq(advance),
        ]
        m.submodules.stages = EnableInserter(advance)(stages)
        return m


def delayed(m: Module, value, cycles: int, name: str):
    """value, `cycles` registers later."""
    for n in range(cycles):
        register = Signal.like(value, name=f"{name}_{n + 1}")
        m.d.sync += register.eq(value)
        value = register
    return value


def chain(m: Module, component: wiring.Component, units: Mapping[str, wiring.Component]) -> None:
    """Units one after another between the streams `i` and `o` of a component."""
    source = wiring.flipped(component.i)
    for name, unit in units.items():
        m.submodules[name] = unit
        wiring.connect(m, source, unit.i)
        source = unit.o
    wiring.connect(m, source, wiring.flipped(component.o))
