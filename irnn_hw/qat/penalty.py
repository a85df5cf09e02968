"""What is added to the loss in full precision, so that the integers that follow lose less."""

from collections.abc import Iterable

from torch import Tensor

from irnn_hw.qat.config import Schedule


def cell_penalty(config: Schedule, cells: Iterable[Tensor]) -> Tensor | float:
    """In nats: of each cell of an LSTM (batch, length), the square of what is beyond the limit,
    summed over its values. Later its range, which nothing else bounds, decides its step."""
    if not config.cell_penalty:
        return 0.0
    beyond = ((c.abs() - config.cell_limit).relu().square().sum(-1).mean() for c in cells)
    return config.cell_penalty * sum(beyond)
