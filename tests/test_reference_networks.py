"""Networks read from their file and run in exact rational arithmetic: every tensor, every step."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import every_operation
import numpy as np
import pytest
from models import variant
from networks import NETWORKS
from reference_network import PARTS, Network, Step, read, run
from test_golden_walk import batch_of, made, one, with_views

from golden.container import pack
from golden.executor import Executor
from golden.feed import Feed
from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.operations import (
    OPERATIONS,
    Attend,
    Embedding,
    Input,
    Multiply,
    Operation,
    Output,
    stepwise,
    written,
)
from golden.stimulus import mixed
from golden.weights import FORMATS

TESTS = Path(__file__).parent

Feeds = dict[str, Feed]
Traces = dict[str, list[np.ndarray]]


def viewed() -> tuple[IntModel, Feeds]:
    model, feeds = made("LSTM")
    return with_views(model, "l.h"), feeds


def read_twice() -> tuple[IntModel, Feeds]:
    """The sums before two gates are read by more than their activations."""
    model, feeds = made("LSTM")
    tensors = {**model.tensors, "both": replace(model.tensors["l.ij"], name="both")}
    both = Multiply("both", ("l.i.pre", "l.f.pre"), FixedPoint(40000, 22))
    model = variant(model, tensors=tensors, operations=(*model.operations, both))
    return replace(model, outputs=(*model.outputs, Output("both", FixedPoint(1, 0)))), feeds


def every() -> tuple[IntModel, Feeds]:
    return every_operation.MODEL, random_feeds(every_operation.MODEL, 1, 9, 40)


def attending_twice_more() -> tuple[IntModel, Feeds]:
    """By a query of no state, and by one of the new state; no state depends on either context."""
    model = with_attention(with_attention(every_operation.MODEL, "x"), "s.next")
    return model, random_feeds(model, 2, 9, 40)


def with_attention(model: IntModel, source: str) -> IntModel:
    """The model of every operation, which also yields the context of a query of `source`."""
    *scans, decoder = model.scans
    operations = {op.output: op for op in decoder.operations}
    own = {name: f"{source}.{name}" for name in ("query", *written(operations["context"]))}

    def copied(op: Operation) -> Operation:
        inputs = tuple(own.get(name, name) for name in op.inputs)
        parts = {name: copied(getattr(op, name)) for name in PARTS if isinstance(op, Attend)}
        return replace(op, output=own[op.output], inputs=inputs, **parts)

    query, attention = (copied(operations[name]) for name in ("query", "context"))
    added = replace(query, inputs=(source,)), attention
    tensors = {own[name]: replace(model.tensors[name], name=own[name]) for name in own}
    return replace(
        model,
        tensors={**model.tensors, **tensors},
        scans=(*scans, replace(decoder, operations=(*decoder.operations, *added))),
        outputs=(*model.outputs, Output(own["context"], FixedPoint(1, 7))),
    )


CASES: dict[str, Callable[[], tuple[IntModel, Feeds]]] = {
    **{name: lambda name=name: made(name) for name in NETWORKS},
    "LSTM, look-up tables": lambda: made("LSTM", None),
    "LSTM, views of its state": viewed,
    "LSTM, sums read twice": read_twice,
    "every operation": every,
    "attention apart from the state": attending_twice_more,
}


def random_feeds(model: IntModel, seed: int, batch: int, steps: int) -> Feeds:
    """Symbols, and codes with corners among them, of sequences of 1 to `steps` steps."""
    rng, feeds = np.random.default_rng(seed), {}
    for name in dict.fromkeys(scan.sequence for scan in model.scans):
        operations = [op for scan in model.scans if scan.sequence == name for op in scan.operations]
        symbols = [len(op.table) for op in operations if isinstance(op, Embedding)]
        tokens = rng.integers(min(symbols), size=(batch, steps)) if symbols else None
        inputs = {}
        for t in (model.tensors[op.output] for op in operations if isinstance(op, Input)):
            codes = mixed(rng, 0, (1 << t.bits) - 1, batch * steps * t.length)
            inputs[t.name] = codes.reshape(batch, steps, t.length)
        lengths = [1, steps, *rng.integers(1, steps, batch - 2, endpoint=True)]
        feeds[name] = Feed(tokens, inputs, rng.permutation(lengths))
    return feeds


def steps_of(feed: Feed) -> list[Step]:
    """Those of a feed of one sequence."""
    inputs = {name: codes[0].tolist() for name, codes in feed.inputs.items()}
    if feed.tokens is None:
        symbols = [None] * len(next(iter(inputs.values())))
    else:
        symbols = feed.tokens[0].tolist()
    return [Step(q, {name: x[t] for name, x in inputs.items()}) for t, q in enumerate(symbols)]


def walked(network: Network, feeds: Feeds) -> Traces:
    """Of every tensor, sequence after sequence: (T, length); within attention a row of these for
    each encoder step."""
    traces = defaultdict(list)
    for n in range(batch_of(feeds)):
        alone = {name: steps_of(one(feed, n)) for name, feed in feeds.items()}
        for steps in run(network, alone).values():
            for name in steps[0]:
                traces[name].append(np.array([values[name] for values in steps]))
    return traces


def values_in(model: IntModel, feeds: Feeds) -> int:
    """How many codes and accumulators a run has, those within attention apart."""
    total = 0
    for scan in model.scans:
        feed = feeds[scan.sequence]
        steps = np.size(feed.tokens) if feed.lengths is None else np.sum(feed.lengths)
        names = [s.name for s in scan.states] + [n for op in scan.operations for n in stepwise(op)]
        total += steps * sum(model.tensors[name].length for name in names)
    return total


def agree(model: IntModel, traces: Traces, feeds: Feeds) -> int:
    """How many values were compared, all of them equal: of every tensor, kept, and of the outputs
    where nothing else is kept. Within attention: how many there are, smallest and largest."""
    batch, attentions = batch_of(feeds), [op for op in model.operations if isinstance(op, Attend)]
    inner = {part.output for op in attentions for part in op.parts}
    kept, alone = Executor(model, batch, traces.keys() - inner), Executor(model, batch)
    found, outputs = kept.run(feeds), alone.run(feeds)
    for name, codes in (*found.items(), *outputs.items()):
        for n, expected in enumerate(traces[name]):
            assert np.array_equal(codes[n, : len(expected)], expected), (name, n)
    for name, count in kept.clamps.items():
        codes = np.concatenate([trace.ravel() for trace in traces[name]])
        assert count.seen == len(codes), name
        if name in inner:
            assert (count.low, count.high) == (codes.min(), codes.max()), name
    assert sum(count.clamped for count in kept.clamps.values()) > 0
    return sum(trace.size for name in found for trace in traces[name])


def saved(model: IntModel, path: Path) -> tuple[IntModel, Network]:
    """What golden and the reference read from the same file."""
    model.save(path)
    return IntModel.load(path), read(path.read_bytes())


@pytest.mark.parametrize("case", CASES)
def test_every_tensor_of_every_step(case, tmp_path):
    model, feeds = CASES[case]()
    loaded, network = saved(model, tmp_path / "m.irnn")
    scales = [[o.tensor, [o.scale.mantissa, o.scale.shift]] for o in model.outputs]
    assert network.outputs == scales
    assert agree(loaded, walked(network, feeds), feeds) == values_in(model, feeds) > 15_000


@pytest.mark.parametrize(
    ("batch", "steps", "least"),
    [(4, 12, 2000), pytest.param(16, 70, 50_000, marks=pytest.mark.slow)],
    ids=["short", "long"],
)
@pytest.mark.parametrize("case", CASES)
def test_random_feeds_of_unequal_lengths(case, batch, steps, least, tmp_path):
    model, _ = CASES[case]()
    feeds = random_feeds(model, steps, batch, steps)
    loaded, network = saved(model, tmp_path / "m.irnn")
    assert agree(loaded, walked(network, feeds), feeds) == values_in(model, feeds) > least


def test_every_operation_and_format_is_in_some_file():
    networks = [read(CASES[case]()[0].to_bytes()) for case in CASES]
    operations = [op for net in networks for scan in net.scans for op in scan["operations"]]
    assert {op["op"] for op in operations} == OPERATIONS.keys()
    products = [op for op in operations if op["op"] == "matvec"]
    assert {op["weight_format"] for op in products} == {None, *FORMATS}
    assert {type(op["multiplier"] and op["multiplier"][0]) for op in products} == {
        type(None), int, list
    }  # fmt: skip
    assert {scan["reverse"] for net in networks for scan in net.scans} == {False, True}


DATA = every_operation.MODEL.to_bytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"IRNM" + DATA[4:], "magic b'IRNM', version 2, kind model"),
        (DATA[:4] + b"\x03" + DATA[5:], "magic b'IRNN', version 3, kind model"),
        (pack("program", {}, {}), "magic b'IRNN', version 2, kind program"),
        (DATA[:-40] + bytes([DATA[-40] ^ 1]) + DATA[-39:], "the digest differs"),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), "the digest differs"),
    ],
)
def test_another_file_is_refused_by_the_reference(data, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        read(data)


def test_the_reference_shares_no_code_with_what_it_checks():
    program = "import reference_network, sys; print(*{m.split('.')[0] for m in sys.modules})"
    python = [sys.executable, "-c", program]
    done = subprocess.run(python, cwd=TESTS, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert {"reference", "fractions"} <= imported
    assert not imported & {"golden", "irnn_hw", "rtl", "sim", "numpy"}
