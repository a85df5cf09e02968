"""Assignments under switches as multiplexers; those of constants as memories."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl._nir import AssignmentList, Matches

from irnn_hw.estimate.aig import TRUE, Bits, Resource
from irnn_hw.estimate.operators import Operators
from irnn_hw.estimate.technology import Technology

_FEWEST_ROWS = 8  # of a switch that becomes a memory


class Switches(Operators):
    """Adds the cells of processes. roms: bits that memories of constants give."""

    def __init__(self, cells: Sequence[Any], technology: Technology):
        super().__init__(cells, technology)
        self.roms: dict[int, Resource] = {}

    def assigned(self, current: Bits, assignments: list[Any], depth: int) -> Bits:
        """A list of assignments under switches, as multiplexers in the order of the cases."""
        done = 0
        while done < len(assignments):
            path = self._path(assignments[done].cond)
            if len(path) <= depth:
                one = assignments[done]
                value = self.bits(one.value)
                current = [*current[: one.start], *value, *current[one.start + len(value) :]]
                done += 1
                continue
            switch = path[depth][0]
            begin = done
            cases: dict[int, list[Any]] = {}
            while done < len(assignments):
                path = self._path(assignments[done].cond)
                if len(path) <= depth or path[depth][0] != switch:
                    break
                cases.setdefault(path[depth][1], []).append(assignments[done])
                done += 1
            assert done > begin
            current = self._switch(current, self.cells[switch], cases, depth)
        return current

    def rom(self, cell: AssignmentList) -> Bits | None:
        """A switch between constants that becomes a memory of constants; else None."""
        rows = cell.assignments
        paths = [self._path(row.cond) for row in rows]
        if len(rows) < _FEWEST_ROWS or any(len(p) != 1 or p[0][0] != paths[0][0][0] for p in paths):
            return None
        if not all(net <= 1 for row in rows for net in row.value):
            return None
        switch = self.cells[paths[0][0][0]]
        patterns = self._patterns(switch.inputs)
        if patterns is None:
            return None
        address = self.bits(patterns[0])
        kind, amount = self.technology.rom(1 << len(address), len(cell.default))
        if not amount:
            return None
        resource = Resource(kind, address, amount)
        bits = [self.aig.source(resource) for _ in cell.default]
        self.roms.update(dict.fromkeys(bits, resource))
        return bits

    def _switch(self, current: Bits, switch: Any, cases: dict[int, list[Any]], depth: int) -> Bits:
        values = [
            self.assigned(current, cases[n], depth + 1) if n in cases else current
            for n in range(len(switch.inputs))
        ]
        patterns = self._patterns(switch.inputs)
        if patterns is not None:
            value, rows = patterns
            values = [values[n] for n, _ in rows] + [current]
            return self._split(self.bits(value), [p for _, p in rows], values, {})
        result = current
        for net, value in zip(reversed(switch.inputs), reversed(values), strict=True):
            result = self._muxes(self.bit(net), value, result)
        return result

    def _muxes(self, select: int, high: Bits, low: Bits) -> Bits:
        return [self.aig.mux(select, h, v) for h, v in zip(high, low, strict=True)]

    def _patterns(self, nets: Sequence[int]) -> tuple[Any, list[tuple[int, str]]] | None:
        """The value of a switch, and (case, pattern) in order; None: no switch of one value."""
        rows, value = [], None
        for n, net in enumerate(nets):
            cell = self.cells[net >> 16] if net > 1 else None
            if net == TRUE and value is not None:
                rows.append((n, "-" * len(value)))
                break
            if not isinstance(cell, Matches) or value not in (None, cell.value):
                return None
            value = cell.value
            rows += [(n, pattern) for pattern in cell.patterns]
        return (value, rows) if value is not None and len(value) > 1 else None

    def _split(
        self, bits: Bits, patterns: list[str], values: list[Bits], known: dict[str, Bits]
    ) -> Bits:
        """The value of the first pattern that matches, decided from the highest bit on."""
        if not patterns or set(patterns[0]) <= {"-"}:
            return values[0]
        key = repr((patterns, [id(v) for v in values]))
        if key not in known:
            halves = []
            for digit in "10":
                kept = [n for n, p in enumerate(patterns) if p[0] in (digit, "-")]
                rest = [patterns[n][1:] for n in kept]
                chosen = [values[n] for n in (*kept, len(patterns))]
                halves.append(self._split(bits[:-1], rest, chosen, known))
            known[key] = self._muxes(bits[-1], *halves)
        return known[key]

    def _path(self, condition: int) -> list[tuple[int, int]]:
        """The (switch, case) around an assignment, the outermost first."""
        path = []
        while condition > 1:
            at = condition >> 16
            path.append((at, condition & 0xFFFF))
            condition = self.cells[at].en
        return path[::-1]
