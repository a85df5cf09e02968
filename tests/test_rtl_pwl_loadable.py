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
from rtl.units.pwl import loadable_spec, loaded
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


def vectors(sizes: PwlSizes, spec: PwlSpec, seed: int = 0) -> Vectors:
    return Vectors(*loaded(sizes.layout(), sizes.words(spec), spec, seed))


@pytest.mark.parametrize("select", UNITS)
@pytest.mark.parametrize("name", SIZES)
def test_every_shift_at_every_code(select, name):
    sizes = SIZES[name]
    # A smaller shift makes slopes too coarse for 65,536 codes in 256.
    shifts = range(14 if name == "16 to 8" else 0, sizes.shift + 1)
    specs = [loadable_spec(sizes, sizes.pieces, shift, shift) for shift in shifts]
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, spec) for spec in specs]) == ""


@pytest.mark.parametrize("select", UNITS)
def test_ties_of_both_signs_at_every_shift(select):
    """Halves away from zero: slopes that hit a tie at every second code or so."""
    sizes = SIZES["16 to 16"]
    tied = [
        PwlSpec((0, 300), (sign << max(shift - 2, 0),) * 2, (0, sign << shift), shift, z, 16, 16)
        for shift in range(1, sizes.shift + 1)
        for sign, z in ((1, 32768), (-1, 65535))
    ]
    crossing = [
        PwlSpec((0, 5), (1, 1), (-9 << shift >> 1, 7), shift, 100, 16, 16) for shift in range(1, 6)
    ]
    given = [vectors(sizes, spec) for spec in tied + crossing]
    assert natively(UNITS[select](sizes=sizes), given) == ""


def test_lines_are_turned_where_a_floor_gives_no_ties():
    """Ties of negative results and of positive ones in a piece."""
    sizes, codes = PwlSizes(2), np.arange(256)
    for shift in range(1, 6):
        spec = PwlSpec((0,), (1,), (-9 << shift >> 1,), shift, 100)
        word, *_ = sizes.words(spec)
        assert word["slope"] % (1 << sizes.shift - shift)
        sums = word["slope"] * codes + word["offset"]
        assert np.clip(sums >> sizes.shift, 0, 255).tolist() == pwl(spec, codes).tolist()


@pytest.mark.parametrize("select", UNITS)
@pytest.mark.parametrize(("pieces", "in_bits"), [(128, 8), (128, 16)])
def test_many_pieces_and_tables_of_fewer(select, pieces, in_bits):
    sizes = PwlSizes(pieces, in_bits, 8)
    counts = (1, 2, 3, 4, 80, 96, pieces - 1, pieces)
    specs = [loadable_spec(sizes, count, count) for count in counts]
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, s) for s in specs]) == ""


@pytest.mark.parametrize("select", UNITS)
def test_160_pieces(select):
    sizes = PwlSizes(160 if select == "bank" else 256, 16, 8)
    spec = loadable_spec(sizes, 160, 1)
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, spec)]) == ""


@pytest.mark.parametrize("select", UNITS)
@pytest.mark.parametrize("name", SIZES)
def test_the_steepest_slopes(select, name):
    """From the least code to the greatest in as few codes as there can be, and back."""
    sizes = PwlSizes(8, SIZES[name].in_bits, SIZES[name].out_bits)
    steep, most = (1 << sizes.slope_bits - 1) - 1, (1 << sizes.out_bits) - 1 << sizes.shift
    width = 1 << sizes.out_bits + sizes.shift - sizes.slope_bits + 1
    knots, slopes = (0, 9, 9 + width, 99 + width, 99 + 2 * width), (0, steep, 0, -steep, 0)
    bits = sizes.in_bits, sizes.out_bits
    spec = PwlSpec(knots, slopes, (0, 0, most, most, 0), sizes.shift, 0, *bits)
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, spec)]) == ""


@pytest.mark.parametrize("select", UNITS)
def test_chosen_widths(select):
    sizes = PwlSizes(4, 8, 8, slope_bits=10, shift=8)
    specs = [loadable_spec(sizes, 4, seed) for seed in (0, 1, 2, 3)]
    assert natively(UNITS[select](sizes=sizes), [vectors(sizes, s) for s in specs]) == ""


@pytest.mark.parametrize("select", UNITS)
@pytest.mark.parametrize("case", reference_pwl()[:3], ids=lambda case: case[0])
def test_the_reference_vectors_after_loading(select, case):
    _, spec, result = case
    sizes = PwlSizes(16, spec.in_bits, spec.out_bits)
    inputs = [*sizes.words(spec), *({"q": q} for q in range(256))]
    assert complaints(UNITS[select](sizes=sizes), inputs, result) == ""


@pytest.mark.parametrize("select", UNITS)
def test_a_table_may_be_replaced_when_no_code_is_on_its_way(select):
    sizes = SIZES["8 to 8"]
    unit = UNITS[select](sizes=sizes)
    first, second = (vectors(sizes, loadable_spec(sizes, 8, seed)) for seed in (1, 2))
    drain = first.inputs[:1] * unit.LATENCY  # writes what is there already
    inputs = first.inputs + drain + second.inputs
    assert natively(unit, [Vectors(inputs, first.outputs + second.outputs)]) == ""


def test_the_order_of_the_words_does_not_matter():
    sizes = SIZES["8 to 8"]
    spec = loadable_spec(sizes, 8, 3)
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
@pytest.mark.parametrize(("pieces", "bank", "search"), [(2, 6, 5), (16, 6, 8), (256, 6, 12)])
def test_latency_composes(pieces, bank, search):
    sizes = PwlSizes(pieces, 16)
    assert [unit(sizes=sizes).LATENCY for unit in UNITS.values()] == [bank, search]
    sizes = PwlSizes(pieces)
    assert [unit(sizes=sizes).LATENCY for unit in UNITS.values()] == [bank - 1, search - 1]
    gc.collect()
    assert LoadablePwlTable.LATENCY == 1


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"pieces": 1}, "PWL unit: pieces is 1; 2 to 256"),
        ({"pieces": 257}, "PWL unit: pieces is 257; 2 to 256"),
        ({"pieces": 4, "in_bits": 12}, "PWL unit: in_bits is 12; 8 or 16"),
        ({"pieces": 4, "out_bits": 4}, "PWL unit: out_bits is 4; 8 or 16"),
        ({"pieces": 4, "slope_bits": 33}, "PWL unit: slope_bits is 33; 1 to 32"),
        ({"pieces": 4, "shift": -1}, "PWL unit: shift is -1; 1 to 32"),
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
        (
            PwlSpec((0, 9), (0, 1 << 17), (0, 0), 3, 0),
            (
                "PWL table: piece 1 has no line of 18-bit slope at shift 13 with its codes; "
                "take a unit of other slope_bits and shift"
            ),
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
    assert words[1]["offset"] == words[2]["offset"] == words[3]["offset"] != words[0]["offset"]


def test_words_of_a_table():
    spec = LutSpec(tuple(range(255, -1, -1)))
    assert table_words(spec)[3] == {"q": 3, "write": 1, "data": 252}
