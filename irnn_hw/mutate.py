"""The proof of the proofs: faults put into the units, and whether their checks find them."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from golden.errors import InputError
from rtl.units import UNITS
from sim.mutation import Mutation, mutant_verilog
from sim.mutations import MUTATIONS
from sim.unit_check import UnitBench


@dataclass(frozen=True)
class Verdict:
    """A mutant and what the check of its unit said; nothing: the mutant survived."""

    mutation: str
    unit: str
    file: str
    killed: bool
    message: str


def judge(mutation: Mutation, seed: int) -> Verdict:
    """Every word of the unit's check under every traffic pattern, on the mutant's Verilog."""
    bench = UnitBench(UNITS[mutation.unit], seed)
    bench.verilog = mutant_verilog(mutation)
    result = bench.check_native()
    file = f"rtl/{mutation.file}"
    return Verdict(mutation.name, mutation.unit, file, not result.ok, result.message)


def mutate(
    units: Sequence[str] | None,
    *,
    jobs: int,
    seed: int,
    progress: Callable[[int, int, str], None],
) -> list[Verdict]:
    """Judge the mutants of the units, or all, in their order. A survivor is a bug of the tests.

    Raises InputError for a unit that has no mutants.
    """
    there = sorted({mutation.unit for mutation in MUTATIONS})
    for name in units or ():
        if name not in there:
            raise InputError(f"unit: no mutants of {name}; there are some of {', '.join(there)}")
    chosen = [m for m in MUTATIONS if not units or m.unit in units]
    # A process for each: a library stays loaded, and a mutant may crash.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, max_tasks_per_child=1) as pool:
        futures = [pool.submit(judge, mutation, seed) for mutation in chosen]
        for done, future in enumerate(as_completed(futures), 1):
            progress(done, len(futures), future.result().mutation)
    return [future.result() for future in futures]
