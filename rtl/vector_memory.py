"""The activation and result memories: one writer, several readers, so that no port is contended."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class VectorMemory(wiring.Component):
    """Words of word_bytes, registered reads (1 cycle), writes of write_bytes at a time.

    A read in the cycle of a write to its word gives the old value; the next cycle gives the new.

    Parameters: words, word_bytes, write_bytes, readers.
    Members: write_enable, write_address (in units of write_bytes), write_data; for each reader n:
    address_n (in words), data_n.
    """

    LATENCY = 1

    def __init__(self, *, words: int, word_bytes: int, write_bytes: int, readers: int):
        self._words, self._word_bytes, self._write_bytes = words, word_bytes, write_bytes
        self._readers = readers
        address = max((words - 1).bit_length(), 1)
        self._offset_bits = (word_bytes // write_bytes - 1).bit_length()
        members = {
            "write_enable": In(1),
            "write_address": In(address + self._offset_bits),
            "write_data": In(8 * write_bytes),
        }
        for n in range(readers):
            members[f"address_{n}"] = In(address)
            members[f"data_{n}"] = Out(8 * word_bytes)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        memory = Memory(shape=8 * self._word_bytes, depth=self._words, init=[])
        m.submodules.memory = memory
        parts = self._word_bytes // self._write_bytes
        write = memory.write_port(granularity=8 * self._write_bytes)
        part = Signal(range(parts))
        m.d.comb += [
            part.eq(self.write_address[: self._offset_bits]),
            write.addr.eq(self.write_address[self._offset_bits :]),
            write.data.eq(self.write_data.replicate(parts)),
            write.en.eq(Cat(self.write_enable & (part == n) for n in range(parts))),
        ]
        for n in range(self._readers):
            read = memory.read_port()
            m.d.comb += [
                read.addr.eq(getattr(self, f"address_{n}")),
                getattr(self, f"data_{n}").eq(read.data),
            ]
        return m
