"""An activation as a plain table of every code: one read, no arithmetic."""

from amaranth.hdl import Signal
from amaranth.lib.data import StructLayout
from amaranth.lib.memory import Memory

from golden.activation import LutSpec
from golden.errors import InputError
from rtl.pipeline import Pipeline
from rtl.pwl_pieces import choose


class PwlTable(Pipeline):
    """``look_up(spec, q)`` of golden/activation.py for one constant table, as logic: LATENCY 1.

    One code a cycle. Parameters: the LutSpec of an 8-bit input, that of a PWL being
    ``tabulate(spec)``. Raises InputError for 16 bits: such a table is loaded.
    Members: i: In(stream of in_bits), o: Out(stream of out_bits).
    """

    LATENCY = 1

    def __init__(self, *, spec: LutSpec):
        if spec.in_bits > 8:
            raise InputError(f"table: {spec.in_bits}-bit input as logic; use LoadablePwlTable")
        self._spec = spec
        super().__init__(spec.in_bits, spec.out_bits)

    def datapath(self, m, valid):
        shape, q = self.o.payload.shape(), self.i.payload
        y = Signal(shape)
        # Cycle 1.
        m.d.sync += y.eq(choose(self._spec.table, shape, q))
        m.d.comb += self.o.payload.eq(y)


def table_layout(in_bits: int, out_bits: int) -> StructLayout:
    """A payload: a code q, or, where write is set, data for entry q and no code."""
    return StructLayout({"q": in_bits, "write": 1, "data": out_bits})


def table_words(spec: LutSpec) -> list[dict[str, int]]:
    """The payloads that load a table."""
    return [{"q": q, "write": 1, "data": y} for q, y in enumerate(spec.table)]


class LoadablePwlTable(Pipeline):
    """PwlTable for the table loaded, in a memory.

    A table is the payloads of ``table_words(spec)``, in any order; a code may follow in the cycle
    after the last. One payload a cycle; a word of a table gives no output. LATENCY 1.

    Parameters: in_bits, out_bits.
    Members: i: In(stream of table_layout), o: Out(stream of out_bits).
    """

    LATENCY = 1

    def __init__(self, *, in_bits: int = 8, out_bits: int = 8):
        self._in_bits, self._out_bits = in_bits, out_bits
        super().__init__(table_layout(in_bits, out_bits), out_bits)

    def datapath(self, m, valid):
        i = self.i.payload
        # Cycle 1: the memory's own register.
        m.submodules.table = table = Memory(
            shape=self._out_bits, depth=1 << self._in_bits, init=[], attrs={"no_rw_check": True}
        )
        write, read = table.write_port(), table.read_port()
        m.d.sync += valid[1].eq(valid[0] & ~i.write)
        m.d.comb += [
            write.en.eq(valid[0] & i.write),
            write.addr.eq(i.q),
            write.data.eq(i.data),
            read.addr.eq(i.q),
            self.o.payload.eq(read.data),
        ]
