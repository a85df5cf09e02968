"""Trees of ANDs made as shallow as can be, the late inputs next to the root."""

from bisect import insort

from irnn_hw.estimate.aig import Aig, Live, Resource

_AND_DELAY = 250  # ps: its part of a LUT and the wire to it


def balanced(aig: Aig, live: Live) -> tuple[Aig, Live]:
    """The same netlist, balanced."""
    made = _Balanced(aig, live)
    return made.new, made.new.live([made.literal(root) for root in live.outputs])


class _Balanced:
    def __init__(self, aig: Aig, live: Live):
        self.new, self._old = Aig(), aig
        self._made: dict[int, int] = {0: 0}
        self._late: dict[int, int] = {0: 0}  # ps, by new node
        self._resources: dict[int, Resource] = {}
        self._fixed = {root >> 1 for root in live.roots}
        seen: set[int] = set()
        for lit in (lit for node in live.nodes for lit in aig.fanins[node] or ()):
            if lit & 1 or lit >> 1 in seen:
                self._fixed.add(lit >> 1)
            seen.add(lit >> 1)
        for node in live.nodes:
            if aig.fanins[node] is None:
                self._source(node)
            else:
                self._tree(node)
        for old in live.resources:
            self._resources[id(old)].inputs = [self.literal(v) for v in old.inputs]

    def literal(self, old: int) -> int:
        return self._made[old >> 1] ^ old & 1

    def _source(self, node: int) -> None:
        source = self._old.sources[node]
        old = source.resource
        new = self._resources.setdefault(id(old), Resource(old.kind, [], old.amount))
        arcs = [(self.literal(v), d) for v, d in source.arcs if v >> 1 in self._made]
        self._made[node] = self.new.source(new, arcs)
        late = max([self._late[v >> 1] + d for v, d in arcs], default=0)
        self._late[self._made[node] >> 1] = late

    def _tree(self, node: int) -> None:
        """An AND of its leaves, the two earliest first."""
        terms = [self.literal(leaf) for leaf in self._leaves(2 * node, True)]
        queue = sorted((self._late[term >> 1], term) for term in terms)
        while len(queue) > 1:
            (_, a), (late, b), *queue = queue
            both = self.new.land(a, b)
            self._late.setdefault(both >> 1, late + _AND_DELAY)
            insort(queue, (self._late[both >> 1], both))
        self._made[node] = queue[0][1]

    def _leaves(self, lit: int, top: bool) -> list[int]:
        """What an AND ends at: sources, inverters, and what others use too."""
        inner = self._old.fanins[lit >> 1]
        if inner is None or (not top and lit >> 1 in self._fixed):
            return [lit]
        return self._leaves(inner[0], False) + self._leaves(inner[1], False)
