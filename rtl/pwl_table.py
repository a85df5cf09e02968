"""An activation as a plain table of every code: one read, no arithmetic."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.data import StructLayout
from amaranth.lib.memory import Memory

from golden.activation import LutSpec
from rtl.pipeline import Pipeline, delayed
from rtl.pwl_pieces import choose

ROW_BITS = 4  # of a 16-bit code, that choose within a row of a memory


class PwlTable(Pipeline):
    """``look_up(spec, q)`` of golden/activation.py for one constant table: LATENCY 1.

    One code a cycle. The table of an 8-bit input is logic, that of a 16-bit input an initialized
    memory of 2^12 rows of 16 codes: synthesis reads rows slowly, not their width.
    Parameters: the LutSpec, that of a PWL being ``tabulate(spec)``.
    Members: i: In(stream of in_bits), o: Out(stream of out_bits).
    """

    LATENCY = 1

    def __init__(self, *, spec: LutSpec):
        self._spec = spec
        super().__init__(spec.in_bits, spec.out_bits)

    def datapath(self, m, valid):
        spec, q = self._spec, self.i.payload
        # Cycle 1: the register of the table, or the memory's own.
        if spec.in_bits > 8:
            m.d.comb += self.o.payload.eq(self._read(m, q))
        else:
            y = Signal(spec.out_bits)
            m.d.sync += y.eq(choose(spec.table, y.shape(), q))
            m.d.comb += self.o.payload.eq(y)

    def _read(self, m: Module, q: Value):
        """The entry of a code, a cycle later."""
        bits, table = self._spec.out_bits, self._spec.table
        rows = [
            sum(y << (bits * n) for n, y in enumerate(table[start : start + (1 << ROW_BITS)]))
            for start in range(0, len(table), 1 << ROW_BITS)
        ]
        m.submodules.table = memory = Memory(shape=bits << ROW_BITS, depth=len(rows), init=rows)
        read = memory.read_port()
        m.d.comb += read.addr.eq(q[ROW_BITS:])
        return read.data.word_select(delayed(m, q[:ROW_BITS], 1, "place"), bits)


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
