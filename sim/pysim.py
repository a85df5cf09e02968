"""Drives a unit in Amaranth's simulator: slow (thousands of cycles a second), with no build."""

from collections.abc import Sequence

from amaranth.hdl import Value
from amaranth.sim import Simulator

from rtl.pipeline import Pipeline
from sim.exchange import Exchange
from sim.streams import Observed, Pattern


def run(component: Pipeline, inputs: Sequence[int], room: int, pattern: Pattern) -> Observed:
    """Packed payloads through a fresh unit, from its initial state."""
    exchange = Exchange(inputs, room, pattern)
    i_payload = Value.cast(component.i.payload).as_unsigned()
    o_payload = Value.cast(component.o.payload).as_unsigned()

    async def bench(ctx):
        while exchange.prepare():
            ctx.set(i_payload, exchange.payload)
            ctx.set(component.i.valid, exchange.valid)
            ctx.set(component.o.ready, exchange.ready)
            _, _, accepts, valid, word = await ctx.tick().sample(
                component.i.ready, component.o.valid, o_payload
            )
            exchange.edge(bool(accepts), word if valid else None)

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return exchange.observed()
