"""What the tests of the rtl units share: payloads through Amaranth's simulator, judged exactly."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from golden.activation import PwlSpec
from rtl.emit import verilog_text
from rtl.pipeline import Pipeline
from rtl.units.unit import Unit, Vectors, pack, unpack
from sim import pysim
from sim.native import NativeUnit, build_native, observed, to_words
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
        component.INTERVAL,
        show_input=lambda word: unpack(i_shape, word),
        show_output=lambda word: unpack(o_shape, word),
    )
    runs = {name: pysim.run(component, words, len(outputs), patterns(0)[name]) for name in traffic}
    return judge(given, runs).message


def as_unit(
    name: str, build: Callable[[], Pipeline], inputs: list[int], outputs: list[int]
) -> Unit:
    """A unit outside the registry, to be checked natively."""
    return Unit(name, name, build, lambda seed: Vectors(inputs, outputs))


def natively(component: Pipeline, tables: Sequence[Vectors]) -> str:
    """What is wrong over all tables, each from reset, at full rate and with stalls; else empty."""
    library = NativeUnit(build_native("pwl-test", verilog_text(component, "unit"), "unit"))
    problems = []
    for number, given in enumerate(tables):
        words = to_words(given.inputs, library.input_bytes)
        expected = Expected(given.inputs, given.outputs, component.LATENCY)
        runs = {
            name: observed(library.run(words, len(given.outputs), p.offer, p.take))
            for name, p in patterns(number).items()
            if name in ("full rate", "gaps and back-pressure")
        }
        message = judge(expected, runs).message
        problems += [f"table {number}: {message}"] if message else []
    return "; ".join(problems[:5])


def reference_pwl() -> list[tuple[str, PwlSpec, list[int]]]:
    """Name, spec and codes of the reference cases of 8 bits; their knots include the last code."""
    return [
        (
            f"{c['function']}-{c['pieces']}",
            PwlSpec(
                tuple(c["knots"][:-1]),
                tuple(c["slopes"]),
                tuple(c["intercepts"]),
                c["shift"],
                c["out_zero_point"],
                c["in_bits"],
                c["out_bits"],
            ),
            c["result"],
        )
        for c in reference("pwl")
        if c["in_bits"] == 8
    ]
