"""What a sweep builds: a table that is fitted, a unit, and that unit on a target."""

from dataclasses import dataclass
from typing import Any

# Columns that tell points apart; None where a unit has no such thing.
LABELS = (
    "unit", "function", "range", "variant", "tables", "pieces", "in_bits", "out_bits", "knots",
    "weights", "rows", "columns", "multiplier_bits", "divisor_bits", "step", "target",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fit:
    """A function on codes. pieces 0: the look-up table; knots: a name of METHODS, "" for it."""

    function: str
    low: float
    high: float
    in_bits: int
    out_bits: int
    pieces: int
    knots: str

    def labels(self) -> dict[str, Any]:
        return {
            "function": self.function,
            "range": [self.low, self.high],
            "pieces": self.pieces or None,
            "in_bits": self.in_bits,
            "out_bits": self.out_bits,
            "knots": self.knots or None,
        }


@dataclass(frozen=True, slots=True)
class Design:
    """A unit of a family, by name. sizes: further labels. fit: what it approximates, if it does."""

    unit: str
    variant: str
    sizes: tuple[tuple[str, Any], ...]
    fit: Fit | None = None

    def size(self, label: str) -> Any:
        return dict(self.sizes)[label]


@dataclass(frozen=True, slots=True)
class Point:
    """A design on a target: a row of the results."""

    design: Design
    target: str

    def labels(self) -> dict[str, Any]:
        """Each of LABELS."""
        d = self.design
        own = {"unit": d.unit, "variant": d.variant, "target": self.target, **dict(d.sizes)}
        fitted = {} if d.fit is None else d.fit.labels()
        return dict.fromkeys(LABELS) | own | fitted
