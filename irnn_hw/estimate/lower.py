"""From an elaborated Amaranth design to a netlist of bits, as a synthesis would read it."""

import sys
from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Fragment
from amaranth.hdl._ir import PortDirection, build_netlist
from amaranth.hdl._nir import (
    AssignmentList,
    FlipFlop,
    Matches,
    Netlist,
    Operator,
    Part,
    PriorityMatch,
    SyncReadPort,
    SyncWritePort,
    Top,
)
from amaranth.lib.wiring import Component, In

from irnn_hw.estimate.aig import FALSE, TRUE, Aig, Bits, Live, Resource
from irnn_hw.estimate.memory import Access
from irnn_hw.estimate.switches import Switches
from irnn_hw.estimate.technology import Technology


def netlist_of(component: Component) -> Netlist:
    """Amaranth's netlist of the component: cells between nets of one bit."""
    ports = {}
    for path, member, value in component.signature.flatten(component):
        way = PortDirection.Input if member.flow == In else PortDirection.Output
        ports["__".join(map(str, path))] = (getattr(value, "as_value", lambda v=value: v)(), way)
    return build_netlist(Fragment.get(component, None), ports=ports, name="unit")


def lower(netlist: Netlist, technology: Technology) -> tuple[Aig, Live]:
    """The bits of a design, with registers that are always equal made one."""
    same: dict[int, int] = {}
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # logic is as deep as it is
    try:
        while True:
            bits = _Lowered(netlist, technology, same)
            found = bits.equal_registers()
            if not found:
                return bits.aig, bits.aig.live(bits.outputs)
            same |= found
    finally:
        sys.setrecursionlimit(limit)


class _Lowered(Switches):
    """The lowering. same: nets of flip-flops -> net of an equal one, or constant."""

    def __init__(self, netlist: Netlist, technology: Technology, same: Mapping[int, int]):
        super().__init__(netlist.cells, technology)
        self._same = same
        self._values: dict[int, Bits] = {}
        self._ports: dict[int, int] = {}
        self._registers: dict[int, tuple[int, Resource]] = {}
        self._todo: list[int] = []
        self._inputs: dict[int, tuple[int, int, int]] = {}
        self.outputs = [self.bit(n) for v in netlist.top.ports_o.values() for n in v]
        while self._todo:
            self._register(self._todo.pop())

    def bit(self, net: int) -> int:
        if net <= 1:
            return int(net)
        net = self._same.get(net, net)
        if net <= 1:
            return int(net)
        cell = self.cells[net >> 16]
        if isinstance(cell, FlipFlop):
            if net not in self._registers:
                resource = Resource("ff")
                self._registers[net] = self.aig.source(resource), resource
                self._todo.append(net)
            return self._registers[net][0]
        at = net >> 16
        if isinstance(cell, Top):
            if net not in self._ports:
                self._ports[net] = self.aig.source(Resource("port"))
            return self._ports[net]
        if at not in self._values:
            self._values[at] = self._cell(cell, at)
        return self._values[at][net & 0xFFFF]

    def _cell(self, cell: Any, at: int) -> Bits:
        if isinstance(cell, Operator):
            return self.operator(cell)
        if isinstance(cell, AssignmentList):
            rom = self.rom(cell)
            if rom is not None:
                return rom
            return self.assigned(self.bits(cell.default), list(cell.assignments), 0)
        if isinstance(cell, Matches):
            return [self.aig.any([self.matches(cell, p) for p in cell.patterns])]
        if isinstance(cell, PriorityMatch):
            taken, result = self.bit(cell.en), Bits()
            for bit in self.bits(cell.inputs):
                result.append(self.aig.land(taken, bit))
                taken = self.aig.land(taken, bit ^ 1)
            return result
        if isinstance(cell, Part):
            return self.part(cell)
        if isinstance(cell, SyncReadPort):
            return self._memory(cell)
        raise NotImplementedError(type(cell).__name__)

    def _memory(self, cell: SyncReadPort) -> Bits:
        memory = self.cells[cell.memory]
        write = next(
            (c for c in self.cells if isinstance(c, SyncWritePort) and c.memory == cell.memory),
            None,
        )
        access = Access(
            memory.width,
            memory.depth,
            str(memory.attributes.get("ram_style", "")),
            Bits() if write is None else self.bits(write.data),
            Bits() if write is None else self.bits(write.addr),
            FALSE if write is None else self.bit(write.en[0]),
            self.bits(cell.addr),
            self.bit(cell.en),
        )
        return self.technology.memory(self.aig, access)

    def _register(self, net: int) -> None:
        """Reset and enable of a flip-flop, and what is left of its data."""
        cell = self.cells[net >> 16]
        bit = net & 0xFFFF
        output, resource = self._registers[net]
        init = cell.init >> bit & 1
        data, reset, enable = self.bit(cell.data[bit]), FALSE, TRUE
        muxes = self.aig.muxes
        while data in muxes:
            select, high, low = muxes[data]
            if high == init and low > TRUE and low != output:
                reset, data = self.aig.lor(reset, select), low
            elif low == init and high > TRUE and high != output:
                reset, data = self.aig.lor(reset, select ^ 1), high
            else:
                break
        if output >> 1 != data >> 1:
            data, enable = self._enabled(data, output)
        self._inputs[net] = data, reset, enable
        if data in self.roms:  # the register of the memory itself
            resource.kind, resource.inputs = "register of a memory", [data, reset, enable]
        elif not self.technology.controlled:
            data = self.aig.mux(enable, data, output)
            resource.inputs = [self.aig.mux(reset, init, data)]
        else:  # An enable may come inverted: that takes no LUT.
            free = enable >> 1 in self.aig.sources
            resource.inputs = [data, reset, enable & ~1 if free else enable]

    def _enabled(self, data: int, output: int) -> tuple[int, int]:
        """Data where the flip-flop takes it, and when it does."""
        if data == output:
            return data, FALSE
        if data not in self.aig.muxes:
            return data, TRUE
        select, high, low = self.aig.muxes[data]
        high_data, high_when = self._enabled(high, output)
        low_data, low_when = self._enabled(low, output)
        if high_when == TRUE and low_when == TRUE:
            return data, TRUE
        when = self.aig.mux(select, high_when, low_when)
        if high_when == FALSE:
            return low_data, when
        if low_when == FALSE:
            return high_data, when
        return self.aig.mux(select, high_data, low_data), when

    def equal_registers(self) -> dict[int, int]:
        """Flip-flops that always hold a constant, or what another one holds."""
        found: dict[int, int] = {}
        first: dict[tuple[int, ...], int] = {}
        for net, (data, reset, enable) in sorted(self._inputs.items()):
            init = self.cells[net >> 16].init >> (net & 0xFFFF) & 1
            if data == init or data == self._registers[net][0]:
                found[net] = init
                continue
            other = first.setdefault((data, reset, enable, init), net)
            if other != net:
                found[net] = other
        return found
