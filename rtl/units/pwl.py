"""The PWL units of the registry: every code, after the words of the table where it is loaded."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from amaranth.lib.data import StructLayout

from golden import stimulus
from golden.activation import LutSpec, PwlSpec, look_up, pwl, tabulate
from rtl.pipeline import Pipeline
from rtl.pwl import Pwl, PwlSearch
from rtl.pwl_load import PwlSizes
from rtl.pwl_loadable import LoadablePwl, LoadablePwlSearch
from rtl.pwl_table import LoadablePwlTable, PwlTable, table_layout, table_words
from rtl.units.unit import Unit, Vectors


def every_code(spec: PwlSpec | LutSpec, seed: int) -> tuple[list[int], list[int]]:
    """Every code in order, then 256 of them in another; golden's answers."""
    codes = np.arange(1 << spec.in_bits)
    order = np.random.default_rng(seed).permutation(codes)
    codes = np.concatenate([codes, order[:256]])
    golden = pwl(spec, codes) if isinstance(spec, PwlSpec) else look_up(spec, codes)
    return codes.tolist(), golden.tolist()


def loaded(
    layout: StructLayout, words: Iterable[Mapping[str, int]], spec: PwlSpec | LutSpec, seed: int
) -> tuple[list[int], list[int], int]:
    """The words that load the table and every code; golden's answers; how many words there are.

    Where it sends a code, a payload's other fields are the complement of a word's: no part of them
    may be taken.
    """
    load = [layout.const(word).as_bits() for word in words]
    other = layout.const({**dict.fromkeys(layout.members, -1), "q": 0, "write": 0}).as_bits()
    codes, outputs = every_code(spec, seed)
    sent = [~load[n % len(load)] & other | code for n, code in enumerate(codes)]
    return load + sent, outputs, len(load)


def loadable_spec(sizes: PwlSizes, pieces: int, seed: int, shift: int | None = None) -> PwlSpec:
    """A random table for a unit of these sizes: slopes that a piece over all codes may have.

    shift: that of the table; it is less than the unit's where none is given.
    """
    shift = sizes.shift - 2 if shift is None else shift
    slope_bits = max(sizes.out_bits + shift - sizes.in_bits, 2)
    widths = sizes.in_bits, sizes.out_bits, slope_bits, sizes.out_bits + shift
    return replace(stimulus.pwl_spec(seed, pieces, *widths), shift=shift)


def _pwl(pieces: int, in_bits: int, search: bool = False) -> Unit:
    spec = stimulus.pwl_spec(pieces, pieces, in_bits)

    def build() -> Pipeline:
        return PwlSearch(spec=spec, block=pieces > 16) if search else Pwl(spec=spec)

    name = f"pwl-{'search-' if search else ''}{pieces}-in{in_bits}"
    summary = f"constant PWL of {pieces} pieces, {in_bits}-bit input, every code"
    return Unit(name, summary, build, lambda seed: Vectors(*every_code(spec, seed)))


def _pwl_load(pieces: int, in_bits: int, out_bits: int, search: bool = False) -> Unit:
    """The table loaded has three quarters of the pieces that the unit holds, and clamps."""
    sizes = PwlSizes(pieces, in_bits, out_bits)
    spec = loadable_spec(sizes, pieces * 3 // 4, seed=in_bits)

    def vectors(seed: int) -> Vectors:
        return Vectors(*loaded(sizes.layout(), sizes.words(spec), spec, seed))

    unit = LoadablePwlSearch if search else LoadablePwl
    name = f"pwl-load-{'search-' if search else ''}{pieces}-in{in_bits}"
    summary = f"loadable PWL of {pieces} pieces, {in_bits}-bit input, every code"
    return Unit(name, summary, lambda: unit(sizes=sizes), vectors)


def _table_load(in_bits: int) -> Unit:
    spec = tabulate(stimulus.pwl_spec(in_bits, 16, in_bits))

    def vectors(seed: int) -> Vectors:
        return Vectors(*loaded(table_layout(in_bits, 8), table_words(spec), spec, seed))

    summary = f"loadable table, {in_bits}-bit input, every code"
    name = f"pwl-load-table-in{in_bits}"
    return Unit(name, summary, lambda: LoadablePwlTable(in_bits=in_bits), vectors)


def _table(in_bits: int) -> Unit:
    spec = tabulate(stimulus.pwl_spec(in_bits, 16, in_bits))
    return Unit(
        f"pwl-table-in{in_bits}",
        f"constant table, {in_bits}-bit input, every code",
        lambda: PwlTable(spec=spec),
        lambda seed: Vectors(*every_code(spec, seed)),
    )


PWL_UNITS = (
    _pwl(2, 8),
    _pwl(16, 8),
    _pwl(16, 16),
    _pwl(16, 8, search=True),
    _pwl(96, 16, search=True),
    _pwl_load(16, 8, 8),
    _pwl_load(16, 16, 16),
    _pwl_load(16, 8, 16, search=True),
    _pwl_load(128, 16, 8, search=True),
    _table(8),
    _table(16),
    _table_load(8),
    _table_load(16),
)
