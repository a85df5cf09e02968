"""Float weights to ternary, power-of-two and exponential values (Ott et al., 2016)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.errors import InputError
from golden.weights import WeightFormat

# 0.7 of the mean magnitude is the ternary threshold of least squared error for weights between
# uniform and Gaussian (Li et al., 2016); a threshold of its own loses what weights there are.
THRESHOLD = 0.7
OCTAVES_ABOVE = 2  # of the mean's unit, what a Gaussian's largest weights need


def weight_scale(form: WeightFormat, weights: ArrayLike) -> float:
    """S_w, the real number of the value 1: twice the threshold below which a weight becomes 0.

    Follows the mean magnitude of the weights. The first three exponents reach up from it, the
    others down. Raises InputError for weights that are not finite, or all zero.
    """
    w = np.asarray(weights, np.float64)
    if not np.isfinite(w).all():
        raise InputError("weights: one is not finite; train at a lower learning rate")
    scale = 2 * THRESHOLD * float(np.abs(w).mean()) if w.size else 0.0
    scale *= 2.0 ** -max(form.exponents - 1 - OCTAVES_ABOVE, 0)
    if scale == 0:
        raise InputError("weights: all are zero; train them first")
    return scale


def nearest_weights(form: WeightFormat, weights: ArrayLike, scale: float) -> NDArray[np.int8]:
    """Values of the format, any shape: ``sign(w) 2^round(log2 |w / scale|)``, within its exponents.

    With a zero in the format, |w| <= scale / 2 becomes 0; without, 0 counts as positive.
    """
    w = np.asarray(weights, np.float64) / scale
    magnitude = np.abs(w)
    exponent = np.floor(np.log2(np.maximum(magnitude, 1)) + 0.5)
    value = np.exp2(np.minimum(exponent, form.exponents - 1))
    kept = (magnitude > 0.5) | (not form.zero)
    signed: NDArray[np.int8] = np.where(w < 0, -value, value).astype(np.int8) * kept
    return signed


def stochastic_weights(
    form: WeightFormat, weights: ArrayLike, scale: float, rng: np.random.Generator
) -> NDArray[np.int8]:
    """One of the format's two values around each w / scale, any shape, drawn so that the mean is w.

    A weight beyond the format's largest value is clipped to it. For training alone.
    """
    grid = form.grid
    w = np.clip(np.asarray(weights, np.float64) / scale, grid[0], grid[-1])
    above = np.clip(np.searchsorted(grid, w), 1, len(grid) - 1)
    low, high = grid[above - 1], grid[above]
    up = rng.random(w.shape) * (high - low) < w - low
    drawn: NDArray[np.int8] = np.where(up, high, low).astype(np.int8)
    return drawn
