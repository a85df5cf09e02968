"""The host's side of the NPU: registers, counters and memory windows of golden/registers.py."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.npu_config import NpuConfig
from golden.registers import (
    IDENTITY,
    REGISTERS,
    Window,
    address_bits,
    window_bits,
    windows,
)
from rtl.axi_lite import AxiLite, axi_lite_members

COUNTER_BITS = 48
PREFIX = "s_axil"


class Host(wiring.Component):
    """Registers and windows behind AXI4-Lite. Windows are written while nothing runs.

    Parameters: config.
    Members: s_axil_*: the bus; start, reset: Out, one cycle; steps: Out; running, done: In; beat:
    In, counted as MAC_BEATS; symbol_bad: In, kept in STATUS; irq: Out; write_<window>: Out, one
    cycle; write_address: Out, in 32-bit words of the window; write_data: Out.
    """

    def __init__(self, *, config: NpuConfig):
        self._config = config
        super().__init__(
            {
                **axi_lite_members(PREFIX, address_bits(config)),
                "start": Out(1),
                "reset": Out(1),
                "steps": Out(32, init=1),
                "running": In(1),
                "done": In(1),
                "beat": In(1),
                "symbol_bad": In(1),
                "irq": Out(1),
                **{f"write_{name}": Out(1) for name in windows(config)},
                "write_address": Out(window_bits(config) - 2),
                "write_data": Out(32),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = address_bits(self._config)
        m.submodules.bus = bus = AxiLite(prefix=PREFIX, address_bits=bits)
        for name, member in axi_lite_members(PREFIX, bits).items():
            ours, theirs = getattr(self, name), getattr(bus, name)
            m.d.comb += theirs.eq(ours) if member.flow is In else ours.eq(theirs)
        readable = self._control(m, bus) | self._progress(m)
        with m.Switch(bus.read_address):
            for name, value in readable.items():
                with m.Case(REGISTERS[name].offset):
                    m.d.comb += bus.read_data.eq(value)
            with m.Default():
                m.d.comb += bus.read_error.eq(1)
        self._windows(m, bus)
        return m

    def _control(self, m: Module, bus: AxiLite) -> dict:
        """The registers that the host writes; those of them that it reads back."""
        irq_enable = Signal()
        write = {
            name: bus.write & (bus.write_address == register.offset)
            for name, register in REGISTERS.items()
            if "w" in register.access
        }
        m.d.comb += [
            self.start.eq(write["CONTROL"] & bus.write_data[0] & ~self.running),
            self.reset.eq(write["CONTROL"] & bus.write_data[1]),
            self.irq.eq(self.done & irq_enable),
        ]
        with m.If(write["STEPS"] & bus.write_data.any()):
            m.d.sync += self.steps.eq(bus.write_data)
        with m.If(write["IRQ_ENABLE"]):
            m.d.sync += irq_enable.eq(bus.write_data)
        return {"ID": IDENTITY, "STEPS": self.steps, "IRQ_ENABLE": irq_enable}

    def _progress(self, m: Module) -> dict:
        """The registers that tell how the run goes."""
        cycles, beats, bad_symbol = Signal(COUNTER_BITS), Signal(COUNTER_BITS), Signal()
        with m.If(self.start | self.reset):
            m.d.sync += [cycles.eq(1), beats.eq(0), bad_symbol.eq(0)]
        with m.Elif(self.running):
            m.d.sync += [cycles.eq(cycles + 1), beats.eq(beats + self.beat)]
            m.d.sync += bad_symbol.eq(bad_symbol | self.symbol_bad)
        return {
            "STATUS": Cat(self.running, self.done, bad_symbol),
            "CYCLES": cycles[:32],
            "CYCLES_HIGH": cycles[32:],
            "MAC_BEATS": beats[:32],
            "MAC_BEATS_HIGH": beats[32:],
        }

    def _windows(self, m: Module, bus: AxiLite) -> None:
        """Writes to memories, and the refusal of all that hits neither window nor register."""
        hits = {name: self._hit(bus, window) for name, window in windows(self._config).items()}
        offsets = [r.offset for r in REGISTERS.values() if "w" in r.access]
        register = Cat(bus.write_address == offset for offset in offsets).any()
        # A loop of no steps would count down through zero.
        no_steps = (bus.write_address == REGISTERS["STEPS"].offset) & ~bus.write_data.any()
        m.d.comb += [
            bus.write_error.eq(
                no_steps | (~register & ~(Cat(hits.values()).any() & ~self.running))
            ),
            self.write_address.eq(bus.write_address[2:]),
            self.write_data.eq(bus.write_data),
            *(
                getattr(self, f"write_{name}").eq(bus.write & hit & ~self.running)
                for name, hit in hits.items()
            ),
        ]

    def _hit(self, bus: AxiLite, window: Window):
        """Whether a write goes to a word of the window; its size is a power of two."""
        inner, size = window_bits(self._config), (window.words * window.stride - 1).bit_length()
        address = bus.write_address
        return (address[inner:] == window.index) & (address[size:inner] == 0)
