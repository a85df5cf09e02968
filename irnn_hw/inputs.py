"""Input vectors of a user: a .npy file of real numbers."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.container import read_bytes
from golden.errors import InputError


def read_inputs(path: Path, features: int) -> NDArray[np.float64]:
    """Vectors (N, T, features) of a file of shape (T, features) or (N, T, features).

    Raises InputError for a file that is no .npy array, or one of another shape, without a step, of
    no real numbers, or with one that is not finite. No code of the file is run.
    """
    read_bytes(path, "inputs")
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path}: no .npy array of numbers; write it with numpy.save") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise InputError(f"{path}: an array of real numbers expected; write it with numpy.save")
    if array.ndim not in (2, 3) or array.shape[-1] != features:
        raise InputError(
            f"{path}: shape {array.shape}; (T, {features}) or (N, T, {features}) expected"
        )
    if not array.size:
        raise InputError(f"{path}: shape {array.shape} holds no vector; give some data")
    values = array.astype(np.float64).reshape(-1, *array.shape[-2:])
    if not np.isfinite(values).all():
        where = np.argwhere(~np.isfinite(values))[0].tolist()
        raise InputError(f"{path}: a value that is not finite, at {where}; clean the data")
    return values
