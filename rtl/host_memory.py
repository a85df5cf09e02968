"""A memory that the host fills through a window and an engine reads."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.registers import Window


class HostMemory(wiring.Component):
    """Registered reads (1 cycle) of whole words; writes of 32 bits at a time.

    Inferred block RAM; an ASIC replaces this module by a macro.

    Parameters: window, readers (read ports).
    Members: write_enable, write_address (in 32-bit words, a memory word padded to its stride),
    write_data; for each reader n: address_n, data_n.
    """

    LATENCY = 1

    def __init__(self, *, window: Window, readers: int = 1):
        self._window, self._readers = window, readers
        lane_bits = (window.stride // 4 - 1).bit_length()
        word_bits = max((window.words - 1).bit_length(), 1)
        self._lane_bits = lane_bits
        members = {
            "write_enable": In(1),
            "write_address": In(word_bits + lane_bits),
            "write_data": In(32),
        }
        for n in range(readers):
            members[f"address_{n}"] = In(word_bits)
            members[f"data_{n}"] = Out(32 * window.lanes)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        lanes = self._window.lanes
        memory = Memory(
            shape=ArrayLayout(32, lanes),
            depth=self._window.words,
            init=[],
            # The host writes while the NPU is idle: no logic is owed to a read of the same word.
            attrs={"no_rw_check": 1},
        )
        m.submodules.memory = memory
        write = memory.write_port(granularity=1)
        lane = self.write_address[: self._lane_bits]
        m.d.comb += [
            write.addr.eq(self.write_address[self._lane_bits :]),
            *(write.data[n].eq(self.write_data) for n in range(lanes)),
            *(write.en[n].eq(self.write_enable & (lane == n)) for n in range(lanes)),
        ]
        for n in range(self._readers):
            read = memory.read_port()
            m.d.comb += [
                read.addr.eq(getattr(self, f"address_{n}")),
                getattr(self, f"data_{n}").eq(read.data.as_value()),
            ]
        return m
