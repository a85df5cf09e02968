"""What the tests of the rtl units share: payloads through Amaranth's simulator, judged exactly."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rtl.pipeline import Pipeline
from rtl.units import Unit, Vectors, pack, unpack
from sim import pysim
from sim.streams import Expected, judge, patterns

VECTORS = Path(__file__).parent / "vectors"


def reference(name: str) -> list:
    """The cases of tests/vectors, made outside this project."""
    return json.loads((VECTORS / f"{name}.json").read_text())["cases"]


def complaints(
    component: Pipeline,
    inputs: Iterable[int | Mapping[str, object]],
    outputs: Sequence[int],
    traffic: Sequence[str] = ("full rate", "gaps and back-pressure"),
) -> str:
    """What is wrong with the unit's answers and timing; empty when nothing is."""
    i_shape, o_shape = component.i.payload.shape(), component.o.payload.shape()
    words = [pack(i_shape, value) for value in inputs]
    assert len(words) >= len(outputs) > 0
    given = Expected(
        words,
        outputs,
        component.LATENCY,
        lambda word: unpack(i_shape, word),
        lambda word: unpack(o_shape, word),
    )
    runs = {name: pysim.run(component, words, len(outputs), patterns(0)[name]) for name in traffic}
    return judge(given, runs).message


def as_unit(
    name: str, build: Callable[[], Pipeline], inputs: list[int], outputs: list[int]
) -> Unit:
    """A unit outside the registry, to be checked natively."""
    return Unit(name, name, build, lambda seed: Vectors(inputs, outputs))
