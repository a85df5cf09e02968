"""Memory images: weights in the order in which the array reads them, biases, tables, constants."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.errors import InputError
from golden.linear import MatVecSpec
from golden.npu_config import NpuConfig
from golden.operations import Embedding, Pwl
from irnn_hw.compiler.layout import padded


class Images:
    """Grows with each instruction that needs constants; addresses come back."""

    def __init__(self, config: NpuConfig):
        self._config = config
        self._weights: list[NDArray[np.int8]] = []
        self._bias: list[NDArray[np.int32]] = []
        self._constants: list[NDArray[np.uint8]] = []
        self._tables: dict[tuple[tuple[int, ...], ...], int] = {}
        self._weight_words = self._bias_words = self._constant_bytes = 0

    def product(self, spec: MatVecSpec, rows: NDArray[np.int64]) -> tuple[int, int, int]:
        """Weight address, bias address and beats of these rows (-1: a row of zeros).

        A folded bias is the accumulator of codes that are all 0, so it fits 32 bits as that does.
        """
        r, c = self._config.rows, self._config.columns
        matrix, bias = spec.weights[rows].astype(np.int8), spec.folded_bias[rows]
        matrix[rows < 0], bias[rows < 0] = 0, 0
        matrix = np.pad(matrix, ((0, -len(rows) % r), (0, -matrix.shape[1] % c)))
        beats = matrix.shape[1] // c
        words = matrix.reshape(-1, r, beats, c).transpose(0, 2, 1, 3).reshape(-1, r, c)
        addresses = self._weight_words, self._bias_words
        self._weights.append(words)
        self._bias.append(bias.astype(np.int32))
        self._weight_words += len(words)
        self._bias_words += len(bias)
        return *addresses, beats

    def embedding(self, op: Embedding) -> int:
        """Address of the table in the constant memory, each row padded to whole words."""
        columns = padded(op.table.shape[1], self._config)
        table = np.pad(op.table, ((0, 0), (0, columns - op.table.shape[1]))).reshape(-1)
        address = self._constant_bytes
        self._constants.append(table)
        self._constant_bytes += len(table)
        return address

    def table(self, op: Pwl) -> int:
        """Number of the PWL table; equal tables share one."""
        if len(op.knots) > self._config.pieces:
            raise InputError(
                f"{op.output}: {len(op.knots)} pieces, configuration {self._config.name} holds "
                f"{self._config.pieces}"
            )
        key = (op.knots, op.slopes, op.intercepts)
        number = self._tables.setdefault(key, len(self._tables))
        if number >= self._config.tables:
            raise InputError(
                f"{op.output}: more than {self._config.tables} PWL tables; choose a larger "
                f"configuration than {self._config.name}"
            )
        return number

    def arrays(self) -> dict[str, Any]:
        """The images, as golden.program.Program takes them."""
        r, c, pieces = self._config.rows, self._config.columns, self._config.pieces
        knots = np.zeros((len(self._tables), pieces - 1), np.uint8)
        segments = np.zeros((len(self._tables), pieces, 2), np.int32)
        for (k, slopes, intercepts), n in self._tables.items():
            offsets = [b - a * q for a, b, q in zip(slopes, intercepts, k, strict=True)]
            spare = pieces - len(k)  # the last piece again: see rtl/pwl.py
            interior = k[1:] or (0,)
            knots[n] = (*interior, *(interior[-1],) * (pieces - 1 - len(interior)))
            segments[n, :, 0] = (*slopes, *(slopes[-1],) * spare)
            segments[n, :, 1] = (*offsets, *(offsets[-1],) * spare)
        return {
            "weights": np.concatenate([*self._weights, np.zeros((0, r, c), np.int8)]),
            "bias": np.concatenate([*self._bias, np.zeros(0, np.int32)]),
            "constants": np.concatenate([*self._constants, np.zeros(0, np.uint8)]),
            "knots": knots,
            "segments": segments.reshape(-1, 2),
        }
