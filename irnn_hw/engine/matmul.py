"""Matrix products in C++ (matmul.cpp): BLAS of torch does not know every processor."""

import numpy as np

from irnn_hw.engine.library import library
from irnn_hw.engine.tape import Float32


def matmul(a: Float32, b: Float32) -> Float32:
    """a b, of float32 matrices of any strides, each sum in the order of its terms.

    Raises BuildError and InputError as `library` does.
    """
    if not a.dtype == b.dtype == np.float32 or a.shape[1] != b.shape[0]:
        raise ValueError(f"engine: float32 expected, got {a.dtype} {a.shape}, {b.dtype} {b.shape}")
    (rows, steps), columns = a.shape, b.shape[1]
    c = np.empty((rows, columns), np.float32)
    strides = (stride // a.itemsize for stride in (*a.strides, *b.strides))
    a_row, a_step, b_step, b_column = strides
    library().matmul(
        rows, columns, steps, a.ctypes.data, a_row, a_step, b.ctypes.data, b_step, b_column,
        c.ctypes.data,
    )  # fmt: skip
    return c
