"""A quantized network in torch: the golden arithmetic of an IntModel, operation by operation,
whose gradients go to the master weights it was made of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding

from golden.activation import LutSpec, PwlSpec
from golden.feed import Feed
from golden.linear import MatVecSpec
from golden.model import IntModel
from golden.operations import (
    Add,
    Affine,
    Attend,
    Concatenate,
    Embedding,
    Input,
    LookUp,
    MadNorm,
    MatVec,
    Minimum,
    Multiply,
    OneMinus,
    Operation,
    Pwl,
    Slice,
    written,
)
from irnn_hw.engine.quantizer import coded
from irnn_hw.qat import twins, twins_divided
from irnn_hw.qat.batch import Batch, kept_by
from irnn_hw.qat.compiled import Tapes, compile_integers
from irnn_hw.qat.constants import constants_of, function_slopes, lookup_table, pwl_table, tied
from irnn_hw.qat.masters import Weighted, current
from irnn_hw.qat.readout import Readout
from irnn_hw.qat.scans import Run, Step, Values, Walks
from irnn_hw.qat.stacks import Stack, stacked
from irnn_hw.quant.network import Network, without_dropout
from irnn_hw.quant.nodes import Activation, Dropout
from irnn_hw.quant.params import Float32
from irnn_hw.quant.quantize import Choices, Quantized, Ranges, parameters, quantize


class Twin:
    """An IntModel in torch.

    constants: its arrays as tensors, as `irnn_hw.qat.constants` gives them; None: without
    gradients. slopes: of tables of functions. dropouts: slices that drop what the feed says.
    tapes: for recurrences in C++; None: in torch alone.
    """

    def __init__(
        self,
        model: IntModel,
        keep: Iterable[str] | None = (),
        constants: Mapping[str, Tensor] | None = None,
        slopes: Mapping[str, Float32] | None = None,
        dropouts: Iterable[str] = (),
        tapes: Tapes | None = None,
    ):
        self.model = model
        self._constants = constants_of(model) if constants is None else constants
        self._slopes, self._dropouts = slopes or {}, set(dropouts)
        self._compiled = tapes is not None
        scans = [
            (
                scan.sequence,
                scan.reverse,
                self._steps(scan.operations, keep, tapes is None),
                [(s.name, s.source) for s in scan.states],
            )
            for scan in model.scans
        ]
        outputs = dict.fromkeys([*(o.tensor for o in model.outputs), *(keep or ())])
        lengths = {name: t.length for name, t in model.tensors.items()}
        self._walks = Walks(scans, list(lengths if keep is None else outputs), lengths)
        self._sequences = _sequences(model)
        if tapes is not None:
            compile_integers(
                self._walks.walks, model, self._constants, self._table, self._dropouts, tapes
            )

    def run(self, feeds: Mapping[str, Batch], states: Mapping[str, Tensor] | None = None) -> Run:
        """Centred codes (T, batch, length); accumulators of 32-bit outputs, float32 or float64."""
        return self._walks.run(feeds, states)

    def feed(self, feed: Feed) -> Batch:
        """A feed of codes, centred."""
        inputs = {
            name: np.asarray(codes) - self.model.tensors[name].zero_point
            for name, codes in feed.inputs.items()
        }
        return Batch.of(Feed(feed.tokens, inputs, feed.lengths))

    def codes(self, name: str, centred: Tensor) -> np.ndarray:
        """int64 codes, batch first, of a trace."""
        tensor = self.model.tensors[name]
        codes = centred.detach().transpose(0, 1).long().cpu().numpy()
        return codes + (0 if tensor.bits == 32 else tensor.zero_point)

    def _steps(
        self, operations: Sequence[Operation], keep: Iterable[str] | None, stack: bool
    ) -> list[Step]:
        """Of a scan, gates as stacks; what is kept is computed as it is written."""
        others = (scan for scan in self.model.scans if scan.operations is not operations)
        wanted = {name for scan in others for op in scan.operations for name in op.inputs}
        wanted |= {s.source for s in self.model.states} | {o.tensor for o in self.model.outputs}
        wanted |= set(keep or ())
        stack = stack and keep is not None
        parts = stacked(operations, self.model.tensors, wanted) if stack else operations
        return [
            self._stack(part) if isinstance(part, Stack) else self._step(part)
            for part in parts
            if not isinstance(part, Input)
        ]

    def _stack(self, stack: Stack) -> Step:
        columns = stack.length
        spec = twins.AddColumns.of([self.model.spec(op.output) for op in stack.adds], columns)
        table = twins.Table.of([self._table(op) for op in stack.activations], columns)
        width = columns * len(stack.adds)

        def compute(values: Values) -> tuple[Tensor, ...]:
            sources = zip(stack.sources, stack.starts, strict=True)
            terms = (_columns(values[name], start, width) for name, start in sources)
            pre = twins.add(spec, *terms)
            return *pre.split(columns, -1), *twins.table(pre, table).split(columns, -1)

        return Step(stack.sources, stack.writes, compute)

    def _step(self, op: Operation) -> Step:
        if isinstance(op, Attend):
            return Step(op.inputs[:1], written(op), self._attention(op), op.inputs[1:])
        if isinstance(op, MatVec) and op.multiplier is None:
            return self._product(op)
        reads, compute = op.inputs, self._function(op)
        if op.output in self._dropouts:
            reads, compute = (*reads, kept_by(op.output)), torch.mul
        if isinstance(op, Embedding):
            count = len(op.table)
            return Step(reads, written(op), lambda values: (compute(values.tokens),), (), count)
        if isinstance(op, MadNorm):
            return Step(reads, written(op), lambda values: compute(values[reads[0]]))
        return Step(
            reads, written(op), lambda values: (compute(*(values[name] for name in reads)),)
        )

    def _product(self, op: MatVec) -> Step:
        """Of accumulators."""
        (x,), (w, b) = op.inputs, self._weights(op)
        compiled, narrow = self._compiled, self.model.tensors[x].bits <= 8
        return Step.product(x, op.output, lambda h: Readout(h, w, b, compiled, narrow))

    def _function(self, op: Operation) -> Callable[..., Tensor]:
        """Centred codes of the output from those of the inputs (..., length)."""
        spec, c = self.model.spec(op.output), self._constants
        match op:
            case Embedding():
                return lambda tokens: embedding(tokens, c[f"{op.output}.table"])
            case MatVec():
                w, b = self._weights(op)
                return lambda x: twins.matvec(spec, x, w, b, self._compiled)
            case Slice():
                end = op.start + self.model.tensors[op.output].length
                return lambda x: x[..., op.start : end]
            case Concatenate():
                return lambda *parts: torch.cat(parts, -1)
            case Add():
                return lambda *terms: twins.add(spec, *terms)
            case OneMinus():
                return lambda x: twins.one_minus(spec, x, self.model.tensors[op.inputs[0]].bits)
            case Multiply():
                bits = sum(self.model.tensors[name].bits for name in op.inputs)
                return lambda a, b: twins.multiply(spec, a, b, bits)
            case Minimum():
                return twins.minimum
            case Affine():
                gamma, beta = c[f"{op.output}.gamma"], c[f"{op.output}.beta"]
                return lambda y: twins.affine(spec, y, gamma, beta)
            case Pwl() | LookUp():
                table = self._table(op)
                return lambda x: twins.table(x, table)
            case MadNorm():
                return lambda x: twins_divided.madnorm(spec, x)
        raise NotImplementedError(type(op).__name__)

    def _weights(self, op: MatVec, spec: MatVecSpec | None = None) -> tuple[Tensor, Tensor]:
        w, b = (self._constants[f"{op.output}.{field}"] for field in ("weights", "bias"))
        return twins.exact(spec or self.model.spec(op.output), w, b)

    def _table(self, op: Pwl | LookUp) -> twins.Table:
        if isinstance(op, LookUp):
            return lookup_table(op, self.model.tensors, self._slopes.get(op.output))
        return pwl_table(self.model.spec(op.output), self.model.tensors[op.inputs[0]].zero_point)

    def _attention(self, op: Attend) -> Callable[[Values], tuple[Tensor, ...]]:
        spec, tensors = self.model.spec(op.output), self.model.tensors
        constants = twins_divided.AttentionConstants(
            pwl_table(spec.tanh, tensors[op.total.output].zero_point),
            pwl_table(spec.exp, (1 << tensors[op.score.output].bits) - 1),
            *self._weights(op.score, spec.score),
        )
        query, key, memory = op.inputs

        def compute(values: Values) -> tuple[Tensor, ...]:
            live = values.live[self._sequences[memory]]
            return twins_divided.attend(
                spec, constants, values[query], values[key], values[memory], live
            )

        return compute


def _columns(x: Tensor, start: int, width: int) -> Tensor:
    return x if x.shape[-1] == width else x[..., start : start + width]


def _sequences(model: IntModel) -> dict[str, str]:
    """The sequence of every tensor that operations write."""
    return {
        name: scan.sequence
        for scan in model.scans
        for op in scan.operations
        for name in written(op)
    }


@dataclass(frozen=True)
class Integer:
    """A quantized network at one moment of training, tied to the masters.

    taken: its integers. twin: what computes them.
    """

    taken: Quantized
    twin: Twin

    def feed(self, feed: Feed) -> Batch:
        """A feed with real inputs, quantized."""
        return self.twin.feed(self.taken.feed(feed))

    def run(self, feeds: Mapping[str, Batch], states: Mapping[str, Tensor] | None = None) -> Run:
        return self.twin.run(feeds, states)

    def unit(self, name: str) -> float:
        """The real value of one unit of an output."""
        params = self.taken.params.get(name)
        return float(self.taken.scales[f"{name}.bias"]) if params is None else params.scale


def integer(
    masters: Weighted,
    ranges: Ranges,
    choices: Choices | None = None,
    keep: Iterable[str] | None = (),
    dropping: bool = False,
    activations: Mapping[str, PwlSpec | LutSpec] | None = None,
    tapes: Tapes | None = None,
) -> Integer:
    """The network of the masters, quantized with frozen ranges.

    keep: tensors to yield beside the outputs; None: every one. dropping: dropouts drop what the
    feed says; else there are none. activations: tables that are made already, by tensor. tapes: as
    of `Twin`. Raises InputError naming the operation that does not fit.
    """
    network, choices = current(masters), choices or Choices()
    if tapes is not None:
        choices = replace(choices, coder=coded)
    if not dropping:
        network = without_dropout(network)
    params = parameters(network, ranges, dropout=dropping)
    taken = quantize(network, params, choices, None, activations)
    dropouts = [node.name for node in network.nodes if isinstance(node, Dropout)]
    constants, slopes = tied(taken, masters, network), _slopes(network, taken)
    twin = Twin(taken.model, keep, constants, slopes, dropouts, tapes)
    return Integer(taken, twin)


def _slopes(network: Network, taken: Quantized) -> dict[str, Float32]:
    """Of each activation that became a table."""
    functions = {node.name: node.function for node in network.nodes if isinstance(node, Activation)}
    return {
        op.output: function_slopes(
            functions[op.output], taken.params[op.inputs[0]], taken.params[op.output]
        )
        for op in taken.model.operations
        if isinstance(op, LookUp)
    }
