"""The reference itself: on the vectors, and on the paper's examples."""

from fractions import Fraction

import pytest
import reference
from reference_specs import agree
from test_vectors import COUNTS, cases

SCALARS = {
    "requantize": lambda case: reference.requantize(*case),
    "divide_round": lambda case: reference.divide_round(*case),
    "multiply": lambda c: reference.multiply(c[0], c[2], c[1], c[3], *c[4:]),
    "add": lambda case: reference.add(*case),
}


@pytest.mark.parametrize("name", SCALARS)
def test_reference_on_the_vectors(name):
    results = [SCALARS[name](case) for *case, _ in cases(name)]
    assert agree(results, [case[-1] for case in cases(name)]) == COUNTS[name]


def test_reference_on_the_vectors_of_multipliers():
    for m, width, *expected in cases("fixed_point"):
        assert [*reference.fixed_point(Fraction(m), width)] == expected


def test_reference_on_the_vectors_of_rows():
    for c in cases("matvec"):
        operands = c["x"], c["weights"], c["bias"], c["x_zero_point"], c["w_zero_point"]
        rows = len(c["bias"])
        multipliers = [c["mantissa"]] * rows, [c["shift"]] * rows
        assert reference.accumulate(*operands) == c["accumulators"]
        assert reference.matvec(*operands, *multipliers, c["zero_point"], c["bits"]) == c["result"]
    for c in cases("madnorm"):
        steps = (c[name] for name in ("x_zero_point", "mu", "x_hat", "d", "y"))
        assert reference.madnorm(c["x"], *steps)._asdict() == c["result"]
    for c in cases("context"):
        names = "h_zero_point", "mantissa", "f", "zero_point", "bits"
        columns = zip(*c["h"], strict=True)
        numbers = [c[name] for name in names]
        assert [reference.context(c["e"], h, *numbers) for h in columns] == c["result"]
    for c in cases("pwl"):
        names = "slopes", "intercepts", "shift", "out_zero_point", "in_bits", "out_bits"
        table = c["knots"][:-1], *(c[name] for name in names)
        assert [reference.pwl(q, *table) for q in range(len(c["result"]))] == c["result"]


PAPER = {  # name in the examples: limits, scale as printed
    "u": (-1, 1, "0.0078"),
    "w": (0, 5, "0.0196"),
    "z": (-5, 5, "0.0392"),
    "y": (-2, 2, "0.0157"),
    "c": (-1, 6, "0.0274"),
}


@pytest.mark.parametrize(
    ("printed", "results"),
    [(True, (154, 25, 117, 81, 90, 218, 154, 13, 199, 146)),
     (False, (154, 26, 117, 81, 90, 217, 154, 13, 199, 145))],
)  # fmt: skip
def test_reference_on_the_papers_examples(printed, results):
    """Section 2, B.1 and B.2: there, x and a are in the range of u, b is in that of w."""
    s, z = {}, {}
    for name, (low, high, text) in PAPER.items():
        exact, z[name] = reference.parameters(Fraction(low), Fraction(high), 8)
        s[name] = Fraction(text) if printed else exact

    def code(x: str, name: str) -> int:
        return reference.quantize(Fraction(x), s[name], z[name], 8)

    u, w, x1, x2 = code("-0.8", "u"), code("2.3", "w"), code("-0.3", "u"), code("0.7", "u")
    a, b = code("-0.9", "u"), code("3.9", "w")
    m = reference.fixed_point(s["u"] * s["w"] / s["z"], 24)
    product = reference.multiply(u, w, z["u"], z["w"], *m, z["z"], 8)
    m = reference.fixed_point(s["u"] / s["y"], 24)
    alike = reference.add_alike((x1, x2), z["u"], *m, z["y"], 8)
    m = reference.common_shift([s["u"] / s["c"], s["w"] / s["c"]], 24)
    total = reference.add((a, b), (z["u"], z["w"]), *m, z["c"], 8)
    assert (code("0.2", "u"), u, w, product, x1, x2, alike, a, b, total) == results
