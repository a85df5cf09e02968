"""cocotb entry for the whole NPU: loads a program, reads a passage, writes on, checks each logit.

Reads job.json, program.irnn and expected.npy in its working directory, writes observed.json and,
through sim/npu_trace.sv, the trace. sim/npu_check.py puts the ones there and takes the others.
"""

import json
import time
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, SimTimeoutError, with_timeout

from golden.fixed import FixedPoint
from golden.program import Program
from golden.sampler import Sampler
from sim.npu_driver import NpuDriver

RESET_CYCLES = 4
CLOCK_STEPS = 2
PATIENCE = 1_000_000  # cycles: no time step takes so long, a hanging NPU does


@cocotb.test()
async def reads_then_writes(dut):
    """Every logit of the job's steps equals golden's; the first that does not ends the run."""
    job = json.loads(Path("job.json").read_text())
    program = Program.load(Path("program.irnn"))
    expected = np.load("expected.npy", mmap_mode="r")
    driver = await loaded(dut, program)
    if job["stall_seed"] is not None:
        _stall(driver, job["stall_seed"])
    start = time.perf_counter()
    written = await _converse(driver, job, expected)
    await patiently(driver.finished())
    observed = {
        "status": await driver.read("STATUS"),
        "cycles": await driver.read_counter("CYCLES"),
        "mac_beats": await driver.read_counter("MAC_BEATS"),
        "seconds": time.perf_counter() - start,
        "written": written,
    }
    Path("observed.json").write_text(json.dumps(observed))


async def loaded(dut, program: Program) -> NpuDriver:
    """The driver of an NPU that was reset and holds the program."""
    Clock(dut.clk, CLOCK_STEPS, "step").start()
    dut.rst.value = 1
    driver = NpuDriver(dut, program.config)
    await ClockCycles(dut.clk, RESET_CYCLES)
    dut.rst.value = 0
    await driver.load(program.images())
    return driver


async def _converse(driver: NpuDriver, job: dict, expected: np.ndarray) -> list[int]:
    """Send the passage; after it, each symbol is drawn from the logits that came back."""
    passage, writes = job["passage"], job["write"]
    sampler = Sampler(FixedPoint(*job["scale"]), job["seed"])
    # No more symbols ahead than the input queue holds: a blocked source would wake every cycle.
    ahead = driver.config.input_depth
    driver.send(passage[:ahead])
    await driver.start(len(passage) + writes)
    written: list[int] = []
    for step in range(len(passage) + writes):
        logits = await patiently(driver.receive())
        compare(step, logits, expected[step])
        if step + ahead < len(passage):
            driver.send(passage[step + ahead : step + ahead + 1])
        if step >= len(passage) - 1 and len(written) < writes:
            written.append(sampler.draw(logits))
            driver.send(written[-1:])
        Path("progress").write_text(str(step + 1))
    return written


async def patiently(what):
    """Waits for a coroutine; a simulation that hangs ends with an error."""
    try:
        return await with_timeout(what, PATIENCE * CLOCK_STEPS, "step")
    except SimTimeoutError:
        raise AssertionError(f"the NPU hangs: nothing came for {PATIENCE} cycles") from None


def compare(step: int, logits: np.ndarray, expected: np.ndarray) -> None:
    assert len(logits) == len(expected), f"step {step}: {len(logits)} logits"
    wrong = np.flatnonzero(logits != expected)
    if len(wrong):
        n = wrong[0]
        raise AssertionError(f"step {step}: logit {n} is {logits[n]}, golden says {expected[n]}")


def _stall(driver: NpuDriver, seed: int) -> None:
    """Idle cycles in the input, and back-pressure on the output."""
    for n, model in enumerate((driver.source, driver.sink)):
        model.set_pause_generator(_coin(np.random.default_rng([seed, n])))


def _coin(rng: np.random.Generator):
    """Runs of stalled and of free cycles, each of random length."""
    while True:
        stalled = bool(rng.integers(2))
        for _ in range(int(rng.integers(1, 40))):
            yield stalled
