"""A netlist of bits: two-input ANDs with inverters, between sources that are not logic.

A literal is 2 * node + inverted; 0 is false, 1 is true. Equal nodes are one node, constants are
folded away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Bits = list[int]  # literals, lowest bit first
FALSE, TRUE = 0, 1


@dataclass(eq=False, slots=True)
class Resource:
    """What is no logic: a port, a flip-flop, a piece of a carry chain, a multiplier, a memory.

    kind: what it counts as; inputs: literals it takes; amount: how many of the kind it is.
    """

    kind: str
    inputs: Bits = field(default_factory=list)
    amount: int = 1


@dataclass(frozen=True, slots=True)
class Source:
    """An output of a resource. arcs: (input literal, delay in ps) of its combinational paths."""

    resource: Resource
    arcs: tuple[tuple[int, int], ...] = ()


class Aig:
    """The nodes, in topological order but for the inputs of registers."""

    def __init__(self) -> None:
        self.fanins: list[tuple[int, int] | None] = [None]
        self.sources: dict[int, Source] = {}
        self.muxes: dict[int, tuple[int, int, int]] = {}
        self._nodes: dict[tuple[int, int], int] = {}

    def source(self, resource: Resource, arcs: Iterable[tuple[int, int]] = ()) -> int:
        """Literal of a new output of a resource."""
        self.fanins.append(None)
        node = len(self.fanins) - 1
        self.sources[node] = Source(resource, tuple(arcs))
        return 2 * node

    def land(self, a: int, b: int) -> int:
        """a & b, with the simplifications that look at the inputs' own inputs."""
        if a > b:
            a, b = b, a
        if a == FALSE or a == b ^ 1:
            return FALSE
        if a in (TRUE, b):
            return b
        for x, y in ((a, b), (b, a)):
            inner = self.fanins[y >> 1]
            if inner is None:
                continue
            if y & 1:
                if x == inner[0] ^ 1 or x == inner[1] ^ 1:
                    return x
                if x == inner[0]:
                    return self.land(x, inner[1] ^ 1)
                if x == inner[1]:
                    return self.land(x, inner[0] ^ 1)
            elif x in inner:
                return y
            elif x ^ 1 in inner:
                return FALSE
        node = self._nodes.get((a, b))
        if node is None:
            self.fanins.append((a, b))
            node = self._nodes[a, b] = len(self.fanins) - 1
        return 2 * node

    def lor(self, a: int, b: int) -> int:
        return self.land(a ^ 1, b ^ 1) ^ 1

    def xor(self, a: int, b: int) -> int:
        if a > b:
            a, b = b, a
        if a <= TRUE:
            return a ^ b
        flip, a, b = (a ^ b) & 1, a & ~1, b & ~1
        return self.land(self.land(a, b) ^ 1, self.land(a ^ 1, b ^ 1) ^ 1) ^ flip

    def mux(self, select: int, high: int, low: int) -> int:
        """select ? high : low; remembered, for flip-flops take some of them in."""
        if select & 1:
            select, high, low = select ^ 1, low, high
        if high == low or select == FALSE:
            return low
        if high == low ^ 1 and high > TRUE:
            return self.xor(select, low)
        if high in self.muxes and self.muxes[high][0] == select:
            high = self.muxes[high][1]
        if low in self.muxes and self.muxes[low][0] == select:
            low = self.muxes[low][2]
        found = self.land(self.land(select, high) ^ 1, self.land(select ^ 1, low) ^ 1) ^ 1
        if found >> 1 not in (high >> 1, low >> 1):
            self.muxes.setdefault(found, (select, high, low))
        return found

    def all(self, bits: Sequence[int]) -> int:
        """AND of any number, as a balanced tree."""
        terms = sorted(set(bits)) or [TRUE]
        while len(terms) > 1:
            pairs = [self.land(a, b) for a, b in zip(terms[::2], terms[1::2], strict=False)]
            terms = pairs + terms[len(pairs) * 2 :]
        return terms[0]

    def any(self, bits: Sequence[int]) -> int:
        return self.all([b ^ 1 for b in bits]) ^ 1

    def parity(self, bits: Sequence[int]) -> int:
        result = FALSE
        for bit in bits:
            result = self.xor(result, bit)
        return result

    def majority(self, a: int, b: int, c: int) -> int:
        return self.lor(self.land(a, b), self.land(c, self.lor(a, b)))

    def live(self, outputs: Iterable[int]) -> "Live":
        """What the outputs need, through resources too."""
        outputs = list(outputs)
        nodes: set[int] = set()
        resources: dict[int, Resource] = {}
        roots = set(outputs)
        stack = [lit >> 1 for lit in roots]
        while stack:
            node = stack.pop()
            if node in nodes or not node:
                continue
            nodes.add(node)
            inner = self.fanins[node]
            if inner is not None:
                stack += [inner[0] >> 1, inner[1] >> 1]
                continue
            resource = self.sources[node].resource
            if id(resource) not in resources:
                resources[id(resource)] = resource
                roots.update(resource.inputs)
                stack += [lit >> 1 for lit in resource.inputs]
        logic = sum(self.fanins[node] is not None for node in nodes)
        return Live(sorted(nodes), list(resources.values()), roots, outputs, logic)


@dataclass(frozen=True, slots=True)
class Live:
    """Nodes in topological order, resources, literals that leave the logic, and of them those that
    are outputs; logic: how many nodes are ANDs."""

    nodes: list[int]
    resources: list[Resource]
    roots: set[int]
    outputs: list[int]
    logic: int

    def count(self, kind: str) -> int:
        return sum(r.amount for r in self.resources if r.kind == kind)
