"""irnn_hw.qat.compiled: the codes of torch to the bit, and its gradients."""

from dataclasses import replace

import pytest
import torch
from networks import NETWORKS
from qat_networks import dropping, made

from irnn_hw.qat.batch import Batch
from irnn_hw.qat.compiled import available
from irnn_hw.qat.integer import integer
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.real import real
from irnn_hw.quant.quantize import Choices

TAPES = available()


def gradients(masters, run):
    """Of a random sum of what a run yields, its last states among it."""
    generator = torch.Generator().manual_seed(1)
    yielded = [*run.traces.values(), *run.states.values()]
    loss = sum((x.double() * torch.randn(x.shape, generator=generator)).sum() for x in yielded)
    for parameter in masters.values():
        parameter.grad = None
    loss.backward()
    return {name: p.grad.clone() for name, p in masters.items() if p.grad is not None}


def agree(found, expected, tolerance):
    """Gradients differ by the order of sums alone."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        largest = gradient.abs().max()
        assert (found[name] - gradient).abs().max() <= tolerance * largest, name


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_those_of_torch_and_so_are_gradients(name):
    masters, feeds, ranges, pwls = made(name)
    runs, grads = [], []
    for tapes in (None, TAPES, TAPES):  # the second time with the first one's arrays
        taken = integer(
            masters, ranges, Choices(pieces={"": None}), None, activations=pwls, tapes=tapes
        )
        run = taken.run({key: taken.feed(feed) for key, feed in feeds.items()})
        runs.append(run)
        grads.append(gradients(masters, run))
    for run, found in zip(runs[1:], grads[1:], strict=True):
        for expected, traces in ((runs[0].traces, run.traces), (runs[0].states, run.states)):
            assert expected.keys() == traces.keys()
            assert all(torch.equal(traces[key], x) for key, x in expected.items())
        agree(found, grads[0], 1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_real_numbers_are_near_those_of_torch(name):
    template, feeds, _, _ = made(name)
    masters = Masters(template.template)
    batches = {key: Batch.of(feed) for key, feed in feeds.items()}
    expected, found = (real(masters, tapes=tapes).run(batches) for tapes in (None, TAPES))
    for key, x in expected.traces.items():
        torch.testing.assert_close(found.traces[key], x, atol=1e-4, rtol=1e-4)
    agree(gradients(masters, found), gradients(masters, expected), 1e-3)


def second_window(model, batches):
    """What a window yields that goes on from the same one."""
    states = model.run(batches).states
    return model.run(batches, {name: x.detach() for name, x in states.items()})


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_with_dropout_are_those_of_torch(name):
    masters, feeds, ranges, pwls, kept = dropping(name)
    runs, grads = [], []
    for tapes in (None, TAPES):
        taken = integer(
            masters, ranges, Choices(pieces={"": None}), None, True, activations=pwls, tapes=tapes
        )
        codes = {key: replace(taken.feed(feed), kept=kept[key]) for key, feed in feeds.items()}
        runs.append(second_window(taken, codes))
        grads.append(gradients(masters, runs[-1]))
    assert all(torch.equal(runs[1].traces[key], x) for key, x in runs[0].traces.items())
    agree(grads[1], grads[0], 1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_real_numbers_with_dropout_are_near_those_of_torch(name):
    masters, feeds, _, _, kept = dropping(name)
    batches = {key: replace(Batch.of(feed), kept=kept[key]) for key, feed in feeds.items()}
    expected, found = (
        second_window(real(masters, dropping=True, tapes=tapes), batches) for tapes in (None, TAPES)
    )
    for key, x in expected.traces.items():
        torch.testing.assert_close(found.traces[key], x, atol=1e-4, rtol=1e-4)
    agree(gradients(masters, found), gradients(masters, expected), 1e-3)


def test_some_recurrences_of_every_network_are_compiled():
    assert TAPES is not None
    for name in NETWORKS:
        masters, _, _, _ = made(name)
        walks = real(masters, tapes=TAPES).walks
        assert any(walk.compiled is not None for walk in walks), name
