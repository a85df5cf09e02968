"""A network in real numbers in torch: `irnn_hw.quant.network.run`, with gradients."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import embedding, gelu, linear

from golden.feed import Feed
from irnn_hw.qat.batch import Batch, kept_by
from irnn_hw.qat.compiled import Tapes, compile_reals
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.ranges import Range
from irnn_hw.qat.readout import Readout
from irnn_hw.qat.scans import Run, Step, Values, Walks
from irnn_hw.quant.compound import Attend, LayerNorm, MadNorm
from irnn_hw.quant.nodes import (
    Activation,
    Add,
    Affine,
    Concatenate,
    Dropout,
    Embedding,
    Input,
    Minimum,
    Multiply,
    Node,
    OneMinus,
    Product,
    Slice,
)

# Those of `irnn_hw.quant.pwl.FUNCTIONS`.
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "gelu": gelu,
    "relu": torch.relu,
    "cos": torch.cos,
}
TINY = 1e-30  # below any deviation of values that differ


class Rounder(Protocol):
    """What rounds a tensor to codes (`irnn_hw.qat.partial`). unit: the real number of one code."""

    @property
    def unit(self) -> float: ...

    def __call__(self, x: Tensor) -> Tensor: ...


Rounding = Mapping[str, Rounder]  # by tensor; those that are not in it stay as they are


class Reals:
    """The network of the masters in real numbers, with the interface of
    `irnn_hw.qat.integer.Integer`; the parameters are those of `real`."""

    def __init__(
        self,
        masters: Masters,
        tapes: Tapes | None = None,
        keep: Iterable[str] | None = (),
        dropping: bool = False,
        rounding: Rounding | None = None,
    ):
        self._walks = real(masters, keep, dropping, tapes, rounding)
        self._dtype, self._rounding = masters.dtype, rounding or {}

    def feed(self, feed: Feed) -> Batch:
        """A feed with real inputs."""
        batch = Batch.of(feed, self._dtype)
        inputs = {name: _on(self._rounding, name, x) for name, x in batch.inputs.items()}
        return replace(batch, inputs=inputs)

    def run(self, feeds: Mapping[str, Batch], states: Mapping[str, Tensor] | None = None) -> Run:
        return self._walks.run(feeds, states, self._dtype)

    def unit(self, name: str) -> float:
        """The real value of one unit of an output."""
        return 1.0


def real(
    masters: Masters,
    keep: Iterable[str] | None = (),
    dropping: bool = False,
    tapes: Tapes | None = None,
    rounding: Rounding | None = None,
) -> Walks:
    """The network of the masters. keep: tensors to yield beside the outputs; None: every one.

    dropping: dropouts read which values they keep from the feed; else they pass all of them.
    tapes: for recurrences in C++, of float32; None: in torch alone, as where rounding has a tensor.
    """
    network, on = masters.template, rounding or {}
    scans = [
        (
            scan.sequence,
            scan.reverse,
            [
                _step(node, masters, dropping, tapes is not None, on)
                for node in scan.nodes
                if not isinstance(node, Input)
            ],
            [(s.name, s.source) for s in scan.states],
        )
        for scan in network.scans
    ]
    lengths = network.scans[-1].lengths
    wanted = lengths if keep is None else dict.fromkeys([*network.outputs, *keep])
    walks = Walks(scans, list(wanted), lengths)
    if tapes is not None and not on:
        compile_reals(walks.walks, masters, dropping, tapes)
    return walks


def _on(rounding: Rounding, name: str, x: Tensor) -> Tensor:
    """A tensor of this name, rounded where it is to be."""
    return rounding[name](x) if name in rounding else x


def _step(node: Node, masters: Masters, dropping: bool, compiled: bool, rounding: Rounding) -> Step:
    writes = tuple(t.name for t in node.tensors)
    if isinstance(node, Product) and node.name not in rounding:
        w, (x,) = masters.of(node), node.inputs
        return Step.product(
            x, node.name, lambda h: Readout(h, w["weights"], w.get("bias"), compiled)
        )
    if isinstance(node, Attend):
        return Step(node.inputs[:1], writes, _attend(node, masters, rounding), node.inputs[1:])
    if isinstance(node, MadNorm):
        return Step(node.inputs, writes, lambda values: _madnorm(node, values, rounding))
    reads = node.inputs
    if isinstance(node, Dropout) and dropping:
        reads = (*reads, kept_by(node.name))
    compute = _function(node, masters, dropping)
    if node.name in rounding:
        compute = _then(compute, rounding[node.name])
    if isinstance(node, Embedding):
        count = len(node.table)
        return Step(reads, writes, lambda values: (compute(values.tokens),), symbols=count)
    return Step(reads, writes, lambda values: (compute(*(values[name] for name in reads)),))


def _then(compute: Callable[..., Tensor], rounded: Rounder) -> Callable[..., Tensor]:
    return lambda *inputs: rounded(compute(*inputs))


def _function(node: Node, masters: Masters, dropping: bool) -> Callable[..., Tensor]:
    """The output of a node from its inputs (..., length)."""
    w = masters.of(node)
    match node:
        case Embedding():
            return lambda tokens: embedding(tokens, w["table"])
        case Product():
            return lambda x: linear(x, w["weights"], w.get("bias"))
        case Affine():
            return lambda x: torch.addcmul(w["beta"], w["gamma"], x)
        case Slice():
            return lambda x: x[..., node.start : node.start + node.length]
        case Concatenate():
            return lambda *parts: torch.cat(parts, -1)
        case Add():
            return lambda *terms: _sum(node.weighted, terms)
        case OneMinus():
            return lambda x: 1 - x
        case Multiply():
            return lambda a, b: a * b if node.factor == 1 else node.factor * a * b
        case Minimum():
            return torch.minimum
        case LayerNorm():
            return lambda x: _layernorm(node, x)
        case Activation():
            return FUNCTIONS[node.function]
        case Dropout():
            return (lambda x, kept: x * kept / (1 - node.rate)) if dropping else (lambda x: x)
    raise NotImplementedError(type(node).__name__)


def _sum(signs: Iterable[int], terms: Iterable[Tensor]) -> Tensor:
    total, *others = (x if sign > 0 else -x for sign, x in zip(signs, terms, strict=True))
    for term in others:
        total = total + term
    return total


def _madnorm(node: MadNorm, values: Values, rounding: Rounding) -> tuple[Tensor, ...]:
    """Mean, centred, deviation and output."""
    x = values[node.inputs[0]]
    rows = x.unflatten(-1, (node.rows, -1))
    mean = _on(rounding, node.mean.name, rows.mean(-1))
    centred = _on(rounding, node.centred.name, rows - mean[..., None])
    name = node.deviation.name
    d = _on(rounding, name, centred.abs().mean(-1))
    least = rounding[name].unit if name in rounding else TINY
    y = _on(rounding, node.name, centred / d.clamp(min=least)[..., None])
    return mean, centred.flatten(-2), d, y.flatten(-2)


def _layernorm(node: LayerNorm, x: Tensor) -> Tensor:
    rows = x.unflatten(-1, (node.rows, -1))
    centred = rows - rows.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return (centred / (variance + node.epsilon).sqrt()).flatten(-2)


def _attend(
    node: Attend, masters: Masters, rounding: Rounding
) -> Callable[[Values], tuple[Tensor, ...]]:
    """Total, tanh, score and exp (batch, S, width or 1), and the context (batch, length)."""
    v = masters.of(node)["v"]
    query, key, memory = node.inputs

    def compute(values: Values) -> tuple[Tensor, ...]:
        total = _on(rounding, node.total.name, values[query][:, None] + values[key])
        tanh = total.tanh()
        score, live = _on(rounding, node.score.name, tanh @ v), values.live[node.memory]
        masked = score if live is None else score.masked_fill(~live, -torch.inf)
        exp = (masked - masked.amax(1, keepdim=True)).exp()
        context = torch.einsum("bs,bsk->bk", exp, values[memory]) / exp.sum(1, keepdim=True)
        context = _on(rounding, node.name, context)
        return total, tanh, score[..., None], exp[..., None], context

    return compute


@torch.no_grad()
def observe(
    masters: Masters,
    feeds: Mapping[str, Batch],
    states: Mapping[str, Tensor] | None = None,
) -> tuple[dict[str, Range], dict[str, Tensor]]:
    """Smallest and largest value of every tensor over the steps that count, and the last states.

    feeds: with real inputs. Nothing is dropped.
    """
    taken = real(masters, None).run(feeds, states, masters.dtype)
    ranges = {}
    for scan in masters.template.scans:
        live = feeds[scan.sequence].live
        for node in scan.nodes:
            memory = feeds[node.memory] if isinstance(node, Attend) else None
            for name in (t.name for t in node.tensors):
                inner = memory if name != node.name else None
                ends = _counted(taken.traces[name], live, inner).aminmax()
                ranges[name] = ends.min.item(), ends.max.item()
    return ranges, taken.states


def _counted(x: Tensor, live: Tensor | None, memory: Batch | None) -> Tensor:
    """Values (N, length) of the steps (T, batch) that count; within attention, of the encoder steps
    that do at each of them."""
    if memory is not None:
        every = torch.ones(x.shape[:-1], dtype=torch.bool)
        live = every if live is None else live[..., None] & every
        live = live if memory.live is None else live & memory.live.T
    return x if live is None else x[live]
