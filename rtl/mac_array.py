"""The multiply-accumulate array: R output rows at once, C inputs a cycle, output-stationary."""

from amaranth.hdl import Mux, Signal, signed, unsigned
from amaranth.lib.data import ArrayLayout, StructLayout

from golden.errors import InputError
from golden.npu_config import MAC_ARRAY
from golden.weights import FORMATS, WeightFormat
from rtl.mac_lanes import (
    NARROWEST,
    WIDEST,
    Lanes,
    PackedProducts,
    Products,
    Shifts,
    add,
    reduce,
    register,
)
from rtl.pipeline import Pipeline, delayed

ACCUMULATOR_BITS = 32


def mac_layout(rows: int, columns: int, weight_format: str = "int8") -> StructLayout:
    """A beat: C activations, C weights of each of R rows, and where the tile begins and ends.

    Weights are int8, or codes of `golden.weights.FORMATS`. Raises InputError for other formats.
    """
    weight = signed(8) if weight_format == "int8" else unsigned(_form(weight_format).bits)
    return StructLayout(
        {
            "x": ArrayLayout(unsigned(8), columns),
            "w": ArrayLayout(ArrayLayout(weight, columns), rows),
            "first": 1,
            "last": 1,
        }
    )


class MacArray(Pipeline):
    """``acc[r] = sum over a tile's beats of sum_c x[c] * w[r][c]``, `first` beat to `last`.

    LATENCY cycles from the last beat to its output; one beat a cycle, and the next tile may start
    in the cycle after. x are the raw codes: their zero point is folded into the bias. Accumulators
    wrap, and export proves that no row can: ``accumulate(spec, x) - folded_bias`` of golden/linear.

    Parameters: rows, columns; weight_format: int8, or a name of `golden.weights.FORMATS`, whose
    codes w then carries, and no multiplier is used; packed: for int8, the bits of a multiplier's
    wider operand, 16 to 24: each multiplies for two rows. Raises InputError for others.
    Members: i: In(stream of {x, w, first, last}), o: Out(stream of rows accumulators), valid for
    last beats only.
    """

    LATENCY = MAC_ARRAY

    def __init__(
        self, *, rows: int, columns: int, weight_format: str = "int8", packed: int | None = None
    ):
        self._lanes = _lanes(weight_format, packed)
        super().__init__(
            mac_layout(rows, columns, weight_format),
            ArrayLayout(signed(ACCUMULATOR_BITS), rows),
        )

    def datapath(self, m, valid):
        i = self.i.payload
        first = delayed(m, i.first, 2, "first")
        last = delayed(m, i.last, 3, "last")
        m.d.comb += self.o.valid.eq(valid[3] & last)
        # Cycle 1: what the lanes make of the operands.
        for r, terms in enumerate(self._lanes.terms(m, i.x, i.w)):
            # Cycle 2: their sum, exact; at most one carry is left.
            value, left = reduce(*terms)
            total = register(m, value, f"total_{r}")
            carries = [register(m, carry, f"carry_{r}") for carry in left]
            # Cycle 3: accumulate; a new tile starts from zero.
            acc = Signal(signed(ACCUMULATOR_BITS), name=f"acc_{r}", reset_less=True)
            start = Mux(first, 0, acc)
            with m.If(valid[2]):
                m.d.sync += acc.eq(add(start, total, *carries) if carries else start + total)
            m.d.comb += self.o.payload[r].eq(acc)


def _form(name: str) -> WeightFormat:
    if name not in FORMATS:
        known = ", ".join(["int8", *FORMATS])
        raise InputError(f"weight_format: {name} is not one of {known}")
    return FORMATS[name]


def _lanes(weight_format: str, packed: int | None) -> Lanes:
    if packed is not None and weight_format != "int8":
        raise InputError(f"packed: {weight_format} weights take no multiplier; leave it out")
    if packed is not None and not NARROWEST <= packed <= WIDEST:
        raise InputError(f"packed: {packed} is not in {NARROWEST}..{WIDEST} bits of an operand")
    if weight_format != "int8":
        return Shifts(_form(weight_format))
    return Products() if packed is None else PackedProducts(packed)
