"""The write port of the loadable PWL units, and the words that load a table through it."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Shape, signed
from amaranth.lib.data import StructLayout

from golden.activation import PwlSpec, pwl
from golden.errors import InputError
from rtl.pwl_constants import Bounds, piece_lines

# (in_bits, out_bits) -> slope_bits and shift. Every fit of the functions at up to 160 pieces has
# constants of these (tests/test_rtl_pwl_tables.py), and one multiplier of 18 bits is enough but
# for 8 to 16 bits, where a piece climbs by up to 2^12 a code.
WIDTHS = {(8, 8): (18, 13), (8, 16): (20, 7), (16, 8): (18, 21), (16, 16): (18, 13)}


@dataclass(frozen=True, slots=True)
class PwlSizes:
    """What a loadable PWL unit holds: at most `pieces` pieces, slopes of a width at one shift.

    A table's constants are worked out for these: they are not those of its PwlSpec. A slope may be
    2^(slope_bits - 1 - shift) output codes an input code; 0: that of WIDTHS.
    Raises InputError naming the size that does not fit.
    """

    pieces: int
    in_bits: int = 8
    out_bits: int = 8
    slope_bits: int = 0
    shift: int = 0

    def __post_init__(self) -> None:
        for name in ("in_bits", "out_bits"):
            if getattr(self, name) not in (8, 16):
                raise InputError(f"PWL unit: {name} is {getattr(self, name)}; 8 or 16")
        for name, width in zip(
            ("slope_bits", "shift"), WIDTHS[self.in_bits, self.out_bits], strict=True
        ):
            if not 0 <= getattr(self, name) <= 32:
                raise InputError(f"PWL unit: {name} is {getattr(self, name)}; 1 to 32")
            if not getattr(self, name):
                object.__setattr__(self, name, width)
        if not 2 <= self.pieces <= 1 << self.in_bits:
            raise InputError(f"PWL unit: pieces is {self.pieces}; 2 to {1 << self.in_bits}")

    @property
    def tie(self) -> bool:
        """Sums are relative to the zero point, and halves go away from it by the unit's own logic.

        Any table of at most this shift, whose slopes fit, can be loaded then. Between 8-bit codes a
        line is turned instead, until a floor does the same.
        """
        return max(self.in_bits, self.out_bits) > 8

    @property
    def total(self) -> Shape:
        """A sum: of at most twice the codes, to either side of 0."""
        return signed(self.shift + self.out_bits + 2)

    def layout(self) -> StructLayout:
        """A payload: a code q, or, where write is set, a word of the table and no code.

        address counts pieces; knot is a piece's first code (address 0: ignored). Every word carries
        the zero point, where the unit has one.
        """
        fields = {
            "q": self.in_bits,
            "write": 1,
            "address": (self.pieces - 1).bit_length(),
            "knot": self.in_bits,
            "slope": signed(self.slope_bits),
            "offset": signed(self.total.width),
        }
        return StructLayout(fields | ({"zero_point": self.out_bits} if self.tie else {}))

    def words(self, spec: PwlSpec) -> list[dict[str, int]]:
        """The payloads that load a table; a unit of more pieces has its last one several times.

        The unit gives golden's answer at every code: raises InputError when the table does not fit.
        """
        self._check(spec)
        rows = list(zip(spec.knots, self._lines(spec), strict=True))
        rows += rows[-1:] * (self.pieces - len(rows))
        zero_point = {"zero_point": spec.out_zero_point} if self.tie else {}
        return [
            {"write": 1, "address": n, "knot": knot, "slope": slope, "offset": offset} | zero_point
            for n, (knot, (slope, offset)) in enumerate(rows)
        ]

    def _lines(self, spec: PwlSpec) -> list[tuple[int, int]]:
        """Slope and offset of every piece. Raises InputError naming the piece that has none."""
        outputs = pwl(spec, np.arange(1 << self.in_bits))
        result = outputs - spec.out_zero_point if self.tie else outputs
        # A tie is half a code less one unit: it counts as a half for positive results alone.
        least = (result << self.shift) - (self.tie & (result > 0))
        most = ((result + 1) << self.shift) - 1 - (self.tie & (result >= 0))
        bounds = Bounds(least, most, (1 << self.slope_bits - 1) - 1)
        limit = 1 << self.total.width - 1
        lines = list(piece_lines(spec, bounds.opened(outputs, self.out_bits, limit)))
        if None in lines:
            raise InputError(
                f"PWL table: piece {lines.index(None)} has no line of {self.slope_bits}-bit slope "
                f"at shift {self.shift} with its codes; take a unit of other slope_bits and shift"
            )
        return lines

    def _check(self, spec: PwlSpec) -> None:
        """Raises InputError where the table is not of this unit's kind."""
        if spec.pieces > self.pieces:
            raise InputError(f"PWL table: {spec.pieces} pieces; this unit holds {self.pieces}")
        for name in ("in_bits", "out_bits"):
            if getattr(spec, name) != getattr(self, name):
                raise InputError(
                    f"PWL table: {name} is {getattr(spec, name)}; this unit's {getattr(self, name)}"
                )
