"""MAC arrays: rows by columns, by the format of their weights."""

from collections.abc import Iterator
from itertools import product

from golden.weights import FORMATS
from irnn_hw.sweep.design import Design
from irnn_hw.sweep.units.family import Axes, Family, Spec
from rtl.mac_array import MacArray
from rtl.pipeline import Pipeline

# Variant -> the format of the weights, and where two rows share a multiplier, the bits of its wider
# operand: 18 on ECP5, 24 where no product may touch the other.
VARIANTS: dict[str, tuple[str, int | None]] = {
    "int8": ("int8", None),
    "packed-18": ("int8", 18),
    "packed-24": ("int8", 24),
    **{name.replace(" ", "-"): (name, None) for name in FORMATS},
}


def _build(design: Design, _spec: Spec | None) -> Pipeline:
    weights, packed = VARIANTS[design.variant]
    sizes = {label: design.size(label) for label in ("rows", "columns")}
    return MacArray(**sizes, weight_format=weights, packed=packed)


def _designs(axes: Axes) -> Iterator[Design]:
    names = ("variants", "rows", "columns")
    for variant, rows, columns in product(*(axes[name] for name in names)):
        sizes = {"weights": VARIANTS[variant][0], "rows": rows, "columns": columns}
        yield Design("mac", variant, tuple(sizes.items()))


MAC = Family(
    "mac",
    "MAC arrays",
    tuple(VARIANTS),
    ("rows", "columns"),
    _designs,
    _build,
    same=("weights",),
    fronts={"speed": "interval"},
    x=lambda row: row["rows"] * row["columns"],
    x_label="multiply-accumulates a cycle",
    panel=lambda row: "",
    mark=lambda row: "",
    operations=lambda design: design.size("rows") * design.size("columns"),
)
