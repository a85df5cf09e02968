"""The perplexity of word language models."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from golden.feed import Feed
from irnn_hw.data.words import Tokens
from irnn_hw.qat.scans import Run
from irnn_hw.qat.streams import Streams

WINDOW = 35  # time steps at once, which changes no figure
TOO_MUCH = 700.0  # nats: exp of more is beyond float64


@torch.no_grad()
def perplexity(
    run: Callable[[Feed, Mapping[str, Tensor] | None], Run],
    unit: float,
    tokens: Tokens,
    batch: int = 10,
) -> float:
    """exp of the mean loss in nats over every token but the first, in `batch` streams; infinite
    where that is no number.

    run: the network over a feed, from states. unit: the real value of one unit of its logits.
    Raises InputError for fewer tokens than fill a window of each stream.
    """
    text = Streams.of(tokens.astype(np.int64), batch, WINDOW, "tokens")
    states, nats = None, 0.0
    windows = zip(text.inputs.split(WINDOW), text.targets.split(WINDOW), strict=True)
    for inputs, targets in windows:
        taken = run(Feed(inputs.T.cpu().numpy()), states)
        outputs, states = taken.traces.reals(lambda name: unit), taken.states
        nats += outputs.cross_entropy("logits", targets).item() * targets.numel()
    mean = nats / text.targets.numel()
    return math.exp(mean) if mean < TOO_MUCH else math.inf
