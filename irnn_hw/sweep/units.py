"""Which component a point is: the one place that knows the classes of the RTL."""

from collections.abc import Callable, Mapping

from golden.activation import LutSpec, PwlSpec
from golden.errors import InputError
from rtl.pipeline import Pipeline
from rtl.pwl import Pwl, PwlSearch
from rtl.pwl_load import PwlSizes
from rtl.pwl_loadable import LoadablePwl, LoadablePwlSearch
from rtl.pwl_table import LoadablePwlTable, PwlTable

Spec = PwlSpec | LutSpec
Build = Callable[[Spec], Pipeline]

VARIANTS = ("bank", "search", "table")

# (variant, loadable) -> the component of a table, which loadable ones take their sizes from.
BUILDERS: Mapping[tuple[str, bool], Build] = {
    ("bank", False): lambda spec: Pwl(spec=spec),
    ("search", False): lambda spec: PwlSearch(spec=spec),
    ("table", False): lambda spec: _constant_table(spec),
    ("bank", True): lambda spec: LoadablePwl(sizes=_sizes(spec)),
    ("search", True): lambda spec: LoadablePwlSearch(sizes=_sizes(spec, power_of_two=True)),
    ("table", True): lambda spec: LoadablePwlTable(in_bits=spec.in_bits, out_bits=spec.out_bits),
}


def _constant_table(spec: Spec) -> Pipeline:
    """256 entries are small as logic. 65,536 are a memory in any case, and as many constants take
    Amaranth minutes: of these the unit is the loadable one, in as many block RAMs."""
    if spec.in_bits == 8:
        return PwlTable(spec=spec)
    return LoadablePwlTable(in_bits=spec.in_bits, out_bits=spec.out_bits)


def _sizes(spec: Spec, power_of_two: bool = False) -> PwlSizes:
    """Of a unit that holds the pieces of the table, and any constants that the fits make."""
    pieces = max(spec.pieces, 2)
    if power_of_two:
        pieces = 1 << (pieces - 1).bit_length()
    return PwlSizes(pieces=pieces, in_bits=spec.in_bits, out_bits=spec.out_bits)


def component(variant: str, loadable: bool, spec: Spec) -> Pipeline:
    """The unit. Raises InputError where this release has none of the kind."""
    check_exists(variant, loadable)
    return BUILDERS[variant, loadable](spec)


def check_exists(variant: str, loadable: bool) -> None:
    """Raises InputError naming the field, and what there is instead."""
    if (variant, loadable) in BUILDERS:
        return
    kinds = ", ".join(f"{v} {'loadable' if load else 'constant'}" for v, load in BUILDERS)
    kind = "loadable" if loadable else "constant"
    raise InputError(f"variant: there is no {variant} with {kind} tables yet; choose of {kinds}")


def existing(loadable: bool = False) -> tuple[str, ...]:
    """Variants that can be built."""
    return tuple(v for v in VARIANTS if (v, loadable) in BUILDERS)
