import gc

import numpy as np
import pytest
from rtl_cases import complaints, natively, reference_pwl

from golden.activation import LutSpec, PwlSpec, pwl, tabulate
from golden.errors import InputError
from golden.stimulus import pwl_spec
from rtl.pwl_load import PwlSizes
from rtl.pwl_loadable import LoadablePwl, LoadablePwlSearch
from rtl.pwl_table import LoadablePwlTable, table_layout, table_words
from rtl.units.pwl import loaded
from rtl.units.unit import Vectors

# Components that are only looked at, or refused.
unused = pytest.mark.filterwarnings("ignore:.*created but never used")

UNITS = {"bank": LoadablePwl, "search": LoadablePwlSearch}
SIZES = {
    "8 to 8": PwlSizes(8, 8, 8),
    "8 to 16": PwlSizes(16, 8, 16),
    "16 to 8": PwlSizes(4, 16, 8),
    "16 to 16": PwlSizes(16, 16, 16),
}


def table(shift: int, sizes: PwlSizes, pieces: int, seed: int = 0) -> PwlSpec:
    """A table of the widths of `sizes`, of both signs, with this shift."""
    drawn = pwl_spec(seed, pieces, sizes.in_bits, sizes.out_bits)
    constants = drawn.knots, drawn.slopes, drawn.intercepts
    return PwlSpec(*constants, shift, drawn.out_zero_point, sizes.in_bits, sizes.out_bits)


def vectors(sizes: PwlSizes, spec: PwlSpec, seed: int = 0) -> Vectors:
    return Vectors(*loaded(sizes.layout(), sizes.words(spec), spec, seed))


@pytest.mark.parametrize("select", UNITS)
@pytest.mark.parametrize("name", SIZES)
def test_every_shift_at_every_code(select, name):
    sizes = SIZES[name]
    specs = [table(shift, sizes, sizes.pieces, shift) for shift in (*range(40), 62)]
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, spec) for spec in specs]) == ""


@pytest.mark.parametrize("select", UNITS)
def test_ties_of_both_signs_at_every_shift(select):
    """Halves away from zero: slopes that hit a tie at every second code or so."""
    sizes = SIZES["16 to 8"]
    tied = [
        PwlSpec((0, 300), (sign << max(shift - 2, 0),) * 2, (0, sign << shift), shift, 128, 16, 8)
        for shift in range(1, 17)
        for sign in (1, -1)
    ]
    crossing = [
        PwlSpec((0, 5), (1, 1), (-9 << shift >> 1, 7), shift, 100, 16, 8) for shift in range(1, 6)
    ]
    given = [vectors(sizes, spec) for spec in tied + crossing]
    assert natively(UNITS[select](sizes=sizes), given) == ""


@pytest.mark.parametrize("select", UNITS)
@pytest.mark.parametrize(("pieces", "in_bits"), [(128, 8), (128, 16)])
def test_many_pieces_and_tables_of_fewer(select, pieces, in_bits):
    sizes = PwlSizes(pieces, in_bits, 8)
    counts = (1, 2, 3, 4, 80, 96, pieces - 1, pieces)
    specs = [pwl_spec(count, count, in_bits) for count in counts]
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, s) for s in specs]) == ""


@pytest.mark.parametrize("select", UNITS)
def test_160_pieces(select):
    pieces = 160 if select == "bank" else 256
    sizes = PwlSizes(pieces, 16, 8)
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, pwl_spec(1, 160, 16))]) == ""


@pytest.mark.parametrize("select", UNITS)
def test_the_widest_constants(select):
    """The greatest sums there are, of both signs, at every code."""
    sizes = SIZES["16 to 16"]
    ends = (1 << 17) - 1, -(1 << 17), (1 << 25) - 1, -(1 << 25)
    specs = [
        PwlSpec((0, 65535), (a, -a - 1), (b, b), shift, z, 16, 16)
        for a in ends[:2]
        for b in ends[2:]
        for shift, z in ((0, 65535), (18, 32768), (33, 0), (34, 1), (35, 7), (62, 65535))
    ]
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, s) for s in specs]) == ""


@pytest.mark.parametrize("select", UNITS)
def test_narrow_constants(select):
    sizes = PwlSizes(4, 8, 8, slope_bits=3, intercept_bits=5)
    specs = [pwl_spec(seed, 4, 8, 8, 3, 5) for seed in range(8)]
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, s) for s in specs]) == ""


@pytest.mark.parametrize("select", UNITS)
@pytest.mark.parametrize("case", reference_pwl()[:3], ids=lambda case: case[0])
def test_the_reference_vectors_after_loading(select, case):
    _, spec, result = case
    sizes = PwlSizes(16, spec.in_bits, spec.out_bits, slope_bits=20)
    inputs = [*sizes.words(spec), *({"q": q} for q in range(256))]
    assert complaints(UNITS[select](sizes=sizes), inputs, result) == ""


@pytest.mark.parametrize("select", UNITS)
def test_a_table_may_be_replaced_when_no_code_is_on_its_way(select):
    sizes = SIZES["8 to 8"]
    unit = UNITS[select](sizes=sizes)
    first, second = (vectors(sizes, pwl_spec(seed, 8)) for seed in (1, 2))
    drain = first.inputs[:1] * unit.LATENCY  # writes what is there already
    inputs = first.inputs + drain + second.inputs
    assert natively(unit, [Vectors(inputs, first.outputs + second.outputs)]) == ""


def test_the_order_of_the_words_does_not_matter():
    sizes = SIZES["8 to 8"]
    spec = pwl_spec(3, 8)
    words = np.random.default_rng(0).permutation(sizes.words(spec)).tolist()
    outputs = pwl(spec, range(256)).tolist()
    for unit in UNITS.values():
        assert (
            complaints(unit(sizes=sizes), [*words, *({"q": q} for q in range(256))], outputs) == ""
        )


@pytest.mark.parametrize("bits", [(8, 8), (8, 16), (16, 16)])
def test_a_loaded_table(bits):
    in_bits, out_bits = bits
    spec = tabulate(pwl_spec(7, 16, in_bits, out_bits))
    given = Vectors(*loaded(table_layout(*bits), table_words(spec), spec, 0))
    assert natively(LoadablePwlTable(in_bits=in_bits, out_bits=out_bits), [given]) == ""


@unused
@pytest.mark.parametrize(("pieces", "bank", "search"), [(2, 7, 7), (16, 7, 10), (256, 7, 14)])
def test_latency_composes(pieces, bank, search):
    sizes = PwlSizes(pieces, 16)
    assert [unit(sizes=sizes).LATENCY for unit in UNITS.values()] == [bank, search]
    gc.collect()
    assert LoadablePwlTable.LATENCY == 1


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"pieces": 1}, "PWL unit: pieces is 1; 2 to 256"),
        ({"pieces": 257}, "PWL unit: pieces is 257; 2 to 256"),
        ({"pieces": 4, "in_bits": 12}, "PWL unit: in_bits is 12; 8 or 16"),
        ({"pieces": 4, "out_bits": 4}, "PWL unit: out_bits is 4; 8 or 16"),
        ({"pieces": 4, "slope_bits": 1}, "PWL unit: slope_bits is 1; at least 2"),
        ({"pieces": 4, "intercept_bits": 0}, "PWL unit: intercept_bits is 0; at least 2"),
    ],
)
def test_sizes_that_do_not_fit(sizes, text):
    with pytest.raises(InputError) as error:
        PwlSizes(**sizes)
    assert str(error.value) == text


@unused
def test_a_search_holds_a_power_of_two():
    with pytest.raises(InputError) as error:
        LoadablePwlSearch(sizes=PwlSizes(96, 16))
    assert str(error.value) == "PWL unit: pieces is 96; a search holds 128"
    del error
    gc.collect()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (pwl_spec(1, 5), "PWL table: 5 pieces; this unit holds 4"),
        (pwl_spec(1, 4, 16), "PWL table: in_bits is 16; this unit's 8"),
        (pwl_spec(1, 4, 8, 16), "PWL table: out_bits is 16; this unit's 8"),
        (PwlSpec((0,), (1 << 17,), (0,), 3, 0), "PWL table: slope 131072 does not fit 18 bits"),
        (
            PwlSpec((0,), (0,), (-(1 << 25) - 1,), 3, 0),
            "PWL table: intercept -33554433 does not fit 26 bits",
        ),
    ],
)
def test_tables_that_do_not_fit(spec, text):
    with pytest.raises(InputError) as error:
        PwlSizes(4).words(spec)
    assert str(error.value) == text


def test_a_table_of_few_pieces_repeats_its_last():
    words = PwlSizes(4).words(PwlSpec((0, 9), (1, 2), (3, 4), 0, 5))
    assert [word["address"] for word in words] == [0, 1, 2, 3]
    assert [word["knot"] for word in words] == [0, 9, 9, 9]
    assert [word["offset"] for word in words] == [3, 4 - 18, 4 - 18, 4 - 18]


def test_words_of_a_table():
    spec = LutSpec(tuple(range(255, -1, -1)))
    assert table_words(spec)[3] == {"q": 3, "write": 1, "data": 252}
