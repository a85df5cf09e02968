"""Requantizers: a 32-bit accumulator by a multiplier of some width, any or a constant."""

from collections.abc import Iterator
from itertools import product
from math import isqrt

from golden.fixed import MAX_MULTIPLIER_WIDTH, FixedPoint
from irnn_hw.sweep.design import Design
from irnn_hw.sweep.units.family import Axes, Family, Spec
from rtl.constant_requantizer import ConstantRequantizer
from rtl.pipeline import Pipeline
from rtl.requantizer import Requantizer

ACC_BITS = 32


def _build(design: Design, _spec: Spec | None) -> Pipeline:
    width, bits = design.size("multiplier_bits"), design.size("out_bits")
    if design.variant == "general":
        return Requantizer(acc_width=ACC_BITS, multiplier_width=width, bits=bits)
    # 2^-8 times the root of 1/2, whose digits are as good as any; a code's middle as zero point.
    multiplier = FixedPoint(isqrt(1 << (2 * width - 1)), width + 8)
    return ConstantRequantizer(
        acc_width=ACC_BITS, multiplier=multiplier, zero_point=1 << (bits - 1), bits=bits
    )


def _designs(axes: Axes) -> Iterator[Design]:
    """Golden's constants end at MAX_MULTIPLIER_WIDTH bits."""
    names = ("variants", "out_bits", "multiplier_bits")
    for variant, out_bits, width in product(*(axes[name] for name in names)):
        if variant == "general" or width <= MAX_MULTIPLIER_WIDTH:
            sizes = ("out_bits", out_bits), ("multiplier_bits", width)
            yield Design("requantizer", variant, sizes)


REQUANTIZER = Family(
    "requantizer",
    "requantizers",
    ("general", "constant"),
    ("out_bits", "multiplier_bits"),
    _designs,
    _build,
    same=("variant", "out_bits", "multiplier_bits"),
    fronts={"speed": "interval"},
    x=lambda row: row["multiplier_bits"],
    x_label="bits of the multiplier",
    panel=lambda row: f"{ACC_BITS} to {row['out_bits']} bits",
    mark=lambda row: "",
)
