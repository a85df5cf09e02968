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

from sim.streams import Expected, Observed, Pattern, judge, patterns

RESET_CYCLES = 2
IDLE_CYCLES = 512  # nothing moves for so long: done, or stuck
SURPLUS = 16  # too many words out: a unit that repeats itself


@cocotb.test()
async def every_pattern(dut):
    """The words of vectors.json under every traffic pattern, each from reset."""
    given = json.loads(Path("vectors.json").read_text())
    expected = Expected(given["inputs"], given["outputs"], given["latency"])
    Clock(dut.clk, 2, "step").start()
    observed = {}
    for name, traffic in patterns(given["seed"]).items():
        await _reset(dut)
        observed[name] = await _drive(dut, expected.inputs, len(expected.outputs), traffic)
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


async def _drive(dut, inputs: list[int], room: int, pattern: Pattern) -> Observed:
    """Send all inputs and take what comes out, until nothing moves any more.

    Signals are read at a rising edge, as the registers see them, and written behind it.
    """
    offer, take = pattern.offer.tolist(), pattern.take.tolist()
    i_valid, i_ready, i_payload = dut.i__valid, dut.i__ready, dut.i__payload
    o_valid, o_ready, o_payload = dut.o__valid, dut.o__ready, dut.o__payload
    edge = RisingEdge(dut.clk)
    outputs, taken_at = [], []
    accepted, last_accepted, first_valid, unstable, last_move = 0, -1, -1, -1, 0
    offering, driven, ready, held = False, False, False, None
    cycle = 0
    while cycle < last_move + IDLE_CYCLES and len(outputs) < room + SURPLUS:
        if not offering and accepted < len(inputs) and offer[cycle % len(offer)]:
            i_payload.value = inputs[accepted]
            offering = True
        if offering != driven:
            i_valid.value = driven = offering
        if ready != take[cycle % len(take)]:
            o_ready.value = ready = take[cycle % len(take)]
        await edge
        word = int(o_payload.value) if o_valid.value else None
        if unstable < 0 and held is not None and word != held:
            unstable = cycle
        if word is not None and first_valid < 0:
            first_valid = cycle
        held = None if ready else word
        if word is not None and ready:
            outputs.append(word)
            taken_at.append(cycle)
            last_move = cycle
        if offering and i_ready.value:
            accepted += 1
            last_accepted = last_move = cycle
            offering = False
        cycle += 1
    return Observed(outputs, taken_at, cycle, accepted, last_accepted, first_valid, unstable)
