"""cocotb tests of the NPU's bus: what it refuses, soft reset, repeated runs, symbols out of range.

Reads program.irnn and runs.json, a list of [symbols, logits of each step], in its working
directory.
"""

import json
from pathlib import Path

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiResp

from golden.program import Program
from golden.registers import REGISTERS, window_address, windows
from sim.npu_driver import NpuDriver
from sim.tb_npu import compare, loaded, patiently

WORD = b"\x01\x02\x03\x04"
RUNNING, DONE, BAD_SYMBOL = 1, 2, 4


def _program() -> Program:
    return Program.load(Path("program.irnn"))


def _runs() -> list[tuple[list[int], np.ndarray]]:
    return [
        (symbols, np.array(logits)) for symbols, logits in json.loads(Path("runs.json").read_text())
    ]


async def _run(driver: NpuDriver, symbols: list[int], logits: np.ndarray) -> None:
    """One run, each of its logits compared."""
    driver.send(symbols)
    await driver.start(len(symbols))
    for step, expected in enumerate(logits):
        compare(step, await patiently(driver.receive()), expected)
    await patiently(driver.finished())


async def _status(driver: NpuDriver, address: int, data: bytes | None = None) -> AxiResp:
    """The response to a read, or to a write of data."""
    if data is None:
        return (await driver.host.read(address, 4)).resp
    return (await driver.host.write(address, data)).resp


@cocotb.test()
async def registers_answer_as_their_table_says(dut):
    driver = await loaded(dut, _program())
    for register in REGISTERS.values():
        read = await _status(driver, register.offset)
        assert (read == AxiResp.OKAY) == ("r" in register.access), register.name
        # To CONTROL, zeros do nothing; of STEPS, they are refused.
        data = int(register.name == "STEPS").to_bytes(4, "little")
        written = await _status(driver, register.offset, data)
        assert (written == AxiResp.OKAY) == ("w" in register.access), register.name
        assert {read, written} <= {AxiResp.OKAY, AxiResp.SLVERR}
    await driver.write("STEPS", 0x89ABCDEF)
    assert await driver.read("STEPS") == 0x89ABCDEF
    assert await driver.read("STATUS") == 0


@cocotb.test()
async def what_is_nowhere_is_refused_and_changes_nothing(dut):
    program = _program()
    driver = await loaded(dut, program)
    config, table = program.config, windows(program.config)
    past = max(r.offset for r in REGISTERS.values()) + 4
    assert await _status(driver, past) == AxiResp.SLVERR
    assert await _status(driver, past, WORD) == AxiResp.SLVERR
    for window in table.values():
        start = window_address(config, window)
        assert await _status(driver, start) == AxiResp.SLVERR, f"{window.name} was read"
        assert await _status(driver, start + 1, b"\x07") == AxiResp.SLVERR, "one byte was written"
        beyond = window_address(config, window, window.words)
        if beyond < window_address(config, table["program"]) * (window.index + 1):
            assert await _status(driver, beyond, WORD) == AxiResp.SLVERR, f"beyond {window.name}"
    nowhere = 7 * window_address(config, table["program"])
    assert await _status(driver, nowhere, WORD) == AxiResp.SLVERR
    await driver.write("STEPS", 5)
    assert await _status(driver, REGISTERS["STEPS"].offset, b"\x07\x07") == AxiResp.SLVERR
    assert await _status(driver, REGISTERS["STEPS"].offset, bytes(4)) == AxiResp.SLVERR
    assert await driver.read("STEPS") == 5
    await _run(driver, *_runs()[0])


@cocotb.test()
async def two_runs_without_loading_again(dut):
    driver = await loaded(dut, _program())
    cycles = []
    for run in (*_runs(), _runs()[0]):
        await _run(driver, *run)
        assert await driver.read("STATUS") == DONE
        cycles.append((await driver.read_counter("CYCLES"), await driver.read_counter("MAC_BEATS")))
    assert cycles[0][1] == cycles[2][1]


@cocotb.test()
async def soft_reset_in_the_middle_of_a_run(dut):
    """With words waiting in both queues and both engines at work; nothing of it remains."""
    driver = await loaded(dut, _program())
    for delay in (30, 150, 400):
        driver.sink.pause = True
        symbols, logits = _runs()[0]
        driver.send(symbols)
        await driver.start(len(symbols))
        await ClockCycles(dut.clk, delay)
        assert await driver.read("STATUS") == RUNNING
        assert (
            await _status(
                driver, window_address(driver.config, windows(driver.config)["bias"]), WORD
            )
            == AxiResp.SLVERR
        ), "written while running"
        before = await driver.read_counter("CYCLES")
        await driver.write("CONTROL", 1)  # a second start is no start
        assert await driver.read_counter("CYCLES") > before
        while not driver.source.empty():  # what the source still holds would come after the reset
            driver.source.queue.get_nowait()
        await ClockCycles(dut.clk, 50)
        await driver.write("CONTROL", 2)
        assert await driver.read("STATUS") == 0
        assert not dut.irq.value
        assert not dut.m_axis_tvalid.value
        driver.sink.pause = False
        await _run(driver, symbols, logits)


@cocotb.test()
async def a_symbol_out_of_range_is_reported(dut):
    program = _program()
    driver = await loaded(dut, program)
    symbols, logits = _runs()[0]
    for bad in (program.outputs, 0xFFFFFFFF, 1 << 16):
        # Taken as row 0: the run ends, and says so.
        driver.send([*symbols[:-1], bad])
        await driver.start(len(symbols))
        for step in range(len(symbols)):
            frame = await patiently(driver.receive())
            if step < len(symbols) - 1:
                compare(step, frame, logits[step])
        await patiently(driver.finished())
        assert await driver.read("STATUS") == DONE | BAD_SYMBOL
    await _run(driver, symbols, logits)
    assert await driver.read("STATUS") == DONE


@cocotb.test()
async def the_interrupt_is_enabled_by_its_register(dut):
    driver = await loaded(dut, _program())
    await _run(driver, *_runs()[0])
    assert dut.irq.value
    await driver.write("IRQ_ENABLE", 0)
    assert not dut.irq.value
    await driver.write("IRQ_ENABLE", 1)
    assert dut.irq.value
