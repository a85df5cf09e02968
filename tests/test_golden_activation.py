from dataclasses import replace

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from reference_specs import constants

from golden.activation import LutSpec, PwlSpec, look_up, pwl, segment, tabulate
from golden.fixed import ClampCount
from golden.stimulus import pwl_spec

SPEC = PwlSpec((0, 100, 200), (3, -2, 5), (10, 20, -30), 2, 7)


def by_definition(spec: PwlSpec, codes) -> list[int]:
    """Eq. 24 in exact fractions."""
    return [reference.pwl(q, *constants(spec)) for q in codes]


@pytest.mark.parametrize("pieces", [1, 2, 3, 16, 255])
@pytest.mark.parametrize("bits", [8, 16])
def test_every_8_bit_code(pieces, bits):
    spec = pwl_spec(pieces, pieces, 8, bits)
    codes = np.arange(256)
    assert pwl(spec, codes).tolist() == by_definition(spec, range(256))
    assert look_up(tabulate(spec), codes).tolist() == pwl(spec, codes).tolist()


@given(st.integers(1, 60), st.integers(0, 1 << 30), st.lists(st.integers(0, 65535), min_size=1))
def test_16_bit_codes(pieces, seed, extra):
    spec = pwl_spec(seed, pieces, 16, 16)
    codes = [
        0,
        65535,
        *extra,
        *(k + d for k in spec.knots for d in (-1, 0, 1) if k + d in range(65536)),
    ]
    assert pwl(spec, codes).tolist() == by_definition(spec, codes)


def test_a_piece_begins_at_its_knot():
    assert segment(SPEC, [0, 99, 100, 101, 199, 200, 255]).tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_the_last_piece_is_closed():
    """Read literally, Eq. 24 leaves the largest code in no piece."""
    flat = PwlSpec((0,), (0,), (200 << 4,), 4, 0)
    assert pwl(flat, 255) == 200


def test_clamps_are_counted():
    steep, clamps = PwlSpec((0,), (4,), (0,), 0, 0), ClampCount()
    pwl(steep, np.arange(256), clamps)
    assert (clamps.clamped, clamps.seen) == (192, 256)


def test_shape_is_kept():
    assert pwl(SPEC, np.zeros((2, 0, 3), np.int64)).shape == (2, 0, 3)
    assert look_up(tabulate(SPEC), np.zeros((2, 3), np.uint8)).shape == (2, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"knots": ()}, "knots: the first piece starts at code 0"),
        ({"knots": (1, 100, 200)}, "knots: the first piece starts at code 0"),
        ({"knots": (0, 100, 100)}, "knots: not strictly increasing"),
        ({"knots": (0, 200, 100)}, "knots: not strictly increasing"),
        ({"knots": (0, 100, 256)}, "knots: 256 does not fit 8 bits"),
        ({"slopes": (1, 2)}, "knots, slopes, intercepts: one of each a piece"),
        ({"intercepts": (1, 2, 3, 4)}, "knots, slopes, intercepts: one of each a piece"),
        ({"slopes": (1, 2, 1 << 44)}, "slopes: one exceeds 44 bits"),
        ({"intercepts": (1, -(1 << 60), 3)}, "intercepts: one exceeds 60 bits"),
        ({"shift": 63}, "shift 63 is not in 0..62"),
        ({"in_bits": 9}, "PWL input: 9 bits; operands have 8 or 16"),
        ({"out_bits": 32}, "PWL output: 32 bits; operands have 8 or 16"),
        ({"out_zero_point": 256}, "PWL output: zero point 256 is not in 0..255"),
    ],
)
def test_wrong_pwl_is_refused(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        replace(SPEC, **changes)


def test_the_widest_constants_stay_exact():
    wide = PwlSpec((0,), ((1 << 44) - 1,), (-(1 << 60) + 1,), 45, 0, 16, 16)
    codes = [0, 1, 65534, 65535]
    assert pwl(wide, codes).tolist() == by_definition(wide, codes)


@pytest.mark.parametrize("function", [lambda x: pwl(SPEC, x), lambda x: look_up(tabulate(SPEC), x)])
def test_codes_outside_and_floats_are_refused(function):
    for x in (-1, 256):
        with pytest.raises(ValueError, match=r"^x: codes outside 0\.\.255$"):
            function([0, x])
    with pytest.raises(TypeError, match=r"^x: expected integers, got float64$"):
        function([0.5])


def test_wrong_tables_are_refused():
    with pytest.raises(ValueError, match=r"^table: 255 entries for 8 bits$"):
        LutSpec((0,) * 255)
    for entry in (-1, 256):
        with pytest.raises(ValueError, match=r"^table: an entry does not fit 8 bits$"):
            LutSpec((entry,) * 256)
    with pytest.raises(ValueError, match=r"^look-up input: 4 bits; operands have 8 or 16$"):
        LutSpec((0,) * 16, in_bits=4)
