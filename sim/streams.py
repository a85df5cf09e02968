"""Traffic for a unit between two streams, and the exact comparison of what came out with golden.

The same patterns and the same comparison serve the native driver and cocotb.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.uint8]  # one flag a cycle, repeated

# How long "stalled" takes nothing: longer than any unit's latency.
STALL = 64
# Prime, so that a repeated pattern does not fall in step with the other one or with the data.
_LENGTHS = (997, 991)


@dataclass(frozen=True, slots=True)
class Pattern:
    """offer: cycles in which a new input may be offered. take: in which an output is taken."""

    offer: Flags
    take: Flags


@dataclass(frozen=True, slots=True)
class Observed:
    """What a unit did. Cycles count from the first after reset; -1 where it never happened.

    outputs: the words taken, and taken_at the cycle of each. accepted: words in. unstable: cycle in
    which a word that had not been taken changed or went away.
    """

    outputs: list[int]
    taken_at: list[int]
    cycles: int
    accepted: int
    last_accepted: int
    first_valid: int
    unstable: int


@dataclass(frozen=True, slots=True)
class Expected:
    """inputs, golden's outputs, when they come, and how to print a word in and a word out.

    latency: cycles from the last input to the last output. interval: from one input to the next at
    full rate, where the inputs wait for `waits` cycles more, in all.
    """

    inputs: Sequence[int]
    outputs: Sequence[int]
    latency: int
    interval: int = 1
    waits: int = 0
    show_input: Callable[[int], object] = hex
    show_output: Callable[[int], object] = hex


@dataclass(frozen=True, slots=True)
class Verdict:
    """words: compared. differing: wrong, missing or surplus. message: empty when all is well."""

    words: int
    differing: int
    message: str


def patterns(seed: int) -> dict[str, Pattern]:
    """Full rate, gaps in the input, back-pressure, both, and an output long not taken."""
    rng = np.random.default_rng(seed)
    always = np.ones(1, np.uint8)
    gaps, refusals = (rng.integers(0, 2, n, np.uint8) for n in _LENGTHS)
    return {
        "full rate": Pattern(always, always),
        "gaps": Pattern(gaps, always),
        "back-pressure": Pattern(always, refusals),
        "gaps and back-pressure": Pattern(gaps, refusals),
        "stalled": Pattern(always, np.repeat(np.array([0, 1], np.uint8), STALL)),
    }


def judge(expected: Expected, observed: dict[str, Observed]) -> Verdict:
    """Every pattern's words against golden, and its timing against the unit's contract."""
    wrong = {name: _wrong_words(expected.outputs, run.outputs) for name, run in observed.items()}
    problems = []
    bad = [name for name, words in wrong.items() if words]
    if bad:
        first = bad[0]
        text = _describe(expected, observed[first], wrong[first], first)
        others = f" (and under {', '.join(bad[1:])})" if bad[1:] else ""
        problems.append(f"{first}: {text}{others}")
    for name, run in observed.items():
        problems += [f"{name}: {text}" for text in _broken_rules(expected, run)]
    if "full rate" in observed:
        problems += _broken_timing(expected, observed)
    compared = sum(max(len(expected.outputs), len(run.outputs)) for run in observed.values())
    return Verdict(compared, sum(map(len, wrong.values())), "; ".join(problems))


def _wrong_words(expected: Sequence[int], got: Sequence[int]) -> list[int]:
    """Indices of words that differ, are missing, or are too many."""
    both = min(len(expected), len(got))
    wrong = [n for n in range(both) if expected[n] != got[n]]
    return wrong + list(range(both, max(len(expected), len(got))))


def _describe(expected: Expected, seen: Observed, wrong: list[int], pattern: str) -> str:
    """The first wrong word: which, for what input, what it is and should be, and when."""
    n = wrong[0]
    text = f"{len(wrong)} of {len(expected.outputs)} words differ; word {n}: "
    source = n
    if len(expected.inputs) != len(expected.outputs):  # several beats a word: tell by the cycle
        known = pattern == "full rate" and n < len(seen.taken_at) and not expected.waits
        source = (seen.taken_at[n] - expected.latency) // expected.interval if known else -1
    if 0 <= source < len(expected.inputs):
        text += f"input {expected.show_input(expected.inputs[source])}, "
    if n >= len(expected.outputs):
        return text + f"expected no more, got {expected.show_output(seen.outputs[n])}"
    text += f"expected {expected.show_output(expected.outputs[n])}, "
    if n >= len(seen.outputs):
        return text + f"got nothing in {seen.cycles} cycles"
    return text + f"got {expected.show_output(seen.outputs[n])} in cycle {seen.taken_at[n]}"


def _broken_rules(expected: Expected, seen: Observed) -> list[str]:
    """What holds in every traffic pattern."""
    problems = []
    if seen.accepted != len(expected.inputs):
        problems.append(f"{seen.accepted} of {len(expected.inputs)} inputs were accepted")
    if seen.unstable >= 0:
        problems.append(f"a word not yet taken changed in cycle {seen.unstable}")
    return problems


def _broken_timing(expected: Expected, observed: dict[str, Observed]) -> list[str]:
    """Inputs as fast as the unit says, the last output as late, valid before ready."""
    problems = []
    full, count = observed["full rate"], len(expected.inputs)
    last = (count - 1) * expected.interval + expected.waits
    if full.last_accepted != last:
        problems.append(f"{count} inputs took {full.last_accepted + 1} cycles, not {last + 1}")
    measured = full.taken_at[-1] - full.last_accepted if full.taken_at else -1
    if measured != expected.latency:
        problems.append(f"latency {measured}, not {expected.latency}")
    stalled = observed.get("stalled", full)
    if stalled.first_valid != full.first_valid:
        problems.append(
            f"valid waits for ready: first in cycle {stalled.first_valid}, not {full.first_valid}"
        )
    return problems
