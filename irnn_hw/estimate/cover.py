"""The logic of a netlist covered with look-up tables: delay first, then area where there is slack.

Priority cuts (Mishchenko, Cho, Chatterjee, Brayton: Combinational and Sequential Mapping with
Priority Cuts, ICCAD 2007): a few cuts a node; the best by arrival, then by area flow within the
required times, then by the area that a node's cut has alone.
"""

from irnn_hw.estimate.aig import TRUE, Aig, Live
from irnn_hw.estimate.technology import Technology

Leaves = frozenset[int]
_KEPT = 8  # cuts of a node
_FOREVER = 1e9


def lut_area(aig: Aig, live: Live, technology: Technology) -> int:
    """Area of the look-up tables, those included that only invert a source."""
    return _Cover(aig, live, technology).area() + _inverters(aig, live)


def _inverters(aig: Aig, live: Live) -> int:
    """A source that leaves the logic inverted, and a node that leaves it both ways."""
    result = 0
    for root in live.roots:
        if root & 1 and root > TRUE:
            result += root >> 1 in aig.sources or root ^ 1 in live.roots
    return result


class _Cover:
    def __init__(self, aig: Aig, live: Live, technology: Technology):
        self._live, self._technology = live, technology
        self._sources = aig.sources
        self._roots = {root >> 1 for root in live.roots if root > TRUE}
        size = len(aig.fanins)
        self._estimate = [0.0] * size
        for node in live.nodes:
            for lit in aig.fanins[node] or ():
                self._estimate[lit >> 1] += 1
        for root in self._roots:
            self._estimate[root] += 1
        self._arrival, self._flow = [0.0] * size, [0.0] * size
        self._cuts: list[list[Leaves]] = [[frozenset()]] + [[]] * (size - 1)
        self._best: list[Leaves] = [frozenset()] * size
        self._end = 0.0
        self._required = [_FOREVER] * size
        for by_delay in (True, False):
            self._enumerate(aig, by_delay)
            self._require()
        for _ in range(2):
            self._by_area()
            self._require()

    def _source(self, node: int) -> None:
        arrival = self._arrival
        arcs = self._sources[node].arcs
        arrival[node] = max([arrival[v >> 1] + d for v, d in arcs], default=0.0)

    def _late(self, leaves: Leaves) -> float:
        """When a LUT of these leaves answers: its fastest input takes the latest of them."""
        arrival, technology = self._arrival, self._technology
        times = sorted([arrival[v] for v in leaves], reverse=True)
        delays = technology.luts[len(times)][1]
        return max(map(float.__add__, times, delays), default=0.0) + technology.wire

    def _enumerate(self, aig: Aig, by_delay: bool) -> None:
        """The cuts of every node: by arrival, or by area flow where it is early enough."""
        luts, flow, late = self._technology.luts, self._flow, self._late
        most, cuts, areas = len(luts), self._cuts, [area for area, _ in luts]
        for node in self._live.nodes:
            inner = aig.fanins[node]
            if inner is None:
                self._source(node)
                cuts[node] = [frozenset((node,))]
                continue
            merged = {a | b for a in cuts[inner[0] >> 1] for b in cuts[inner[1] >> 1]}
            latest = self._required[node]
            if not by_delay:
                merged.add(self._best[node])
            found = [
                (late(c), len(c), areas[len(c)] + sum([flow[v] for v in c]), c)
                for c in merged
                if len(c) < most
            ]
            if by_delay:
                found.sort(key=lambda cut: cut[:3])
            else:
                found.sort(key=lambda cut: (cut[0] > latest, cut[2], cut[0]))
            kept = found[:_KEPT]
            self._arrival[node], _, area, self._best[node] = kept[0]
            flow[node] = area / max(self._estimate[node], 1)
            cuts[node] = [*[c[3] for c in kept], frozenset((node,))]

    def _by_area(self) -> None:
        """A cut's own area is that of the LUTs which nothing else uses."""
        count = self._count
        for node in self._live.nodes:
            if node in self._sources:
                self._source(node)
                continue
            if count[node]:
                self._release(self._best[node])
            latest, best = self._required[node], None
            for leaves in self._cuts[node][:-1]:
                at = self._late(leaves)
                area = self._take(leaves)
                self._release(leaves)
                new = (at > latest, area, at)
                if best is None or new < best:
                    best, self._best[node] = new, leaves
            assert best is not None
            self._arrival[node] = best[2]
            if count[node]:
                self._take(self._best[node])

    def _take(self, leaves: Leaves) -> int:
        """Use a cut; what it adds to the area."""
        area, count = self._technology.luts[len(leaves)][0], self._count
        for v in leaves:
            count[v] += 1
            if count[v] == 1 and v not in self._sources:
                area += self._take(self._best[v])
        return area

    def _release(self, leaves: Leaves) -> None:
        count = self._count
        for v in leaves:
            count[v] -= 1
            if not count[v] and v not in self._sources:
                self._release(self._best[v])

    def _require(self) -> None:
        """How often each node is used, and when it is required at the latest."""
        arrival, wire, luts = self._arrival, self._technology.wire, self._technology.luts
        if not self._end:
            latest = max([arrival[r] for r in self._roots], default=0.0)
            self._end = self._technology.slack * latest
        end = self._end
        required = [_FOREVER] * len(arrival)
        count = [0] * len(arrival)
        for root in self._roots:
            required[root], count[root] = end, 1
        for node in reversed(self._live.nodes):
            source = self._sources.get(node)
            if source is not None:
                for lit, delay in source.arcs:
                    required[lit >> 1] = min(required[lit >> 1], required[node] - delay)
            elif count[node]:
                leaves = sorted(self._best[node], key=arrival.__getitem__, reverse=True)
                at = required[node] - wire
                for leaf, delay in zip(leaves, luts[len(leaves)][1], strict=True):
                    required[leaf] = min(required[leaf], at - delay)
                    count[leaf] += 1
        self._required, self._count = required, count
        self._estimate = [(2 * e + c) / 3 for e, c in zip(self._estimate, count, strict=True)]

    def area(self) -> int:
        luts, best = self._technology.luts, self._best
        return sum(
            luts[len(best[n])][0]
            for n in self._live.nodes
            if self._count[n] and n not in self._sources
        )
