"""What the nodes of a network need to become integer operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from golden.activation import LutSpec, PwlSpec
from golden.errors import InputError
from golden.fixed import FixedPoint, FixedPoints
from golden.operations import LookUp, MatVec, Pwl, Tensor
from golden.weights import FORMATS
from irnn_hw.quant.multipliers import common_shift, fixed_point
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Product
from irnn_hw.quant.params import (
    Bytes,
    Float32,
    Float64,
    Int64,
    QuantParams,
    byte_codes,
    round_half_away,
)
from irnn_hw.quant.pwl import FUNCTIONS, ideal_table
from irnn_hw.quant.pwl_methods import fit_by
from irnn_hw.quant.weight_formats import nearest_weights, stochastic_weights, weight_scale

if TYPE_CHECKING:
    from irnn_hw.quant.quantize import Choices

WIDE_CONSTANT = 61  # bits of what is added to a product below 2^62
FINE = 256  # pieces: a PWL of 16-bit codes as good as the 8-bit codes that it gives
WIDE = 24  # bits of a multiplier of 16-bit operands: 16 can cost half an LSB there


class Quantizer:
    """What a node needs to become an operation. scales, centred: see Quantized."""

    def __init__(
        self,
        network: Network,
        params: Mapping[str, QuantParams],
        choices: Choices,
        activations: Mapping[str, PwlSpec | LutSpec],
    ):
        self.scales: dict[str, float | Float64] = {}
        self.centred: dict[str, Float32] = {}
        self._network, self._params, self._choices = network, params, choices
        self._activations = activations
        self._units: dict[str, Fraction] = {}  # of 32-bit outputs
        self._weights: dict[str, tuple[Float64, QuantParams]] = {}

    def __getitem__(self, tensor: str) -> QuantParams:
        return self._params[tensor]

    def scale(self, tensor: str) -> Fraction:
        """The real value of one unit of a tensor."""
        found = self._units.get(tensor)
        return Fraction(self._params[tensor].scale) if found is None else found

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor, once all nodes have become operations."""
        found = {}
        for scan in self._network.scans:
            sizes = {s.name: (scan.lengths[s.name], 8) for s in scan.states}
            sizes |= {t.name: (t.length, t.bits) for node in scan.nodes for t in node.tensors}
            for name, (length, bits) in sizes.items():
                if name in self._params:
                    p = self._params[name]
                    found[name] = Tensor(name, length, p.bits, p.zero_point)
                else:
                    found[name] = Tensor(name, length, bits)
        return found

    def fixed_point(self, m: Fraction, name: str, *operands: str) -> FixedPoint:
        """A multiplier into tensor `name`, as wide as the operands ask for."""
        return fixed_point(m, name, self._width(name, *operands))

    def mantissas(
        self, ratios: Sequence[Fraction], name: str, *operands: str
    ) -> tuple[tuple[int, ...], int]:
        """Of the terms of a sum into tensor `name`, and their shift."""
        return common_shift(ratios, name, self._width(name, *operands))

    def wide(self, constants: Float64, name: str) -> Int64:
        """Constants beside a product, in its units. Raises InputError where one does not fit."""
        return codes_of(constants, WIDE_CONSTANT, name)

    def _width(self, *tensors: str) -> int:
        wide = any(self._params[n].bits == 16 for n in tensors if n in self._params)
        return max(WIDE, self._choices.multiplier_width) if wide else self._choices.multiplier_width

    def activation(
        self, name: str, function: str, inputs: tuple[str, ...], x: QuantParams
    ) -> Pwl | LookUp:
        """The function from codes of x to codes of tensor `name`."""
        spec = self._activations.get(name)
        if spec is None:
            spec = table_of(function, x, self[name], self._pieces(function), self._choices.method)
        if isinstance(spec, PwlSpec):
            return _pwl(name, inputs, spec)
        return LookUp(name, inputs, np.array(spec.table, f"u{spec.out_bits // 8}"))

    def pwl(self, name: str, function: str, inputs: tuple[str, ...], x: QuantParams) -> Pwl:
        """As `activation`, where there are no tables: a PWL of FINE pieces in place of one."""
        spec = self._activations.get(name)
        if not isinstance(spec, PwlSpec):
            pieces, method = self._pieces(function), self._choices.method
            choice = (FINE, "greedy") if pieces is None else (pieces, method)
            fitted = table_of(function, x, self[name], *choice)
            assert isinstance(fitted, PwlSpec)
            spec = fitted
        return _pwl(name, inputs, spec)

    def codes(
        self, name: str, x: NDArray[Any], params: QuantParams, scales: Float64 | None = None
    ) -> Bytes:
        """Of the array `operation.field`, as `irnn_hw.quant.params.byte_codes`."""
        if self._choices.coder is None:
            return byte_codes(x, params, scales)
        codes, self.centred[name] = self._choices.coder(x, params, scales)
        return codes

    def _pieces(self, function: str) -> int | None:
        return self._choices.pieces.get(function, self._choices.pieces.get(""))

    def product(self, node: Product) -> MatVec:
        """Weights, bias and multiplier of a product; a 32-bit output gets its unit."""
        (x,) = node.inputs
        try:
            codes, zero_point, scales = self._codes(node)
        except InputError as error:
            raise InputError(f"{node.name}: {error}") from error
        units = [self.scale(x) * Fraction(s) for s in scales]
        self.scales[node.name] = _one_or_rows(scales)
        self.scales[f"{node.name}.bias"] = _one_or_rows([float(unit) for unit in units])
        multiplier: FixedPoint | FixedPoints | None = None
        if node.bits == 32:
            if len(units) > 1:
                raise InputError(f"{node.name}: 32 bits out have one scale; use one for all rows")
            self._units[node.name] = units[0]
        else:
            ratios = [unit / self.scale(node.name) for unit in units]
            points = [self.fixed_point(m, node.name, x) for m in ratios]
            multiplier = points[0] if len(points) == 1 else _rows(points)
        bias = self._bias(node, np.array([float(u) for u in units]))
        form = node.weight_format if node.weight_format in FORMATS else None
        return MatVec(node.name, node.inputs, codes, bias, multiplier, zero_point, form)

    def _bias(self, node: Product, units: Float64) -> NDArray[np.int32]:
        if node.bias is None:
            return np.zeros(node.length, np.int32)
        return codes_of(node.bias / units, 32, node.name).astype(np.int32)

    def _codes(self, node: Product) -> tuple[Bytes, int, Sequence[float]]:
        """Codes, zero point, and one scale or one a row."""
        w, name = node.weights, f"{node.name}.weights"
        if node.weight_format in FORMATS:
            form = FORMATS[node.weight_format]
            w, rng = np.asarray(w, np.float64), self._choices.rng
            scale = weight_scale(form, w)
            if rng is not None:
                return stochastic_weights(form, w, scale, rng), 0, [scale]
            return nearest_weights(form, w, scale), 0, [scale]
        if node.weight_format == "uint8":
            p = self[node.tied] if node.tied else QuantParams.from_range(w.min(), w.max())
            return self.codes(name, w, p), p.zero_point, [p.scale]
        if node.weight_format != "int8":
            names = ", ".join(FORMATS)
            raise InputError(f"weight format {node.weight_format}; choose int8, uint8, {names}")
        if not node.per_row:
            one = QuantParams.symmetric(float(max(w.max(), -w.min())))
            return self.codes(name, w, one), 0, [one.scale]
        largest = np.abs(w).max(axis=1)
        largest[largest == 0] = largest.max()  # of a row of zeros any scale is right
        scales = np.array([QuantParams.symmetric(float(m)).scale for m in largest])
        return self.codes(name, w, QuantParams.symmetric(127.0), scales), 0, scales.tolist()


def codes_of(constants: Float64, bits: int, name: str) -> Int64:
    """Constants in units of their scale, rounded. Raises InputError where one does not fit."""
    if not np.all(np.abs(constants) < (1 << (bits - 1)) - 1):
        raise InputError(f"{name}: a bias does not fit {bits} bits; widen the ranges")
    return round_half_away(constants)


def _rows(points: Iterable[FixedPoint]) -> FixedPoints:
    pairs = np.array([(p.mantissa, p.shift) for p in points], np.int64)
    return FixedPoints(pairs[:, 0].copy(), pairs[:, 1].copy())


def _pwl(name: str, inputs: tuple[str, ...], spec: PwlSpec) -> Pwl:
    return Pwl(name, inputs, spec.knots, spec.slopes, spec.intercepts, spec.shift)


def _one_or_rows(scales: Sequence[float]) -> float | Float64:
    return scales[0] if len(scales) == 1 else np.array(scales)


@lru_cache(maxsize=256)
def table_of(
    function: str, x: QuantParams, y: QuantParams, pieces: int | None, method: str
) -> PwlSpec | LutSpec:
    """The integer function from codes of x to codes of y: a PWL, or a table if pieces is None."""
    f = FUNCTIONS[function]
    if pieces is None:
        return ideal_table(f, x, y)
    return fit_by(method, f, x, y, min(pieces, x.high))
