"""Piecewise linear activation of one constant table (Eq. 24): select, look up, multiply-add."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from golden.activation import PwlSpec
from rtl.pipeline import Pipeline, delayed
from rtl.pwl_bank import ConstantBank
from rtl.pwl_constants import floor_form
from rtl.pwl_constants import offsets as offsets
from rtl.pwl_datapath import PwlDatapath
from rtl.pwl_pieces import ConstantPieces
from rtl.pwl_search import ConstantSearch, levels


class PwlBank(wiring.Component):
    """``index = number of interior knots <= q``, registered: 1 cycle, one comparator a knot.

    A table of fewer pieces repeats its last knot and its last segment: the index may then be any
    of the copies. Parameters: bits of a code, pieces.
    Members: q: In(bits), knots: In(pieces - 1 interior knots), index: Out.
    """

    LATENCY = 1

    def __init__(self, *, bits: int, pieces: int):
        super().__init__(
            {
                "q": In(bits),
                "knots": In(ArrayLayout(bits, pieces - 1)),
                "index": Out(range(pieces)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.index.eq(sum(self.q >= knot for knot in self.knots))
        return m


class ConstantPwl(Pipeline):
    """``pwl(spec, q)`` of golden/activation.py for one constant table; a subclass has the select.

    LATENCY is that of select + look-up of a piece's constants + datapath. One code a cycle.
    Parameters: the PwlSpec; block: slopes and offsets in block RAM instead of logic.
    Members: i: In(stream of in_bits), o: Out(stream of out_bits).
    """

    def __init__(self, *, spec: PwlSpec, block: bool = False):
        self._bits, self._block, self._form = (spec.in_bits, spec.out_bits), block, floor_form(spec)
        self.LATENCY = (
            self.select_latency(spec.pieces) + ConstantPieces.LATENCY + PwlDatapath.cycles(False)
        )
        super().__init__(*self._bits)

    def select_latency(self, pieces: int) -> int:
        """Cycles of the select, that of the index's register included."""
        raise NotImplementedError

    def select(self, bits: int, knots: tuple[int, ...]) -> wiring.Component:
        """The component that finds the piece of a code; knots: of all pieces, at least two."""
        raise NotImplementedError

    def datapath(self, m, valid):
        form, (in_bits, out_bits) = self._form, self._bits
        m.submodules.select = select = self.select(in_bits, form.knots)
        m.submodules.pieces = pieces = ConstantPieces(form=form, block=self._block)
        m.submodules.datapath = datapath = PwlDatapath(
            in_bits=in_bits,
            out_bits=out_bits,
            slope=form.slope,
            total=form.total,
            shift=form.shift,
        )
        m.d.comb += [
            select.q.eq(self.i.payload),
            pieces.index.eq(select.index),
            datapath.q.eq(delayed(m, select.q_out, pieces.LATENCY, "q")),
            datapath.slope.eq(pieces.slope),
            datapath.offset.eq(pieces.offset),
            self.o.payload.eq(datapath.y),
        ]


class Pwl(ConstantPwl):
    """A constant table behind a comparator bank: LATENCY 4.

    Parameters and members: see ConstantPwl.
    """

    def select_latency(self, pieces):
        return ConstantBank.LATENCY

    def select(self, bits, knots):
        return ConstantBank(bits=bits, knots=knots[1:])


class PwlSearch(ConstantPwl):
    """A constant table behind a binary search: LATENCY 3 + ceil(log2(pieces)), at least 4.

    Parameters and members: see ConstantPwl.
    """

    def select_latency(self, pieces):
        return levels(pieces)

    def select(self, bits, knots):
        return ConstantSearch(bits=bits, knots=knots)
