"""The network of a trained torch.nn.LSTM or torch.nn.GRU, from a file with its state_dict."""

import io
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from golden.container import read_bytes
from golden.errors import InputError
from irnn_hw.quant import cells
from irnn_hw.quant.cells import LstmOptions, Weights
from irnn_hw.quant.network import Network, ScanNodes
from irnn_hw.quant.nodes import Input

SEQUENCE, INPUT = "input", "x"
FIRST = "weight_ih_l0"
REVERSE = "_reverse"
REFUSED = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, OSError)


@dataclass(frozen=True)
class Kept:
    """How a module's numbers become integers: bits of the sums of gates and of an LSTM's cell, 8
    or 16; a scale of the weights for each row, or one for all."""

    gate_bits: int = 8
    cell_bits: int = 8
    per_row: bool = False

    def __post_init__(self) -> None:
        for name in ("gate_bits", "cell_bits"):
            if getattr(self, name) not in (8, 16):
                raise InputError(f"{name}: {getattr(self, name)}; choose 8 or 16")


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that torch.save wrote. Raises InputError for anything else; runs no
    code from it."""
    data, remedy = read_bytes(path, "state_dict"), "write it with torch.save(module.state_dict())"
    try:
        with warnings.catch_warnings():  # of a file that is refused then
            warnings.simplefilter("ignore")
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except REFUSED as error:
        raise InputError(f"{path}: no file of tensors alone; {remedy}") from error
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds no state_dict; {remedy}")
    found = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not found:
        raise InputError(f"{path}: a state_dict without tensors; {remedy}")
    return found


def import_module(
    arrays: Mapping[str, Tensor],
    prefix: str | None = None,
    head: str | None = None,
    kept: Kept | None = None,
) -> Network:
    """The network of a recurrent module: one sequence `input` of vectors `x`, its output the hidden
    states of the last layer, or of a linear layer behind them.

    prefix: what stands before `weight_ih_l0`, as `encoder.`; None: the only one there is. head: of
    the linear layer, as `fc.`. Raises InputError naming a tensor that is missing, of a wrong
    shape, or not finite.
    """
    module = _Module(arrays, _prefix(arrays) if prefix is None else prefix, kept or Kept())
    net = Network()
    step = net.scan(SEQUENCE)
    h = step.add(Input(name=INPUT, length=module.array(FIRST).shape[1]))
    for layer in range(module.layers):
        step, h = module.layer(net, step, layer, h)
    if head is not None:
        h = cells.product(step, "output", h, module.linear(head), 32)
    net.outputs = [h]
    return net


def _prefix(arrays: Mapping[str, Tensor]) -> str:
    found = [name.removesuffix(FIRST) for name in arrays if name.endswith(FIRST)]
    if len(found) == 1:
        return found[0]
    if not found:
        names = ", ".join(list(arrays)[:6])
        raise InputError(
            f"state_dict: no {FIRST}, as nn.LSTM and nn.GRU have it; it holds {names}, ..."
        )
    raise InputError(f"state_dict: several modules ({', '.join(found)}); choose one by --prefix")


class _Module:
    """A recurrent module's arrays, checked as they are read."""

    def __init__(self, arrays: Mapping[str, Tensor], prefix: str, kept: Kept):
        self._arrays, self._prefix, self._kept = arrays, prefix, kept
        self.layers = sum(f"{prefix}weight_ih_l{n}" in arrays for n in range(len(arrays)))
        self._bidirectional = self.has(f"{FIRST}{REVERSE}")
        self._projected = self.has("weight_hr_l0")
        rows, width = self.array(FIRST).shape[0], self.array("weight_hh_l0").shape[1]
        self._hidden = self.array("weight_hr_l0").shape[1] if self._projected else width
        self._gates = rows // self._hidden
        if rows % self._hidden or self._gates not in (3, 4):
            raise InputError(
                f"{prefix}{FIRST}: {rows} rows for a state of {self._hidden}; nn.LSTM has 4 times "
                "as many, nn.GRU 3 times"
            )

    def has(self, name: str) -> bool:
        return f"{self._prefix}{name}" in self._arrays

    def array(self, name: str, *shape: int) -> NDArray[np.float64]:
        return self._read(f"{self._prefix}{name}", shape)

    def _read(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        if key not in self._arrays:
            raise InputError(f"{key}: missing in the state_dict; save that of the whole module")
        tensor = self._arrays[key]
        if tuple(tensor.shape) != shape if shape else tensor.dim() != 2:
            expected = shape or "a matrix"
            raise InputError(f"{key}: shape {tuple(tensor.shape)}, {expected} expected")
        values = tensor.double().numpy() if tensor.is_floating_point() else np.array(np.nan)
        if not np.isfinite(values).all():
            raise InputError(f"{key}: a value that is not finite; train the module again")
        return values

    def layer(self, net: Network, step: ScanNodes, layer: int, x: str) -> tuple[ScanNodes, str]:
        """Adds a layer; the scan to go on with, and the tensor of its output."""
        name = f"l{layer}"
        if not self._bidirectional:
            return step, self._cell(step, name, f"_l{layer}", x)
        forward = self._cell(step, f"{name}.forward", f"_l{layer}", x)
        backward = net.scan(SEQUENCE, reverse=True)
        halves = forward, self._cell(backward, f"{name}.reverse", f"_l{layer}{REVERSE}", x)
        step = net.scan(SEQUENCE)
        return step, cells.concatenate(step, f"{name}.out", *halves)

    def _cell(self, step: ScanNodes, name: str, suffix: str, x: str) -> str:
        rows, columns = self._gates * self._hidden, step.lengths[x]
        w_x = self._weights(f"weight_ih{suffix}", f"bias_ih{suffix}", rows, columns)
        width = self.array("weight_hh_l0").shape[1]
        w_h = self._weights(f"weight_hh{suffix}", f"bias_hh{suffix}", rows, width)
        if self._gates == 3:
            return cells.gru(step, name, x, w_x, w_h)
        if w_x.bias is not None and w_h.bias is not None:  # an LSTM adds them
            w_x, w_h = replace(w_x, bias=w_x.bias + w_h.bias), replace(w_h, bias=None)
        projection = None
        if self._projected:
            projection = self._weights(f"weight_hr{suffix}", "", width, self._hidden)
        options = LstmOptions(self._kept.gate_bits, self._kept.cell_bits, projection=projection)
        return cells.lstm(step, name, [(x, w_x)], w_h, options)

    def _weights(self, name: str, bias: str, rows: int, columns: int) -> Weights:
        matrix = self.array(name, rows, columns)
        return Weights(
            matrix,
            self.array(bias, rows) if bias and self.has("bias_ih_l0") else None,
            per_row=self._kept.per_row,
        )

    def linear(self, head: str) -> Weights:
        """Weights and bias of a linear layer behind the module."""
        width = self.array("weight_hh_l0").shape[1] * (2 if self._bidirectional else 1)
        matrix = self._read(f"{head}weight", ())
        if matrix.shape[1:] != (width,):
            raise InputError(f"{head}weight: shape {matrix.shape}, (any, {width}) expected")
        there = f"{head}bias" in self._arrays
        return Weights(matrix, self._read(f"{head}bias", matrix.shape[:1]) if there else None)
