"""Units on the native driver with whole numpy columns: exhaustive runs, and any INTERVAL."""

from collections.abc import Mapping

import numpy as np
from amaranth.hdl import Shape

from golden.fixed import Int64
from rtl.emit import verilog_text
from rtl.pipeline import Pipeline
from sim.native import NativeRun, NativeUnit, Words, build_native
from sim.streams import Pattern, patterns


def load(component: Pipeline) -> NativeUnit:
    """The unit, built once for each content."""
    return NativeUnit(build_native("unit", verilog_text(component, "unit"), "unit"))


def packed(component: Pipeline, columns: Mapping[str, object], width: int) -> Words:
    """Payloads of `width` bytes; each column an array, or one value for all rows."""
    values = np.broadcast_arrays(*(np.asarray(c, np.int64) for c in columns.values()))
    named = dict(zip(columns, values, strict=True))
    bits = np.zeros((len(values[0]), 8 * width), np.uint8)
    for name, field in component.i.payload.shape():
        column, size = named[name][:, np.newaxis], Shape.cast(field.shape).width
        bits[:, field.offset : field.offset + size] = column >> np.arange(size) & 1
    return np.packbits(bits, axis=1, bitorder="little")


def numbers(run: NativeRun, component: Pipeline) -> Int64:
    """The outputs as integers."""
    shape = Shape.cast(component.o.payload.shape())
    weights = np.int64(1) << (8 * np.arange(run.outputs.shape[1]))
    words: Int64 = (run.outputs.astype(np.int64) * weights).sum(axis=1)
    return np.where(shape.signed & (words >> (shape.width - 1)), words - (1 << shape.width), words)


def broken_rules(run: NativeRun, words: int, room: int) -> list[str]:
    """What any pattern of traffic must leave whole."""
    problems = []
    if run.report["accepted"] != words:
        problems.append(f"{run.report['accepted']} of {words} inputs were accepted")
    if len(run.outputs) != room or run.surplus:
        problems.append(f"{len(run.outputs) + run.surplus} outputs, not {room}")
    if run.report["unstable"] >= 0:
        problems.append(f"a word not yet taken changed in cycle {run.report['unstable']}")
    return problems


def every_pattern(unit: NativeUnit, words: Words, room: int) -> dict[str, NativeRun]:
    """A run under each pattern of traffic, its rules checked."""
    runs = {name: run_under(unit, words, room, pattern) for name, pattern in patterns(0).items()}
    assert runs["stalled"].report["first_valid"] == runs["full rate"].report["first_valid"]
    return runs


def run_under(unit: NativeUnit, words: Words, room: int, pattern: Pattern) -> NativeRun:
    run = unit.run(words, room, pattern.offer, pattern.take)
    assert broken_rules(run, len(words), room) == []
    return run


def full_rate(unit: NativeUnit, words: Words, room: int) -> NativeRun:
    return run_under(unit, words, room, patterns(0)["full rate"])
