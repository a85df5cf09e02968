"""The host's side of an NPU over real bus models: load, start, stream, read back."""

from collections.abc import Mapping

import numpy as np
from cocotb.triggers import RisingEdge
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)
from numpy.typing import NDArray

from golden.npu_config import NpuConfig
from golden.registers import IDENTITY, REGISTERS, window_address, windows


class NpuDriver:
    """Bus models on an NPU's ports. Every access is checked for its response."""

    def __init__(self, dut, config: NpuConfig):
        self._dut, self.config = dut, config
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        self.source = AxiStreamSource(
            AxiStreamBus.from_prefix(dut, "s_axis"), dut.clk, dut.rst, byte_lanes=4
        )
        self.sink = AxiStreamSink(
            AxiStreamBus.from_prefix(dut, "m_axis"), dut.clk, dut.rst, byte_lanes=4
        )
        for model in (self.host.write_if, self.host.read_if, self.source, self.sink):
            model.log.setLevel("WARNING")

    async def write(self, register: str, value: int) -> None:
        """Write a register."""
        address = REGISTERS[register].offset
        response = await self.host.write(address, value.to_bytes(4, "little"))
        assert response.resp == AxiResp.OKAY, f"write of {register}: {response.resp.name}"

    async def read(self, register: str) -> int:
        """A register's 32 bits, unsigned."""
        response = await self.host.read(REGISTERS[register].offset, 4)
        assert response.resp == AxiResp.OKAY, f"read of {register}: {response.resp.name}"
        return int.from_bytes(response.data, "little")

    async def read_counter(self, register: str) -> int:
        return await self.read(register) | await self.read(f"{register}_HIGH") << 32

    async def load(self, images: Mapping[str, NDArray[np.uint32]]) -> None:
        """Fill the memory windows from Program.images()."""
        assert await self.read("ID") == IDENTITY, "this is no NPU"
        table = windows(self.config)
        for name, image in images.items():
            window = table[name]
            padded = np.pad(image, ((0, 0), (0, window.stride // 4 - window.lanes)))
            data = padded.astype("<u4").tobytes()
            response = await self.host.write(window_address(self.config, window), data)
            assert response.resp == AxiResp.OKAY, f"load of {name}: {response.resp.name}"

    async def start(self, steps: int) -> None:
        await self.write("STEPS", steps)
        await self.write("IRQ_ENABLE", 1)
        await self.write("CONTROL", 1)

    async def finished(self) -> None:
        """Wait for the interrupt."""
        if not self._dut.irq.value:
            await RisingEdge(self._dut.irq)

    def send(self, symbols) -> None:
        """Queue symbols for the input stream."""
        data = np.asarray(symbols, "<u4").tobytes()
        self.source.send_nowait(AxiStreamFrame(data))

    async def receive(self) -> NDArray[np.int64]:
        """The next vector of accumulators: the words up to tlast."""
        frame = await self.sink.recv()
        return np.frombuffer(bytes(frame.tdata), "<i4").astype(np.int64)
