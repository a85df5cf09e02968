"""The training module in evaluation against the golden model, value by value."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from golden.errors import InputError
from golden.executor import Executor
from golden.fixed import Int64
from golden.model import IntModel
from golden.operations import stepwise
from irnn_hw.qat.integer import Integer, Twin
from irnn_hw.qat.phases import threads
from irnn_hw.qat.restored import restore
from irnn_hw.stats import Feeds, live_steps

Counts = dict[str, list[int]]  # values compared and values that differ, by tensor
Count = tuple[str, int]  # a tensor, and 0 of what was compared or 1 of what differed


@torch.no_grad()
def compare_with_module(
    model: IntModel,
    path: Path,
    parts: Iterable[Feeds],
    every: bool = False,
    progress: Callable[[int], None] | None = None,
    fresh: bool = False,
) -> Counts:
    """Outputs, or every tensor that has a value a step, of the module of the checkpoint at `path`
    against those of the model.

    parts: feeds with real inputs, which go on one from another, or, fresh, each start anew.
    progress: called with the parts done. Raises InputError for a model of other tensors, or a
    checkpoint without quantized weights.
    """
    restored = restore(path, "lut")
    tensors = _tensors(model) if every else [o.tensor for o in model.outputs]
    counts, executor, states = Counter[Count](), None, None
    with threads(restored.config.threads):
        module = restored.integer(tensors if every else ())
        _check_same(model, module)
        for n, feeds in enumerate(parts):
            codes = {name: module.taken.feed(feed) for name, feed in feeds.items()}
            batches = {name: module.twin.feed(feed) for name, feed in codes.items()}
            if executor is None or fresh:
                states = None
                executor = Executor(model, next(iter(batches.values())).shape[1], tensors)
            expected, found = executor.run(codes), module.run(batches, states)
            states = found.states
            for name, golden in expected.items():
                ours = module.twin.codes(name, found.traces[name])
                counts.update(_compared(name, golden, ours, live_steps(model, name, feeds, golden)))
            if progress is not None:
                progress(n + 1)
    return {name: [counts[name, 0], counts[name, 1]] for name in tensors}


def _tensors(model: IntModel) -> list[str]:
    return [name for op in model.operations for name in stepwise(op)]


def _check_same(model: IntModel, module: Integer) -> None:
    """Raises InputError where the tensors of the two are not the same."""
    theirs: Twin = module.twin
    for name in sorted(model.tensors.keys() ^ theirs.model.tensors.keys()):
        raise InputError(f"model: tensor {name} is in it or in the checkpoint alone; export again")
    for name, tensor in model.tensors.items():
        other = theirs.model.tensors[name]
        if (tensor.length, tensor.bits) != (other.length, other.bits):
            raise InputError(
                f"model: {name} has {tensor.length} values of {tensor.bits} bits, {other.length} "
                f"of {other.bits} in the checkpoint; export it again"
            )


def _compared(name: str, golden: Int64, ours: Int64, live: np.ndarray) -> dict[Count, int]:
    a, b = golden[live], ours[live]
    return {(name, 0): a.size, (name, 1): int(np.count_nonzero(a != b))}
