"""cocotb tests that test_sim_verilator.py runs on a counter; each shows one way to end."""

import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge


@cocotb.test()
async def counts(dut):
    limit = int(os.environ["LIMIT"])
    dut.rst.value = 0
    Clock(dut.clk, 2, "step").start()
    while int(dut.q.value) < limit:
        await RisingEdge(dut.clk)
    Path("seen").write_text(str(int(dut.q.value)))


@cocotb.test()
async def is_wrong(dut):
    raise AssertionError("the reason")


@cocotb.test()
async def dies(dut):
    os.abort()
