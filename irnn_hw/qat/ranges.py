"""Ranges of tensors: moving averages of the smallest and largest value of a window."""

from collections.abc import Mapping

Range = tuple[float, float]


def moving_average(
    ranges: Mapping[str, Range], window: Mapping[str, Range], momentum: float
) -> dict[str, Range]:
    """``momentum * ranges + (1 - momentum) * window``; the first window as it is."""
    averaged = dict(window)
    for name, (low, high) in ranges.items():
        new_low, new_high = window[name]
        averaged[name] = (
            momentum * low + (1 - momentum) * new_low,
            momentum * high + (1 - momentum) * new_high,
        )
    return averaged
