"""Logits and their cross entropy in C++, forward and back in one pass (readout.cpp)."""

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from irnn_hw.engine.library import library
from irnn_hw.engine.tape import Float32

_INT, _POINTER = ctypes.c_int64, ctypes.c_void_p


class _Readout(ctypes.Structure):
    """struct Readout of readout.cpp."""

    _fields_ = [
        ("rows", _INT), ("symbols", _INT), ("length", _INT),
        ("h", _POINTER), ("weights", _POINTER), ("bias", _POINTER), ("targets", _POINTER),
        ("unit", ctypes.c_double), ("narrow", _INT), ("gradients", _POINTER * 3),
    ]  # fmt: skip


def cross_entropy(
    h: Float32,
    weights: Float32,
    bias: Float32 | None,
    targets: NDArray[np.int64],
    unit: float = 1.0,
    narrow: bool = False,
    wanted: Sequence[bool] = (False, False, False),
) -> tuple[float, list[Float32 | None]]:
    """Mean cross entropy, in nats, of the logits unit (h weights^T + bias); and its gradients.

    h (N, length), weights (symbols, length), bias (symbols,), contiguous; targets (N,). narrow: h
    and weights are integers of up to 256 in magnitude, whose sums stay below 2^24. wanted: the
    gradients of h, weights and bias; the first two to bfloat16 of each term. Raises ValueError for
    a target that is no symbol, BuildError and InputError as `library` does.
    """
    symbols, length = weights.shape
    if len(targets) and not 0 <= targets.min() <= targets.max() < symbols:
        raise ValueError(f"targets: {targets.min()}..{targets.max()} of {symbols} symbols")
    arrays = h, weights, bias
    found = [
        np.empty_like(x) if want and x is not None else None
        for x, want in zip(arrays, wanted, strict=True)
    ]
    record = _Readout(
        len(h), symbols, length, *map(_address, (*arrays, targets)), unit, narrow,
        (_POINTER * 3)(*map(_address, found)),
    )  # fmt: skip
    return library().readout(ctypes.byref(record)), found


def _address(array: NDArray[Any] | None) -> int | None:
    if array is None:
        return None
    if array.dtype not in (np.float32, np.int64) or not array.flags.c_contiguous:
        raise ValueError(f"engine: contiguous rows expected, got {array.dtype} {array.strides}")
    return array.ctypes.data
