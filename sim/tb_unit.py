"""cocotb entry for any unit between streams `i` and `o`: drives it, judges it, writes what it saw.

Reads vectors.json and writes observed.json in its working directory; sim/unit_check.py puts the one
there and takes the other.
"""

import json
from dataclasses import asdict
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from sim.exchange import RESET_CYCLES, Exchange
from sim.streams import Expected, Observed, judge, patterns


@cocotb.test()
async def every_pattern(dut):
    """The words of vectors.json under every traffic pattern, each from reset."""
    given = json.loads(Path("vectors.json").read_text())
    expected = Expected(**given["expected"])
    Clock(dut.clk, 2, "step").start()
    observed = {}
    for name, traffic in patterns(given["seed"]).items():
        await _reset(dut)
        exchange = Exchange(expected.inputs, len(expected.outputs), traffic)
        observed[name] = await _drive(dut, exchange)
    Path("observed.json").write_text(json.dumps({k: asdict(v) for k, v in observed.items()}))
    verdict = judge(expected, observed)
    assert verdict.words > 0, "no words were compared"
    assert not verdict.message, verdict.message


async def _reset(dut):
    dut.rst.value = 1
    dut.i__valid.value = 0
    dut.o__ready.value = 0
    for _ in range(RESET_CYCLES):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


async def _drive(dut, exchange: Exchange) -> Observed:
    """Signals are read at a rising edge, as the registers see them, and written behind it."""
    i_valid, i_ready, i_payload = dut.i__valid, dut.i__ready, dut.i__payload
    o_valid, o_ready, o_payload = dut.o__valid, dut.o__ready, dut.o__payload
    edge = RisingEdge(dut.clk)
    driven = {}
    while exchange.prepare():
        wanted = {i_payload: exchange.payload, i_valid: exchange.valid, o_ready: exchange.ready}
        for signal, value in wanted.items():
            if driven.get(signal) != value:
                signal.value = driven[signal] = value
        await edge
        exchange.edge(bool(i_ready.value), int(o_payload.value) if o_valid.value else None)
    return exchange.observed()
