"""A network in real numbers and the ranges of its tensors to an IntModel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from golden.activation import LutSpec, PwlSpec
from golden.errors import InputError
from golden.feed import Feed
from golden.model import IntModel
from golden.operations import Output, Scan
from irnn_hw.quant.compound import MadNorm
from irnn_hw.quant.multipliers import MULTIPLIER_WIDTH, fixed_point
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Activation, Dropout, Node, Slice
from irnn_hw.quant.params import Coder, Float32, Float64, QuantParams
from irnn_hw.quant.quantizer import Quantizer

OUTPUT_SCALE_WIDTH = 24  # log-likelihoods are floats: 24 bits lose nothing a figure shows

Params = dict[str, QuantParams]
Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Choices:
    """How a network is quantized. pieces: of the PWL of a function, `""` for all others; None: a
    look-up table. method: one of `irnn_hw.quant.pwl_methods.METHODS`. rng: draws the weights that
    have a format of `golden.weights` at random, which is for training alone; None: the nearest.
    coder: makes the codes of all others; None: numpy does.
    """

    pieces: Mapping[str, int | None] = field(default_factory=lambda: {"": 16})
    method: str = "optimal"
    multiplier_width: int = MULTIPLIER_WIDTH
    rng: np.random.Generator | None = None
    coder: Coder | None = None


@dataclass(frozen=True)
class Quantized:
    """model; params of every tensor of 8 or 16 bits; scales: the real value of one unit of each
    constant (or one a row), by the name of its operation, with `.bias`, `.gamma` or `.beta`;
    centred: the arrays that a coder made, about their zero points, by `operation.field`."""

    model: IntModel
    params: Params
    scales: dict[str, float | Float64]
    centred: dict[str, Float32]

    def feed(self, feed: Feed) -> Feed:
        """The feed with its real inputs (batch, T, length) as codes."""
        codes = {name: self.params[name].quantize(x) for name, x in feed.inputs.items()}
        return Feed(feed.tokens, codes, feed.lengths)


def parameters(
    network: Network,
    ranges: Ranges,
    given: Mapping[str, QuantParams] | None = None,
    dropout: bool = False,
) -> Params:
    """Of every tensor of 8 or 16 bits, from its range: known beforehand, or else as observed.
    given: parameters that stand already, of tensors and so of those that share them. dropout:
    whether values are dropped: then the scale of a `Dropout` is 1 / (1 - rate) times its input's.

    Tensors between which codes move share theirs: a slice and its source, the parts of a
    concatenation, the operands of a minimum, a state and its source. Raises InputError for a
    range that is missing, empty or not finite, or tensors that share but differ in bits.
    """
    groups = _groups(network)
    nodes = {t.name: t for node in network.nodes for t in node.tensors if t.bits != 32}
    zero = {node.deviation.name for node in network.nodes if isinstance(node, MadNorm)}
    params: Params = {}
    dropped: list[tuple[list[str], Dropout]] = []
    for group in groups:
        found = [given[name] for name in group if name in given] if given else []
        # The values of a slice are some of its source's, which is in the group.
        members = [n for n in (nodes[m] for m in group if m in nodes) if not isinstance(n, Slice)]
        dropouts = [node for node in members if isinstance(node, Dropout)]
        if found:
            params |= dict.fromkeys(group, found[0])
        elif dropouts:
            dropped.append((group, _alone(dropouts[0], members)))
        elif members:
            shared = _observed(group[0], members, ranges, bool(zero & set(group)))
            params |= dict.fromkeys(group, shared)
    for group, node in dropped:  # in the order of the nodes: an input comes before
        x = params[node.inputs[0]]
        scale = x.scale / (1 - node.rate) if dropout else x.scale
        params |= dict.fromkeys(group, replace(x, scale=scale))
    return params


def _observed(name: str, members: Sequence[Node], ranges: Ranges, from_zero: bool) -> QuantParams:
    """Parameters of tensors that share them, from the union of their ranges."""
    bits = {node.bits for node in members}
    if len(bits) > 1:
        names = ", ".join(node.name for node in members)
        raise InputError(f"{names}: share their parameters, but not their bits")
    ends = [_range(node, ranges) for node in members]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    try:
        return QuantParams.from_range(0.0 if from_zero else low, high, bits.pop())
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _alone(node: Dropout, members: Sequence[Node]) -> Dropout:
    """The dropout. Raises InputError where what is no slice of it has its parameters, too."""
    for other in members:
        if other is not node:
            raise InputError(
                f"{node.name}: shares its parameters with {other.name}; drop values elsewhere, "
                "say after a concatenation"
            )
    return node


def _range(node: Node, ranges: Ranges) -> tuple[float, float]:
    known = node.known
    if known is not None:
        return known
    if node.name not in ranges:
        raise InputError(f"{node.name}: no range was gathered; run the network on real data first")
    return ranges[node.name]


def _groups(network: Network) -> list[list[str]]:
    """Tensors that share their parameters, each group in order."""
    group: dict[str, list[str]] = {}
    for scan in network.scans:
        for state in scan.states:
            group[state.name] = [state.name]
        for node in scan.nodes:
            group |= {t.name: [t.name] for t in node.tensors}

    def join(a: str, b: str) -> None:
        if group[a] is not group[b]:
            group[a] += group[b]
            for name in group[b]:
                group[name] = group[a]

    for scan in network.scans:
        for node in scan.nodes:
            for name in node.shared:
                join(name, node.name)
        for state in scan.states:
            join(state.source, state.name)
    return list({id(names): names for names in group.values()}.values())


def quantize(
    network: Network,
    params: Mapping[str, QuantParams],
    choices: Choices | None = None,
    metadata: Mapping[str, Any] | None = None,
    activations: Mapping[str, PwlSpec | LutSpec] | None = None,
) -> Quantized:
    """The integer model. activations: tables that are made already, by tensor.

    Raises InputError naming the operation whose constant does not fit.
    """
    quantizer = Quantizer(network, params, choices or Choices(), activations or {})
    scans = tuple(
        Scan(
            scan.sequence,
            tuple(node.operation(quantizer) for node in scan.nodes),
            tuple(scan.states),
            scan.reverse,
        )
        for scan in network.scans
    )
    outputs = tuple(
        Output(name, fixed_point(quantizer.scale(name), name, OUTPUT_SCALE_WIDTH))
        for name in network.outputs
    )
    model = IntModel(quantizer.tensors(), scans, outputs, dict(metadata or {}))
    return Quantized(model, dict(params), quantizer.scales, quantizer.centred)


def labels(network: Network, params: Mapping[str, QuantParams]) -> dict[str, Any]:
    """Metadata that ties a model to real numbers: the scale of each tensor of 8 or 16 bits as
    [mantissa, shift], and the function of each activation."""
    points = {name: fixed_point(p.scale, name, OUTPUT_SCALE_WIDTH) for name, p in params.items()}
    activations = [t for node in network.nodes for t in node.tensors if isinstance(t, Activation)]
    return {
        "scales": {name: [m.mantissa, m.shift] for name, m in points.items()},
        "functions": {node.name: node.function for node in activations},
    }
