"""A recurrent network in real numbers: nodes, scan after scan, and what they evaluate to.

It is built like the integer model that it becomes (`irnn_hw.quant.quantize`): the same scans, the
same names of tensors. Cells (`irnn_hw.quant.cells`) add their nodes to a scan.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from golden.errors import InputError
from golden.feed import Feed
from golden.operations import State
from irnn_hw.quant.compound import Attend
from irnn_hw.quant.nodes import Dropout, Node, Values
from irnn_hw.quant.params import Float64, Int64

N = TypeVar("N", bound=Node)


@dataclass
class ScanNodes:
    """One walk along a sequence: nodes in order, and states (tensor, source)."""

    sequence: str
    reverse: bool = False
    nodes: list[Node] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)  # of every tensor of the network so far

    def add(self, node: N) -> str:
        """Append a node; its name. Raises InputError for a name that is taken, or an input that is
        unknown."""
        for name in node.inputs:
            self.length(name, node.name)
        for t in node.tensors:
            if t.name in self.lengths:
                raise InputError(f"{t.name}: there are two tensors of this name")
            self.lengths[t.name] = t.length
        self.nodes.append(node)
        return node.name

    def length(self, tensor: str, reader: str) -> int:
        """Of a tensor that a node reads. Raises InputError where it is unknown."""
        if tensor not in self.lengths:
            raise InputError(f"{reader}: reads {tensor}, which no node writes before it")
        return self.lengths[tensor]

    def state(self, name: str, source: str, length: int) -> str:
        """Declare a state, 0 at first, then what `source` held; its name."""
        if name in self.lengths:
            raise InputError(f"{name}: there are two tensors of this name")
        self.states.append(State(name, source))
        self.lengths[name] = length
        return name

    @property
    def own(self) -> list[str]:
        """Tensors of this scan: its states and what its nodes write."""
        written = [t.name for node in self.nodes for t in node.tensors]
        return [*(s.name for s in self.states), *written]


@dataclass
class Network:
    """Scans in order, and the tensors that they yield, the main one first."""

    scans: list[ScanNodes] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def scan(self, sequence: str, reverse: bool = False) -> ScanNodes:
        """Append an empty scan."""
        lengths = self.scans[-1].lengths if self.scans else {}
        self.scans.append(ScanNodes(sequence, reverse, lengths=lengths))
        return self.scans[-1]

    @property
    def nodes(self) -> Iterator[Node]:
        """Of all scans, in order."""
        return (node for scan in self.scans for node in scan.nodes)


def without_dropout(network: Network) -> Network:
    """The network in which readers of a dropout read what it drops from."""
    taken: dict[str, str] = {}
    scans = []
    for scan in network.scans:
        nodes = []
        for node in scan.nodes:
            inputs = tuple(taken.get(name, name) for name in node.inputs)
            if isinstance(node, Dropout):
                taken[node.name] = inputs[0]
            else:
                nodes.append(node if inputs == node.inputs else replace(node, inputs=inputs))
        states = [State(s.name, taken.get(s.source, s.source)) for s in scan.states]
        lengths = {name: n for name, n in scan.lengths.items() if name not in taken}
        scans.append(replace(scan, nodes=nodes, states=states, lengths=lengths))
    return Network(scans, [taken.get(name, name) for name in network.outputs])


@dataclass(frozen=True)
class FloatRun:
    """traces: (batch, T, length) of the tensors asked for; padded steps hold no meaning. ranges:
    smallest and largest value of every tensor over the steps that count. states: as the last step
    left them (batch, length), to go on from."""

    traces: dict[str, Float64]
    ranges: dict[str, tuple[float, float]]
    states: dict[str, Float64]


def run(
    network: Network,
    feeds: Mapping[str, Feed],
    keep: Iterable[str] = (),
    states: Mapping[str, Float64] | None = None,
) -> FloatRun:
    """Evaluate in float64, from states or from zeros; a reverse scan always from zeros. feeds:
    inputs are real numbers (batch, T, length). A kept state is what it held through each step.
    """
    held = dict(states or {})
    wanted = {*keep, *network.outputs}
    kept = wanted | {name for node in network.nodes for name in node.inputs}
    traces: dict[str, Float64] = {}
    ranges: dict[str, tuple[float, float]] = {}
    lengths: dict[str, Int64] = {}
    for scan in network.scans:
        if scan.sequence not in feeds:
            raise InputError(f"feeds: sequence {scan.sequence} is missing; give its feed")
        walk = _Walk(scan, feeds[scan.sequence], traces, lengths)
        traces |= walk.run(kept, ranges, held)
        lengths[scan.sequence] = walk.lengths
    return FloatRun({name: traces[name] for name in wanted if name in traces}, ranges, held)


class _Walk:
    """One scan over a batch."""

    def __init__(
        self,
        scan: ScanNodes,
        feed: Feed,
        traces: Mapping[str, Float64],
        lengths: Mapping[str, Int64],
    ):
        self.scan = scan
        fed = {name: np.asarray(x, np.float64) for name, x in feed.inputs.items()}
        if feed.tokens is not None:
            fed["tokens"] = np.asarray(feed.tokens, np.float64)[..., np.newaxis]
        self.batch, self.steps = next(iter(fed.values())).shape[:2]
        full = np.full(self.batch, self.steps, np.int64)
        self.lengths = full if feed.lengths is None else np.asarray(feed.lengths, np.int64)
        own = set(scan.own)
        reads = {name for node in scan.nodes for name in node.inputs} - own
        self._memory = Values(lengths)
        for name in reads:
            if traces[name].shape[1] == self.steps and not self._attended(name):
                fed[name] = traces[name]
            else:
                self._memory[name] = traces[name]
        self._fed = {name: self._flipped(x) for name, x in fed.items()}

    def _attended(self, name: str) -> bool:
        return any(isinstance(n, Attend) and name in n.inputs[1:] for n in self.scan.nodes)

    def _flipped(self, x: Float64) -> Float64:
        """(batch, T, length) in the order of the walk; padding stays where it is."""
        if not self.scan.reverse:
            return x
        steps = np.arange(self.steps)
        last = self.lengths[:, np.newaxis] - 1
        flipped: Float64 = x[np.arange(self.batch)[:, np.newaxis],
                             np.where(steps <= last, last - steps, steps)]  # fmt: skip
        return flipped

    def run(
        self,
        kept: set[str],
        ranges: dict[str, tuple[float, float]],
        held: dict[str, Float64],
    ) -> dict[str, Float64]:
        """Traces of the kept tensors, in the order of time; widens the ranges, moves what is held
        by the states."""
        traces = {
            name: np.zeros((self.batch, self.steps, self.scan.lengths[name]))
            for name in self.scan.own
            if name in kept
        }
        for state in self.scan.states:
            if state.name not in held or self.scan.reverse:  # which starts at each sequence's end
                held[state.name] = np.zeros((self.batch, self.scan.lengths[state.name]))
        for t in range(self.steps):
            live = t < self.lengths
            values = Values(self._memory.lengths)
            values.update(self._memory)
            values.update({name: x[:, t] for name, x in self._fed.items()})
            values.update({s.name: held[s.name] for s in self.scan.states})
            for node in self.scan.nodes:
                found = node.evaluate(values)
                values.update(found)
                for name, x in found.items() or [(node.name, values[node.name])]:
                    _widen(ranges, name, x[live] if len(x) == self.batch else x)
            for name, trace in traces.items():
                if values[name].shape == trace[:, t].shape:
                    trace[:, t] = values[name]
            held |= {
                s.name: np.where(live[:, np.newaxis], values[s.source], held[s.name])
                for s in self.scan.states
            }
        return {name: self._flipped(x) for name, x in traces.items()}


def _widen(ranges: dict[str, tuple[float, float]], name: str, x: Float64) -> None:
    if x.size:
        low, high = ranges.get(name, (np.inf, -np.inf))
        ranges[name] = min(low, float(x.min())), max(high, float(x.max()))
