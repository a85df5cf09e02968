"""The NPU: instantiates and connects, computes nothing."""

from amaranth.hdl import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from golden.npu_config import NpuConfig
from golden.registers import address_bits, windows
from rtl.axi_lite import axi_lite_members
from rtl.host import PREFIX, Host
from rtl.host_memory import HostMemory
from rtl.mac_engine import MacEngine
from rtl.sequencer import Sequencer
from rtl.vector_engine import VectorEngine
from rtl.vector_memory import VectorMemory


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
                **axi_lite_members(PREFIX, address_bits(config)),
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
        m.submodules.host = host = Host(config=config)
        parts = {
            "sequencer": Sequencer(config=config),
            "mac": MacEngine(config=config),
            "vector": VectorEngine(config=config),
            "input_queue": SyncFIFO(width=32, depth=config.input_depth),
            "output_queue": SyncFIFO(width=33, depth=config.output_depth),
        }
        for name, part in parts.items():
            setattr(m.submodules, name, ResetInserter(host.reset)(part))
        sequencer, mac, vector, symbols, outputs = parts.values()
        wiring.connect(m, sequencer.mac, mac.i)
        wiring.connect(m, sequencer.vector, vector.i)
        m.d.comb += [
            mac.token.eq(vector.token_out),
            vector.token.eq(mac.token_out),
            sequencer.drained.eq(mac.idle & vector.idle & ~outputs.r_rdy),
        ]
        self._streams(m, mac, vector, symbols, outputs)
        self._host(m, host, sequencer, mac, vector)
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

    def _host(self, m: Module, host: Host, sequencer, mac, vector) -> None:
        for name, member in axi_lite_members(PREFIX, address_bits(self._config)).items():
            ours, theirs = getattr(self, name), getattr(host, name)
            m.d.comb += theirs.eq(ours) if member.flow is In else ours.eq(theirs)
        m.d.comb += [
            sequencer.start.eq(host.start),
            sequencer.steps.eq(host.steps),
            host.running.eq(sequencer.running),
            host.done.eq(sequencer.done),
            host.beat.eq(mac.beat),
            host.symbol_bad.eq(vector.symbol_bad),
            self.irq.eq(host.irq),
        ]

    def _host_memories(self, m: Module, host: Host, sequencer, mac, vector) -> None:
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
                memory.write_enable.eq(getattr(host, f"write_{name}")),
                memory.write_address.eq(host.write_address),
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
