"""The write port of the loadable PWL units, and the words that load a table through it."""

from dataclasses import dataclass

from amaranth.hdl import Shape, signed
from amaranth.lib.data import StructLayout

from golden.activation import PwlSpec
from golden.errors import InputError
from rtl.pwl_constants import offsets


@dataclass(frozen=True, slots=True)
class PwlSizes:
    """What a loadable PWL unit holds: at most `pieces` pieces of constants of these widths.

    Raises InputError naming the size that does not fit.
    """

    pieces: int
    in_bits: int = 8
    out_bits: int = 8
    slope_bits: int = 18
    intercept_bits: int = 26

    def __post_init__(self) -> None:
        for name in ("in_bits", "out_bits"):
            if getattr(self, name) not in (8, 16):
                raise InputError(f"PWL unit: {name} is {getattr(self, name)}; 8 or 16")
        for name in ("slope_bits", "intercept_bits"):
            if getattr(self, name) < 2:
                raise InputError(f"PWL unit: {name} is {getattr(self, name)}; at least 2")
        if not 2 <= self.pieces <= 1 << self.in_bits:
            raise InputError(f"PWL unit: pieces is {self.pieces}; 2 to {1 << self.in_bits}")

    @property
    def total(self) -> Shape:
        """The sum, and half a unit of its greatest shift with it.

        |slope (q - knot) + intercept| < 2^(w - 2) for this width w, so a shift by w - 1 leaves 0,
        as every greater one does: half of 2^(w - 1) is more than the sum.
        """
        product, intercept = self.slope_bits - 1 + self.in_bits, self.intercept_bits - 1
        return signed(max(product, intercept) + 3)

    def layout(self) -> StructLayout:
        """A payload: a code q, or, where write is set, a word of the table and no code.

        Every word carries shift and zero_point; address counts pieces; knot is a piece's first
        code (address 0: ignored).
        """
        return StructLayout(
            {
                "q": self.in_bits,
                "write": 1,
                "address": (self.pieces - 1).bit_length(),
                "knot": self.in_bits,
                "slope": signed(self.slope_bits),
                "offset": signed(self.total.width),
                "shift": (self.total.width - 1).bit_length(),
                "zero_point": self.out_bits,
            }
        )

    def words(self, spec: PwlSpec) -> list[dict[str, int]]:
        """The payloads that load a table; a unit of more pieces has its last one several times.

        Raises InputError when the table does not fit.
        """
        self._check(spec)
        shift = min(spec.shift, self.total.width - 1)
        half = (1 << shift >> 1) - 1 if shift else 0
        rows = list(zip(spec.knots, spec.slopes, offsets(spec), strict=True))
        rows += rows[-1:] * (self.pieces - len(rows))
        return [
            {
                "write": 1,
                "address": n,
                "knot": knot,
                "slope": slope,
                "offset": offset + half,
                "shift": shift,
                "zero_point": spec.out_zero_point,
            }
            for n, (knot, slope, offset) in enumerate(rows)
        ]

    def _check(self, spec: PwlSpec) -> None:
        """Raises InputError where the table exceeds these sizes."""
        if spec.pieces > self.pieces:
            raise InputError(f"PWL table: {spec.pieces} pieces; this unit holds {self.pieces}")
        for name in ("in_bits", "out_bits"):
            if getattr(spec, name) != getattr(self, name):
                raise InputError(
                    f"PWL table: {name} is {getattr(spec, name)}; this unit's {getattr(self, name)}"
                )
        for name, values, bits in (
            ("slope", spec.slopes, self.slope_bits),
            ("intercept", spec.intercepts, self.intercept_bits),
        ):
            for value in values:
                if not -(1 << bits - 1) <= value < 1 << bits - 1:
                    raise InputError(f"PWL table: {name} {value} does not fit {bits} bits")
