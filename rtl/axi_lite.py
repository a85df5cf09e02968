"""AXI4-Lite subordinate: one transfer at a time, turned into plain register accesses."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

OKAY, SLVERR = 0, 2


_PORTS = {
    "awaddr": In(32),
    "awprot": In(3),
    "awvalid": In(1),
    "awready": Out(1),
    "wdata": In(32),
    "wstrb": In(4),
    "wvalid": In(1),
    "wready": Out(1),
    "bresp": Out(2),
    "bvalid": Out(1),
    "bready": In(1),
    "araddr": In(32),
    "arprot": In(3),
    "arvalid": In(1),
    "arready": Out(1),
    "rdata": Out(32),
    "rresp": Out(2),
    "rvalid": Out(1),
    "rready": In(1),
}


def axi_lite_members(prefix: str, address_bits: int) -> dict:
    """The ports of a 32-bit subordinate, under the names of the AXI4-Lite specification."""
    widths = {"awaddr": In(address_bits), "araddr": In(address_bits)}
    return {f"{prefix}_{name}": widths.get(name, member) for name, member in _PORTS.items()}


class AxiLite(wiring.Component):
    """Address and data of a write are taken together, and answered in the next cycle.

    Only whole words are written: other strobes answer SLVERR and write nothing, as does an address
    that `write_error` or `read_error` refuses in the cycle of the access.

    Parameters: prefix of the bus ports, address_bits.
    Members: the bus; write, write_address, write_data, write_error; read, read_address, read_data
    (of the same cycle), read_error.
    """

    def __init__(self, *, prefix: str, address_bits: int):
        self._prefix = prefix
        super().__init__(
            {
                **axi_lite_members(prefix, address_bits),
                "write": Out(1),
                "write_address": Out(address_bits),
                "write_data": Out(32),
                "write_error": In(1),
                "read": Out(1),
                "read_address": Out(address_bits),
                "read_data": In(32),
                "read_error": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bus = {name: getattr(self, f"{self._prefix}_{name}") for name in _PORTS}
        taken = Signal()
        whole = bus["wstrb"] == 0xF
        m.d.comb += [
            taken.eq(bus["awvalid"] & bus["wvalid"] & (~bus["bvalid"] | bus["bready"])),
            bus["awready"].eq(taken),
            bus["wready"].eq(taken),
            self.write.eq(taken & whole),
            self.write_address.eq(bus["awaddr"]),
            self.write_data.eq(bus["wdata"]),
            bus["arready"].eq(~bus["rvalid"] | bus["rready"]),
            self.read.eq(bus["arvalid"] & bus["arready"]),
            self.read_address.eq(bus["araddr"]),
        ]
        with m.If(taken):
            refused = self.write_error | ~whole
            m.d.sync += [bus["bvalid"].eq(1), bus["bresp"].eq(Mux(refused, SLVERR, OKAY))]
        with m.Elif(bus["bready"]):
            m.d.sync += bus["bvalid"].eq(0)
        with m.If(self.read):
            m.d.sync += [
                bus["rvalid"].eq(1),
                bus["rdata"].eq(self.read_data),
                bus["rresp"].eq(Mux(self.read_error, SLVERR, OKAY)),
            ]
        with m.Elif(bus["rready"]):
            m.d.sync += bus["rvalid"].eq(0)
        return m
