import numpy as np
import pytest

from golden.fixed import FixedPoint
from golden.linear import MatVecSpec, accumulate
from golden.weights import EXPONENTIAL, POWER_OF_TWO, TERNARY, WeightFormat

FORMS = [WeightFormat(e, zero) for e in range(1, 8) for zero in (False, True)]


def test_the_three_formats():
    powers = [1, 2, 4, 8, 16, 32, 64]
    mirrored = [-p for p in reversed(powers)]
    assert TERNARY.grid.tolist() == [-1, 0, 1]
    assert POWER_OF_TWO.grid.tolist() == [*mirrored, 0, *powers]
    assert EXPONENTIAL.grid.tolist() == [*mirrored, *powers]
    assert [f.bits for f in (TERNARY, POWER_OF_TWO, EXPONENTIAL)] == [2, 4, 4]


def test_the_codes_are_sign_and_magnitude():
    assert TERNARY.encode([[0, 1], [-1, 0]]).tolist() == [[0, 1], [3, 0]]
    assert POWER_OF_TWO.encode([0, 1, -1, 64, -64]).tolist() == [0, 1, 9, 7, 15]
    assert EXPONENTIAL.encode([1, -1, 64, -64]).tolist() == [0, 8, 6, 14]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_code_is_a_value_or_refused(form):
    """One code for each value, and all other codes of `bits` bits are refused by name."""
    values = []
    for code in range(1 << form.bits):
        negative, index = divmod(code, 1 << (form.bits - 1))
        if index >= form.exponents + form.zero or (negative and form.zero and not index):
            with pytest.raises(ValueError, match=f"^codes: {code} is none of this format$"):
                form.decode(code)
        else:
            values.append(int(form.decode(code)))
            assert form.encode(values[-1]) == code
    expected = [s * 2**e for e in range(form.exponents) for s in (1, -1)] + [0] * form.zero
    assert sorted(values) == sorted(expected)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_other_byte_is_no_value(form):
    for value in sorted(set(range(-128, 129)) - set(form.grid.tolist())):
        with pytest.raises(ValueError, match=rf"^values: {value} is none of this format$"):
            form.encode([1, value])


@pytest.mark.parametrize("form", [TERNARY, POWER_OF_TWO, EXPONENTIAL], ids=str)
def test_a_product_is_shifts_and_signs(form):
    """The matrix-vector definition with these weights: what hardware without multipliers adds."""
    rng = np.random.default_rng(1)
    weights = form.decode(form.encode(rng.choice(form.grid, (9, 40))))
    assert weights.dtype == np.int8
    spec = MatVecSpec(weights, np.arange(9, dtype=np.int32), 77, FixedPoint(1, 0))
    x = rng.integers(0, 256, (5, 40))
    for row, result in zip(x.tolist(), accumulate(spec, x).tolist(), strict=True):
        for r in range(9):
            total = r
            for q, w in zip(row, weights[r].tolist(), strict=True):
                term = (q - 77) << abs(w).bit_length() - 1 if w else 0
                total += -term if w < 0 else term
            assert result[r] == total


@pytest.mark.parametrize("exponents", [0, 8])
def test_exponents_beyond_8_bits_are_refused(exponents):
    with pytest.raises(ValueError, match=rf"^exponents: {exponents} is not in 1\.\.7$"):
        WeightFormat(exponents, zero=True)


def test_what_is_no_code_is_refused():
    for code in (-1, 4, 2):  # negative, too wide, the second zero
        with pytest.raises(ValueError, match=f"^codes: {code} is none of this format$"):
            TERNARY.decode([0, code])
    with pytest.raises(TypeError, match="codes: expected integers"):
        TERNARY.decode(1.0)
