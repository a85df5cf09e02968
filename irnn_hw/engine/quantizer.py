"""Codes of weights in C++: what numpy's are, to the bit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from irnn_hw.engine.library import library
from irnn_hw.quant.params import Bytes, Float32, Float64, QuantParams, byte_codes


def coded(
    x: NDArray[Any], params: QuantParams, scales: Float64 | None = None
) -> tuple[Bytes, Float32]:
    """The codes of `irnn_hw.quant.params.byte_codes`, and these about their zero point.

    Of float32 in one pass. Raises InputError for NaN; BuildError and InputError as `library` does.
    """
    if x.dtype != np.float32:
        return _by_numpy(x, params, scales)
    x = np.ascontiguousarray(x)
    codes = np.empty(x.shape, np.int8 if params.signed else np.uint8)
    centred = np.empty(x.shape, np.float32)
    units = np.array([params.scale]) if scales is None else scales.astype(np.float64)
    nan = library().quantize_bytes(
        x.ctypes.data, len(units), x.size // len(units), units.ctypes.data, scales is not None,
        params.zero_point, params.low, params.high, codes.ctypes.data, centred.ctypes.data,
    )  # fmt: skip
    return _by_numpy(x, params, scales) if nan else (codes, centred)  # which refuses it


def _by_numpy(
    x: NDArray[Any], params: QuantParams, scales: Float64 | None
) -> tuple[Bytes, Float32]:
    codes = byte_codes(x, params, scales)
    return codes, codes.astype(np.float32) - params.zero_point
