"""The engine's recurrences against the executor: every tensor of every step, to the bit."""

import re
from pathlib import Path

import numpy as np
import pytest
from networks import NETWORKS
from test_golden_walk import batch_of, made

from golden.executor import Executor
from golden.feed import Feeder
from golden.operations import stepwise
from golden.partition import imports, parts
from irnn_hw.engine import tape as tape_module
from irnn_hw.engine.integers import integer_lines, load_integers
from irnn_hw.engine.tape import Code, Tape


def recurrences(model):
    """Each scan whose recurrence a tape can hold: that part of it, and what it reads."""
    for scan in model.scans:
        loop = parts(scan, {name for op in scan.operations for name in stepwise(op)})[1]
        if scan.states and integer_lines(loop, model) is not None:
            own = {s.name for s in scan.states} | {n for op in loop for n in stepwise(op)}
            reads = dict.fromkeys([*imports(loop), *(s.source for s in scan.states)])
            yield scan, loop, [name for name in reads if name not in own]


def test_codes_are_those_of_the_header():
    header = Path(tape_module.__file__).with_name("tape.h").read_text()
    (names,) = re.findall(r"^enum Code : int64_t \{\n(.*?)^\};", header, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^    (\w+),", names, re.MULTILINE) == [code.name for code in Code]
    assert [code.value for code in Code] == list(range(len(Code)))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_code_is_that_of_the_executor(name):
    model, feeds = made(name)
    batch = batch_of(feeds)
    names = [n for op in model.operations for n in stepwise(op)]
    codes = Executor(model, batch, keep=names).run(feeds)
    sequences = Feeder(model, batch).checked(feeds)
    found = list(recurrences(model))
    assert found
    for scan, loop, fed in found:
        sequence = sequences[scan.sequence]
        lengths = {name: t.length for name, t in model.tensors.items()}
        states = [(s.name, s.source) for s in scan.states]
        lines = integer_lines(loop, model)
        tape = Tape(lines, lengths, states, fed, sequence.steps, batch)
        load_integers(tape, model)

        def ordered(tensor, scan=scan, sequence=sequence):
            """Centred codes (T, batch, length) in the order of the walk."""
            trace = codes[tensor].swapaxes(0, 1) - model.tensors[tensor].zero_point
            return sequence.flipped(trace) if scan.reverse else trace

        for tensor in fed:
            tape.values[tensor][:] = ordered(tensor)
        live = sequence.live
        tape.forward(None if live is None else live.astype(np.uint8))
        counts = np.s_[:] if live is None else live
        for tensor in (n for op in loop for n in stepwise(op)):
            np.testing.assert_array_equal(
                tape.values[tensor][counts], ordered(tensor)[counts], tensor
            )
