"""Slopes and offsets of a PWL by the index of the piece, as logic or in memory."""

from collections.abc import Sequence

from amaranth.hdl import Array, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rtl.pipeline import delayed
from rtl.pwl_constants import FloorForm
from rtl.pwl_load import PwlSizes

# A look-up of so many constants is one LUT a bit: cheaper in front of an adder than a register.
_ONE_LUT = 16


def choose(values: Sequence[int], shape: Shape, index: Value) -> Value:
    """values[index], as logic that a synthesis does not turn into a memory.

    An index beyond the values gives the last one.
    """
    if len(values) == 1 or len(index) == 0:
        return Const(values[0], shape)
    half = 1 << (len(index) - 1)
    low = choose(values[:half], shape, index[:-1])
    if len(values) <= half:
        return low
    return Mux(index[-1], choose(values[half:], shape, index[:-1]), low)


class ConstantPieces(wiring.Component):
    """Constant slopes and offsets, as logic or for block RAM.

    The index is registered here, in the last cycle of the select; the slope comes LATENCY cycles
    after that, the offset one cycle after the slope.
    Parameters: form (at least two pieces), block.
    Members: index: In, slope: Out, offset: Out.
    """

    LATENCY = 1

    def __init__(self, *, form: FloorForm, block: bool = False):
        self._slopes, self._block = form.slopes, block
        self._offsets = [v % (1 << form.total.width) for v in form.offsets]
        super().__init__(
            {
                "index": In(range(len(form.slopes))),
                "slope": Out(form.slope),
                "offset": Out(form.total.width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if self._block:
            self._rows(m)
            return m
        index = delayed(m, self.index, 1, "index")
        m.d.sync += self.slope.eq(choose(self._slopes, self.slope.shape(), index))
        late = delayed(m, index, 1, "late")
        if len(self._offsets) > _ONE_LUT:
            m.d.sync += self.offset.eq(choose(self._offsets, self.offset.shape(), late))
        else:
            later = delayed(m, late, 1, "later")
            m.d.comb += self.offset.eq(choose(self._offsets, self.offset.shape(), later))
        return m

    def _rows(self, m: Module) -> None:
        """Slopes and offsets in rows: a full case, registered at once, becomes a memory."""
        width = len(self.slope)
        rows = [
            offset << width | slope % (1 << width)
            for slope, offset in zip(self._slopes, self._offsets, strict=True)
        ]
        rows += rows[-1:] * ((1 << len(self.index)) - len(rows))
        row = Signal(width + len(self.offset))
        m.d.sync += [
            row.eq(Array(Const(value, len(row)) for value in rows)[self.index]),
            self.slope.eq(row[:width]),
        ]
        m.d.comb += self.offset.eq(delayed(m, row[width:], 2, "offset"))


class LoadablePieces(wiring.Component):
    """Slopes and offsets in memories, written by the words of a table; else as ConstantPieces.

    Parameters: sizes. Members: load: In(payload of sizes), write: In; index, slope, offset.
    """

    LATENCY = 1

    def __init__(self, *, sizes: PwlSizes, block: bool):
        self._depth, self._block = sizes.pieces, block
        super().__init__(
            {
                "load": In(sizes.layout()),
                "write": In(1),
                "index": In(range(sizes.pieces)),
                "slope": Out(signed(sizes.slope_bits)),
                "offset": Out(sizes.total.width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if self._block:
            # The memory's own register, then one of the fabric: a multiplier is slow enough.
            slope = self._read(m, "slope", self.slope.shape(), self.index)
            index = delayed(m, self.index, 1, "index")
            offset = self._read(m, "offset", self.offset.shape(), index)
            m.d.sync += [self.slope.eq(slope), self.offset.eq(offset)]
        else:
            index = delayed(m, self.index, 1, "index")
            late = delayed(m, index, 1, "late")
            slope = self._read(m, "slope", self.slope.shape(), index)
            offset = self._read(m, "offset", self.offset.shape(), late)
            m.d.comb += [self.slope.eq(slope), self.offset.eq(offset)]
        return m

    def _read(self, m, field: str, shape: Shape, index: Value) -> Value:
        """The registered answer of the memory of one field of a word."""
        attrs = {"ram_style": "block" if self._block else "distributed", "no_rw_check": True}
        memory = Memory(shape=shape, depth=self._depth, init=[], attrs=attrs)
        m.submodules[field] = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.load.address),
            write.data.eq(self.load[field]),
            read.addr.eq(index),
        ]
        return read.data
