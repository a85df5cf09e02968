"""The multiply-accumulate array: R output rows at once, C inputs a cycle, output-stationary."""

from amaranth.hdl import Signal, signed, unsigned
from amaranth.lib.data import ArrayLayout, StructLayout

from golden.npu_config import MAC_ARRAY
from rtl.pipeline import Pipeline, delayed

ACCUMULATOR_BITS = 32


def mac_layout(rows: int, columns: int) -> StructLayout:
    """A beat: C activations, C weights of each of R rows, and where the tile begins and ends."""
    return StructLayout(
        {
            "x": ArrayLayout(unsigned(8), columns),
            "w": ArrayLayout(ArrayLayout(signed(8), columns), rows),
            "first": 1,
            "last": 1,
        }
    )


class MacArray(Pipeline):
    """``acc[r] = sum over a tile's beats of sum_c x[c] * w[r][c]``, `first` beat to `last`.

    LATENCY cycles from the last beat to its output; one beat a cycle, and the next tile may start
    in the cycle after. x are the raw codes: their zero point is folded into the bias. Accumulators
    wrap, and export proves that no row can: ``accumulate(spec, x) - folded_bias`` of golden/linear.

    Parameters: rows, columns. Members: i: In(stream of {x, w, first, last}),
    o: Out(stream of rows accumulators), valid for last beats only.
    """

    LATENCY = MAC_ARRAY

    def __init__(self, *, rows: int, columns: int):
        self._rows, self._columns = rows, columns
        super().__init__(mac_layout(rows, columns), ArrayLayout(signed(ACCUMULATOR_BITS), rows))

    def datapath(self, m, valid):
        i = self.i.payload
        first = delayed(m, i.first, 2, "first")
        last = delayed(m, i.last, 3, "last")
        m.d.comb += self.o.valid.eq(valid[3] & last)
        for r in range(self._rows):
            # Cycle 1: products. |x w| <= 255 * 128 fits 16 bits signed.
            products = [Signal(signed(16), name=f"product_{r}_{c}") for c in range(self._columns)]
            m.d.sync += [p.eq(i.x[c] * i.w[r][c]) for c, p in enumerate(products)]
            # Cycle 2: their sum, exact.
            total = Signal(signed(16 + self._columns.bit_length()), name=f"total_{r}")
            m.d.sync += total.eq(_tree(products))
            # Cycle 3: accumulate; a new tile starts from zero.
            acc = Signal(signed(ACCUMULATOR_BITS), name=f"acc_{r}")
            with m.If(valid[2]):
                with m.If(first):
                    m.d.sync += acc.eq(total)
                with m.Else():
                    m.d.sync += acc.eq(acc + total)
            m.d.comb += self.o.payload[r].eq(acc)


def _tree(terms):
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(pairs) * 2 :]
    return terms[0]
