"""Whole networks on the executor: against the plain definitions, in batches of unequal lengths."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from models import variant
from networks import NETWORKS
from plain import Counts, interpret

from golden.executor import Executor
from golden.feed import Feed
from golden.model import IntModel
from golden.operations import Minimum, Slice, State, stepwise
from golden.partition import hidden, parts
from golden.zoo import lstm
from irnn_hw.quant.network import run
from irnn_hw.quant.quantize import Choices, parameters, quantize

SHORT = [name for name in NETWORKS if "16 bits" not in name]


@cache
def made(name, pieces=8):
    """The integer model and its feeds. pieces: of each activation; None: look-up tables."""
    network, feeds = NETWORKS[name]()
    ranges = {n: (low / 2, high / 2) for n, (low, high) in run(network, feeds).ranges.items()}
    choices = Choices(pieces={"": pieces}, method="greedy")
    taken = quantize(network, parameters(network, ranges), choices)  # half the range: clamps
    return taken.model, {name: taken.feed(feed) for name, feed in feeds.items()}


def batch_of(feeds) -> int:
    (feed, *_) = feeds.values()
    return len(feed.tokens if feed.tokens is not None else next(iter(feed.inputs.values())))


def one(feed: Feed, n: int) -> Feed:
    """Sequence n of a feed, without its padding."""
    end = None if feed.lengths is None else feed.lengths[n]
    tokens = None if feed.tokens is None else feed.tokens[n : n + 1, :end]
    return Feed(tokens, {name: x[n : n + 1, :end] for name, x in feed.inputs.items()})


def counts(executor: Executor) -> Counts:
    return {name: (c.clamped, c.seen) for name, c in executor.clamps.items()}


def added(counted: list[Counts]) -> Counts:
    """The counts of several runs in one."""
    pairs = {name: zip(*(clamps[name] for clamps in counted), strict=True) for name in counted[0]}
    return {name: (sum(clamped), sum(seen)) for name, (clamped, seen) in pairs.items()}


@pytest.mark.parametrize("name", SHORT)
def test_every_tensor_and_clamp_is_that_of_the_definitions(name):
    """Sequence by sequence, operation by operation, without a plan, a part or a table."""
    model, feeds = made(name)
    batch, kept = batch_of(feeds), [n for op in model.operations for n in stepwise(op)]
    executor = Executor(model, batch, kept)
    found = executor.run(feeds)
    counted = []
    for n in range(batch):
        values, clamps = interpret(model, {key: one(feed, n) for key, feed in feeds.items()})
        counted.append(clamps)
        for tensor, codes in found.items():
            assert np.array_equal(codes[n, : len(values[tensor])], values[tensor]), tensor
    assert counts(executor) == added(counted)
    assert sum(c.clamped for c in executor.clamps.values()) > 0


@pytest.mark.parametrize("name", SHORT)
def test_outputs_alone_and_clamps_are_the_same(name):
    """Where nothing else is kept, sums and their activations are one table."""
    model, feeds = made(name)
    kept = [n for op in model.operations for n in stepwise(op)]
    plain, fused = Executor(model, batch_of(feeds), kept), Executor(model, batch_of(feeds))
    expected, found = plain.run(feeds), fused.run(feeds)
    assert found.keys() == {output.tensor for output in model.outputs}
    assert all(np.array_equal(found[key], expected[key]) for key in found)
    assert counts(plain) == counts(fused)


def with_views(model: IntModel, state: str) -> IntModel:
    """The model, which also looks at a part of a state, at a part of that, and at the state one
    step and two steps late."""
    whole = model.tensors[state]
    lengths = {"part": 5, "part.part": 2, "late": whole.length, "later": whole.length}
    views = {name: replace(whole, name=name, length=n) for name, n in lengths.items()}
    slices = Slice("part", (state,), 1), Slice("part.part", ("part",), 3)
    states = State("later", "late"), *model.states, State("late", state)
    operations = (*slices, *model.operations)
    return variant(model, tensors={**model.tensors, **views}, operations=operations, states=states)


def held(model: IntModel, values: dict[str, np.ndarray], name: str) -> np.ndarray:
    """(T, length) of a tensor of one scan; a state's: what it holds through each step."""
    source = next((s.source for s in model.states if s.name == name), None)
    if source is None:
        return values[name]
    tensor, before = model.tensors[name], held(model, values, source)[:-1]
    return np.concatenate([np.full((1, tensor.length), tensor.zero_point), before])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("sizes", [(6, 5, 8), (40, 64, 30), (3, 1, 6)])
def test_every_tensor_of_every_step(batch, sizes):
    """In a run, and after each step, when states hold what the next one will read."""
    model = with_views(lstm(sum(sizes), *sizes), "h")
    tokens = np.random.default_rng(batch).integers(0, sizes[0], (batch, 25))
    whole = Executor(model, batch, keep=model.tensors).run(tokens)
    executor, steps = Executor(model, batch, keep=model.tensors), []
    for t in range(25):
        output = executor.step(tokens[:, t])
        steps.append(dict(executor.tensors))
        assert np.array_equal(output, steps[t][model.output])
    assert whole.keys() == steps[0].keys() == model.tensors.keys()
    counted, sources = [], {s.name: s.source for s in model.states}
    for n, row in enumerate(tokens):
        values, clamps = interpret(model, {"text": Feed(row[np.newaxis])})
        counted.append(clamps)
        for name in model.tensors:
            assert np.array_equal(whole[name][n], held(model, values, name)), name
            after = held(model, values, sources.get(name, name))
            assert np.array_equal([step[name][n] for step in steps], after), name
    assert counts(executor) == added(counted)
    assert sum(c.clamped for c in executor.clamps.values()) > 0


def test_there_is_something_to_fuse():
    model, _ = made("LSTM")
    (scan,) = model.scans
    sums = {"l.i.pre", "l.f.pre", "l.j.pre", "l.o.pre"}
    assert hidden(scan, model.tensors, {"l.c.next"}) == sums
    assert hidden(scan, model.tensors, {"l.c.next", "l.i.pre"}) == sums - {"l.i.pre"}
    twice = replace(scan, operations=(*scan.operations, Minimum("both", ("l.i.pre", "l.f.pre"))))
    tensors = {**model.tensors, "both": model.tensors["l.i.pre"]}
    assert hidden(twice, tensors, {"l.c.next"}) == {"l.j.pre", "l.o.pre"}


def test_a_scan_is_cut_around_its_recurrence():
    (scan,) = made("LSTM")[0].scans
    before, loop, after = (
        [op.output for op in part] for part in parts(scan, {"l.h.next", "l.c.next"})
    )
    assert before == ["x", "l.px"]
    assert "l.px.i" in loop
    assert "l.ph" in loop
    assert loop[-1] == "l.h.next"
    assert after == ["logits"]


@pytest.mark.parametrize("name", ["LSTM", "Mogrifier, mixture of softmaxes", "GRU"])
def test_steps_and_pieces_of_a_run_are_the_run(name):
    model, feeds = made(name)
    tokens = feeds["text"].tokens
    whole = Executor(model, len(tokens)).run(tokens)[model.output]
    executor, pieces = Executor(model, len(tokens)), Executor(model, len(tokens))
    steps = [executor.step(tokens[:, t]) for t in range(tokens.shape[1])]
    assert np.array_equal(np.stack(steps, axis=1), whole)
    found = [pieces.run(tokens[:, a:b])[model.output] for a, b in ((0, 1), (1, 14), (14, 25))]
    assert np.array_equal(np.concatenate(found, axis=1), whole)


def test_a_long_run_is_cut_into_chunks_of_equal_length():
    """More rows than a chunk holds, and a last chunk that is not full."""
    model, _ = made("LSTM")
    tokens = np.random.default_rng(3).integers(0, 20, (3, 701))
    seen, executor = [], Executor(model, 3)
    whole = executor.run(tokens, seen.append)["logits"]
    assert seen == [234, 468, 701]
    stepper = Executor(model, 3)
    assert all(np.array_equal(stepper.step(tokens[:, t]), whole[:, t]) for t in range(701))
    assert counts(executor) == counts(stepper)


def test_a_decoder_steps_while_its_encoder_rests():
    model, feeds = made("encoder-decoder")
    whole = Executor(model, 5).run(feeds)["logits"]
    executor = Executor(model, 5)
    assert executor.run({"speech": feeds["speech"]}) == {}
    for t in range(feeds["text"].tokens.shape[1]):
        logits = executor.step(feeds["text"].tokens[:, t])
        live = t < feeds["text"].lengths
        assert np.array_equal(logits[live], whole[live, t])
    executor.reset()
    with pytest.raises(ValueError, match=r"^feeds: sequence speech is attended to; run it first$"):
        executor.step(0)


def test_an_encoder_that_is_read_anew_is_attended_anew():
    model, feeds = made("encoder-decoder")
    features = feeds["speech"].inputs["features"][::-1].copy()
    other = Feed(None, {"features": features}, feeds["speech"].lengths[::-1].copy())
    executor, alone = Executor(model, 5), Executor(model, 5)
    executor.run({"speech": feeds["speech"]})
    executor.step(3)
    alone.run({"speech": other})
    executor.reset()
    executor.run({"speech": other})
    assert np.array_equal(executor.step(3), alone.step(3))
    executor.run({"speech": feeds["speech"]})  # without a reset: the memory still is the new one
    alone.run({"speech": feeds["speech"]})
    assert np.array_equal(executor.step(4), alone.step(4))


def test_a_run_goes_on_forward_and_begins_anew_in_reverse():
    model, feeds = made("encoder-decoder")
    sides = "e0.forward.h.next", "e0.backward.h.next"
    executor = Executor(model, 5, sides)
    first, second = (executor.run({"speech": feeds["speech"]}) for _ in range(2))
    for n, length in enumerate(feeds["speech"].lengths):
        forward, backward = (
            np.array_equal(first[side][n, :length], second[side][n, :length]) for side in sides
        )
        assert (forward, backward) == (False, True)


def test_a_state_stays_where_its_sequence_ended():
    model, feeds = made("LSTM")
    tokens, lengths = feeds["text"].tokens, np.array([25, 1, 7, 12, 3, 24])
    executor = Executor(model, 6)
    executor.run(Feed(tokens, lengths=lengths))
    for n, length in enumerate(lengths):
        alone = Executor(model)
        alone.run(tokens[n : n + 1, :length])
        for state in ("l.h", "l.c"):
            assert np.array_equal(executor.tensors[state][n], alone.tensors[state][0])


def test_no_steps_at_all():
    model, _ = made("LSTM")
    executor = Executor(model, 2)
    assert executor.run(np.zeros((2, 0), int))["logits"].shape == (2, 0, 20)
    assert set(executor.tensors) == {"l.h", "l.c"}


@pytest.mark.parametrize(
    ("keep", "message"),
    [(["nobody"], "nobody"), (["context.total"], "context.total"), (["context.exp"], "context")],
)
def test_what_has_no_value_a_step_is_not_kept(keep, message):
    model, _ = made("encoder-decoder")
    with pytest.raises(
        ValueError, match=rf"^keep: no tensor {message}.* that has one value a step$"
    ):
        Executor(model, 5, keep)
