"""Piecewise linear activation of a table that is loaded at run time (Eq. 24)."""

from amaranth.hdl import Signal, signed
from amaranth.lib import wiring

from golden.errors import InputError
from rtl.pipeline import Pipeline, delayed
from rtl.pwl_bank import LoadableBank
from rtl.pwl_datapath import PwlDatapath
from rtl.pwl_load import PwlSizes
from rtl.pwl_pieces import LoadablePieces
from rtl.pwl_search import LoadableSearch, levels

# Pieces whose constants stay in LUT memory: a block RAM for so few is a waste.
DISTRIBUTED = 16


class LoadableUnit(Pipeline):
    """``pwl(spec, q)`` of golden/activation.py for the table loaded; a subclass has the select.

    A table is the payloads of ``sizes.words(spec)``, in any order, while no code is on its way; a
    code may follow in the cycle after the last. One payload a cycle; a word of a table gives no
    output. LATENCY is that of select + look-up of a piece's constants + datapath.

    Parameters: sizes.
    Members: i: In(stream of sizes.layout()), o: Out(stream of out_bits).
    """

    def __init__(self, *, sizes: PwlSizes):
        self._sizes = sizes
        self.LATENCY = (
            self.select_latency(sizes.pieces)
            + LoadablePieces.LATENCY
            + PwlDatapath.cycles(sizes.tie)
        )
        super().__init__(sizes.layout(), sizes.out_bits)

    def select_latency(self, pieces: int) -> int:
        """Cycles of the select, that of the index's register included."""
        raise NotImplementedError

    def parts(self) -> tuple[wiring.Component, LoadablePieces]:
        """The select, and the memories of the constants."""
        raise NotImplementedError

    def datapath(self, m, valid):
        i, sizes = self.i.payload, self._sizes
        m.submodules.select, m.submodules.pieces = select, pieces = self.parts()
        m.submodules.datapath = datapath = PwlDatapath(
            in_bits=sizes.in_bits,
            out_bits=sizes.out_bits,
            slope=signed(sizes.slope_bits),
            total=sizes.total,
            shift=sizes.shift,
            tie=sizes.tie,
        )
        write = valid[0] & i.write
        m.d.sync += valid[1].eq(valid[0] & ~i.write)
        if sizes.tie:
            zero_point = Signal.like(datapath.zero_point)
            with m.If(write):
                m.d.sync += zero_point.eq(i.zero_point)
            m.d.comb += datapath.zero_point.eq(zero_point)
        m.d.comb += [
            select.load.eq(i),
            select.write.eq(write),
            select.q.eq(i.q),
            pieces.load.eq(i),
            pieces.write.eq(write),
            pieces.index.eq(select.index),
            datapath.q.eq(delayed(m, select.q_out, pieces.LATENCY, "q")),
            datapath.slope.eq(pieces.slope),
            datapath.offset.eq(pieces.offset),
            self.o.payload.eq(datapath.y),
        ]


class LoadablePwl(LoadableUnit):
    """A loadable table behind a comparator bank, knots in registers: LATENCY 6, 5 from 8 to 8 bits.

    Parameters: sizes. Members: see LoadableUnit.
    """

    def select_latency(self, pieces):
        return LoadableBank.LATENCY

    def parts(self):
        sizes = self._sizes
        return LoadableBank(sizes=sizes), LoadablePieces(sizes=sizes, block=False)


class LoadablePwlSearch(LoadableUnit):
    """A loadable table behind a binary search: LATENCY 4 + log2(pieces), one less
    from 8 to 8 bits.

    Parameters: sizes, of which pieces is a power of two. Raises InputError where it is not.
    Members: see LoadableUnit.
    """

    def select_latency(self, pieces):
        if pieces & (pieces - 1):
            held = 1 << levels(pieces)
            raise InputError(f"PWL unit: pieces is {pieces}; a search holds {held}")
        return levels(pieces)

    def parts(self):
        sizes = self._sizes
        block = sizes.pieces > DISTRIBUTED
        return LoadableSearch(sizes=sizes), LoadablePieces(sizes=sizes, block=block)
