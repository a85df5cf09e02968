"""The NPU: instantiates and connects, computes nothing."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
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
from rtl.host_memory import HostMemory
from rtl.mac_engine import MacEngine
from rtl.sequencer import Sequencer
from rtl.vector_engine import VectorEngine
from rtl.vector_memory import VectorMemory

COUNTER_BITS = 48
HOST = "s_axil"


class Npu(wiring.Component):
    """Runs any program that fits its configuration; golden/machine.py is its twin, to the cycle.

    Parameters: config.
    Members: s_axil_*: AXI4-Lite, registers and memory windows of golden/registers.py; s_axis_*:
    AXI4-Stream of input symbols, 32 bits; m_axis_*: AXI4-Stream of accumulators, 32 bits, tlast on
    the last of an instruction; irq: Out, while done and enabled.
    """

    def __init__(self, *, config: NpuConfig):
        self._config = config
        super().__init__(
            {
                **axi_lite_members(HOST, address_bits(config)),
                "s_axis_tdata": In(32),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "m_axis_tdata": Out(32),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "m_axis_tlast": Out(1),
                "irq": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        reset = Signal()  # of everything but the host's registers and the memories
        parts = {
            "sequencer": Sequencer(config=config),
            "mac": MacEngine(config=config),
            "vector": VectorEngine(config=config),
            "input_queue": SyncFIFO(width=32, depth=config.input_depth),
            "output_queue": SyncFIFO(width=33, depth=config.output_depth),
        }
        for name, part in parts.items():
            setattr(m.submodules, name, ResetInserter(reset)(part))
        sequencer, mac, vector, symbols, outputs = parts.values()
        wiring.connect(m, sequencer.mac, mac.i)
        wiring.connect(m, sequencer.vector, vector.i)
        m.d.comb += [
            mac.token.eq(vector.token_out),
            vector.token.eq(mac.token_out),
            sequencer.drained.eq(mac.idle & vector.idle & ~outputs.r_rdy),
        ]
        self._streams(m, mac, vector, symbols, outputs)
        host = self._host(m, sequencer, mac, vector, reset)
        self._host_memories(m, host, sequencer, mac, vector)
        self._vector_memories(m, mac, vector)
        return m

    def _streams(self, m: Module, mac, vector, symbols, outputs) -> None:
        m.d.comb += [
            symbols.w_data.eq(self.s_axis_tdata),
            symbols.w_en.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(symbols.w_rdy),
            vector.symbol.payload.eq(symbols.r_data),
            vector.symbol.valid.eq(symbols.r_rdy),
            symbols.r_en.eq(vector.symbol.ready),
            outputs.w_data[:32].eq(mac.output.payload),
            outputs.w_data[32].eq(mac.output_last),
            outputs.w_en.eq(mac.output.valid),
            self.m_axis_tdata.eq(outputs.r_data[:32]),
            self.m_axis_tlast.eq(outputs.r_data[32]),
            self.m_axis_tvalid.eq(outputs.r_rdy),
            outputs.r_en.eq(self.m_axis_tready),
            mac.output_popped.eq(outputs.r_rdy & self.m_axis_tready),
        ]

    def _host(self, m: Module, sequencer, mac, vector, reset) -> AxiLite:
        """The registers of golden/registers.py."""
        bits = address_bits(self._config)
        m.submodules.host = host = AxiLite(prefix=HOST, address_bits=bits)
        for name in axi_lite_members(HOST, bits):
            ours, theirs = getattr(self, name), getattr(host, name)
            inward = self.signature.members[name].flow is In
            m.d.comb += theirs.eq(ours) if inward else ours.eq(theirs)

        steps, irq_enable = Signal(32, init=1), Signal()
        at = {name: register.offset for name, register in REGISTERS.items()}
        registers = host.write & (host.write_address[window_bits(self._config) :] == 0)
        write = {name: registers & (host.write_address == offset) for name, offset in at.items()}
        control = Mux(write["CONTROL"], host.write_data, 0)
        m.d.comb += [
            sequencer.start.eq(control[0] & ~sequencer.running),
            sequencer.steps.eq(steps),
            reset.eq(control[1]),
            self.irq.eq(sequencer.done & irq_enable),
        ]
        with m.If(write["STEPS"]):
            m.d.sync += steps.eq(host.write_data)
        with m.If(write["IRQ_ENABLE"]):
            m.d.sync += irq_enable.eq(host.write_data)
        readable = {
            "ID": IDENTITY,
            "STEPS": steps,
            "IRQ_ENABLE": irq_enable,
            **self._progress(m, sequencer, mac, vector, reset),
        }
        with m.Switch(host.read_address):
            for name, value in readable.items():
                with m.Case(at[name]):
                    m.d.comb += host.read_data.eq(value)
            with m.Default():
                m.d.comb += host.read_error.eq(1)
        writable = [r.offset for r in REGISTERS.values() if "w" in r.access]
        register = Cat(host.write_address == offset for offset in writable).any()
        window = Cat(self._window_hit(host, w) for w in windows(self._config).values()).any()
        m.d.comb += host.write_error.eq(~register & ~(window & ~sequencer.running))
        return host

    def _progress(self, m: Module, sequencer, mac, vector, reset) -> dict:
        """The registers that tell how the run goes."""
        cycles, beats, bad_symbol = Signal(COUNTER_BITS), Signal(COUNTER_BITS), Signal()
        with m.If(sequencer.start | reset):
            m.d.sync += [cycles.eq(1), beats.eq(0), bad_symbol.eq(0)]
        with m.Elif(sequencer.running):
            m.d.sync += [cycles.eq(cycles + 1), beats.eq(beats + mac.beat)]
            m.d.sync += bad_symbol.eq(bad_symbol | vector.symbol_bad)
        return {
            "STATUS": sequencer.running | (sequencer.done << 1) | (bad_symbol << 2),
            "CYCLES": cycles[:32],
            "CYCLES_HIGH": cycles[32:],
            "MAC_BEATS": beats[:32],
            "MAC_BEATS_HIGH": beats[32:],
        }

    def _window_hit(self, host: AxiLite, window: Window):
        """Whether a write goes to a word of the window; its size is a power of two."""
        inner, size = window_bits(self._config), (window.words * window.stride - 1).bit_length()
        address = host.write_address
        return (address[inner:] == window.index) & (address[size:inner] == 0)

    def _host_memories(self, m: Module, host: AxiLite, sequencer, mac, vector) -> None:
        config = self._config
        lanes = config.lanes
        shift = (config.constant_word_bytes - 1).bit_length()
        reads = {
            "program": [(sequencer.address, sequencer.word)],
            "weights": [(mac.weights_address, mac.weights_data)],
            "bias": [(mac.bias_address, mac.bias_data)],
            "constants": [(vector.a_address[shift:], vector.a_constant)],
            "knots": [(vector.knots_address, vector.knots_data)],
            "segments": [
                (getattr(vector, f"segment_address_{n}"), getattr(vector, f"segment_data_{n}"))
                for n in range(lanes)
            ],
        }
        for name, window in windows(config).items():
            ports = reads[name]
            memory = HostMemory(window=window, readers=len(ports))
            setattr(m.submodules, name, memory)
            m.d.comb += [
                memory.write_enable.eq(
                    host.write & ~host.write_error & self._window_hit(host, window)
                ),
                memory.write_address.eq(host.write_address[2:]),
                memory.write_data.eq(host.write_data),
            ]
            for n, (address, data) in enumerate(ports):
                m.d.comb += [
                    getattr(memory, f"address_{n}").eq(address),
                    data.eq(getattr(memory, f"data_{n}")),
                ]

    def _vector_memories(self, m: Module, mac, vector) -> None:
        config = self._config
        shift = (config.word_bytes - 1).bit_length()
        a, b = vector.a_address[shift:], vector.b_address[shift:]
        memories = {
            # Written by the vector engine, lanes at a time; read by both.
            "activation": (vector, config.activation_bytes, config.lanes,
                           [(mac.x_address, mac.x_data), (a, vector.a_activation),
                            (b, vector.b_activation)]),
            # Written by the MAC engine, a row at a time; read by the vector engine.
            "result": (mac, config.result_bytes, 1,
                       [(a, vector.a_result), (b, vector.b_result)]),
        }  # fmt: skip
        for name, (writer, size, write_bytes, ports) in memories.items():
            memory = VectorMemory(
                words=size // config.word_bytes,
                word_bytes=config.word_bytes,
                write_bytes=write_bytes,
                readers=len(ports),
            )
            setattr(m.submodules, name, memory)
            m.d.comb += [
                memory.write_enable.eq(writer.result_enable),
                memory.write_address.eq(writer.result_address[(write_bytes - 1).bit_length() :]),
                memory.write_data.eq(writer.result_data),
            ]
            for n, (address, data) in enumerate(ports):
                m.d.comb += [
                    getattr(memory, f"address_{n}").eq(address),
                    data.eq(getattr(memory, f"data_{n}")),
                ]
