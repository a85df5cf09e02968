"""golden against the outside reference: every input up to 16 bits, a million vectors beyond."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest
import reference
from test_golden_attention import EXP, TANH, attention
from test_golden_madnorm import spec_of
from test_vectors import COUNTS, cases

from golden.activation import LutSpec, PwlSpec, look_up, pwl, tabulate
from golden.attention import AttentionSpec, ContextSpec, attend, context, remember
from golden.batched import BatchedMatVec
from golden.elementwise import (
    AddSpec,
    AffineSpec,
    MultiplySpec,
    add,
    affine,
    minimum,
    multiply,
    one_minus,
    subtract_spec,
)
from golden.fixed import (
    PRODUCT_LIMIT,
    FixedPoint,
    FixedPoints,
    divide_round,
    requantize,
)
from golden.linear import (
    ACCUMULATOR_MAX,
    MatVecSpec,
    accumulate,
    embedding,
    matvec,
)
from golden.madnorm import MadNormSpec, deviation, madnorm, mean, quotient
from golden.stimulus import mixed, pwl_spec, ties
from irnn_hw.quant.multipliers import common_shift, fixed_point
from irnn_hw.quant.params import QuantParams

ALL = 1 << 16  # inputs of 16 bits
A, B = (axis.ravel() for axis in np.meshgrid(np.arange(256), np.arange(256)))
PAIRS = list(zip(A.tolist(), B.tolist(), strict=True))
CODES = np.arange(ALL)
GROUPS = 100  # sets of constants that share the vectors of a random run

Results = tuple[np.ndarray, list[int]]  # golden's, the reference's


def each(specs: dict, slow: Sequence[str] = ()):
    """One test a set of constants; those named in slow are not in the quick run."""
    marks = {name: [pytest.mark.slow] if name in slow else [] for name in specs}
    return pytest.mark.parametrize(
        "spec", [pytest.param(spec, id=name, marks=marks[name]) for name, spec in specs.items()]
    )


def agree(values: np.ndarray, expected: Sequence[int]) -> int:
    """How many values were compared, all of them equal."""
    pairs = zip(np.ravel(values).tolist(), expected, strict=True)
    different = [(i, *pair) for i, pair in enumerate(pairs) if pair[0] != pair[1]]
    assert different[:3] == [], f"{len(different)} of {len(expected)} differ"
    return len(expected)


def flat(rows) -> list[int]:
    return [value for row in rows for value in row]


def constants(spec) -> tuple:
    """A spec's constants as plain integers, in the order in which the reference takes them."""
    match spec:
        case FixedPoint():
            return spec.mantissa, spec.shift
        case MultiplySpec():
            return *spec.zero_points, *constants(spec.multiplier), *output(spec)
        case AddSpec():
            return spec.zero_points, spec.mantissas, spec.shift, *output(spec)
        case AffineSpec():
            return spec.zero_point, *constants(spec.multiplier), *output(spec)
        case PwlSpec():
            table = spec.knots, spec.slopes, spec.intercepts, spec.shift
            return *table, spec.out_zero_point, spec.in_bits, spec.out_bits
        case MatVecSpec():
            m = spec.multiplier
            pair = (np.broadcast_to(c, len(spec.bias)).tolist() for c in (m.mantissa, m.shift))
            return *products(spec), *pair, *output(spec)
        case MadNormSpec():
            (z_x, z_mu), (m_x, m_mu) = spec.centre.zero_points, spec.centre.mantissas
            return (
                z_x,
                (*constants(spec.mean), z_mu, spec.mean_bits),
                (m_x, -m_mu, spec.centre.shift, *output(spec.centre)),
                (*constants(spec.deviation), spec.deviation_bits),
                (*constants(spec.quotient), *output(spec)),
            )
        case ContextSpec():
            return spec.h_zero_point, *constants(spec.multiplier), *output(spec)
        case AttentionSpec():
            parts = spec.total, spec.tanh, spec.score, spec.exp, spec.context
            return tuple(map(constants, parts))
    raise TypeError(spec)


def output(spec) -> tuple[int, int]:
    return spec.out_zero_point, spec.out_bits


def products(spec: MatVecSpec) -> tuple:
    """The constants of the accumulators alone."""
    return spec.weights.tolist(), spec.bias.tolist(), spec.x_zero_point, spec.w_zero_point


# The reference itself


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


# Every pair of 8-bit codes


def on_pairs(function, *numbers) -> list[int]:
    return [function(a, b, *numbers) for a, b in PAIRS]


MULTIPLY = {
    "typical": MultiplySpec((128, 128), FixedPoint(40000, 22), 128),
    "to the upper byte": MultiplySpec((0, 0), FixedPoint(1 << 15, 23), 0),
    "ends": MultiplySpec((255, 0), FixedPoint(65535, 24), 255),
    "ties": MultiplySpec((77, 200), FixedPoint(1, 1), 100),
    "ties, 16 bits": MultiplySpec((255, 255), FixedPoint(3, 2), 9, 16),
    "no shift": MultiplySpec((128, 130), FixedPoint(3, 0), 32768, 16),
    "saturating": MultiplySpec((120, 140), FixedPoint(65535, 18), 128),
}


@each(MULTIPLY, slow=["to the upper byte"])
def test_multiply_on_every_pair(spec):
    assert agree(multiply(spec, A, B), on_pairs(reference.multiply, *constants(spec))) == ALL


ADD = {
    "typical": AddSpec((128, 128), (40000, 33333), 16, 128),
    "ends": AddSpec((0, 255), (65535, 65535), 16, 0),
    "ties": AddSpec((13, 200), (1, 1), 1, 100),
    "no shift, 16 bits": AddSpec((255, 255), (127, 63), 0, 65535, 16),
    "saturating": AddSpec((120, 130), (50001, 60000), 14, 128),
    "a - b": subtract_spec((128, 100), (40000, 33333), 16, 128),
    "a - b, ends": subtract_spec((255, 0), (65535, 65535), 16, 255),
    "a - b, ties": subtract_spec((13, 200), (1, 3), 1, 100),
    "b - a": AddSpec((7, 9), (-3, 5), 3, 255),
    "a - b, no shift": subtract_spec((3, 250), (1, 1), 0, 0),
    "a - b, 16 bits": subtract_spec((100, 30), (60000, 50000), 9, 30000, 16),
}


@each(ADD, slow=["ends", "b - a", "a - b", "a - b, no shift", "a - b, 16 bits"])
def test_add_and_subtract_on_every_pair(spec):
    numbers = constants(spec)
    assert agree(add(spec, A, B), [reference.add(pair, *numbers) for pair in PAIRS]) == ALL


def test_add_of_equal_parameters_is_eq_5():
    spec = AddSpec((77, 77), (3, 3), 2, 100)
    expected = [reference.add_alike(pair, 77, 3, 2, 100, 8) for pair in PAIRS]
    assert agree(add(spec, A, B), expected) == ALL


def test_minimum_on_every_pair():
    assert agree(minimum(A, B), on_pairs(reference.minimum)) == ALL


def affine_spec(z_y: int, multiplier: FixedPoint, beta: int, z_z: int, bits: int = 8):
    """Every gamma of 8 bits, each with a beta of its own."""
    gamma = np.arange(-127, 128)
    return AffineSpec(gamma.astype(np.int8), beta + gamma, z_y, multiplier, z_z, bits)


AFFINE = {
    "typical": affine_spec(128, FixedPoint(40000, 21), 0, 128),
    "ties, moved by beta": affine_spec(0, FixedPoint(1, 1), 1, 0),
    "no shift": affine_spec(255, FixedPoint(1, 0), -1, 40000, 16),
    "saturating": affine_spec(255, FixedPoint(65535, 20), -(1 << 25), 255),
    "16 bits": affine_spec(77, FixedPoint(50001, 16), 123456789, 20000, 16),
}


@each(AFFINE, slow=["typical"])
def test_affine_on_every_code_and_gamma(spec):
    y = np.broadcast_to(np.arange(256)[:, np.newaxis], (256, 255))
    terms = list(zip(spec.gamma.tolist(), spec.beta.tolist(), strict=True))
    expected = [reference.affine(q, *term, *constants(spec)) for q in range(256) for term in terms]
    assert agree(affine(spec, y), expected) == 256 * 255


def matvec_both_ways(spec: MatVecSpec, x: np.ndarray) -> np.ndarray:
    """The codes of x (batch, columns), the same of matvec and of its fast twin."""
    batched = np.empty((len(x), len(spec.bias)), np.int64)
    BatchedMatVec(spec, len(x))(x, batched, None)
    agree(batched, matvec(spec, x).ravel().tolist())
    return batched


INT8, UINT8 = np.arange(-127, 128)[:, np.newaxis], np.arange(256)[:, np.newaxis]
MATVEC = {  # one column, a row for each weight: the products of every code and weight
    "typical": MatVecSpec(
        INT8.astype(np.int8), INT8[:, 0].astype(np.int32), 128, FixedPoint(40000, 22), 128
    ),
    "ties": MatVecSpec(
        INT8.astype(np.int8), INT8[:, 0].astype(np.int32), 0, FixedPoint(3 << 14, 20), 77
    ),
    "unsigned, ties": MatVecSpec(
        UINT8.astype(np.uint8), np.zeros(256, np.int32), 255, FixedPoint(1, 1), 99, 8, 16, 200
    ),
}


@each(MATVEC)
def test_matvec_on_every_code_and_weight(spec):
    expected = flat(reference.matvec([q], *constants(spec)) for q in range(256))
    result = matvec_both_ways(spec, np.arange(256)[:, np.newaxis])
    assert agree(result, expected) == 256 * len(spec.bias)


MADNORM = {
    "typical": spec_of(),
    "ties": spec_of(2, (1, 1, 0), (1, 1, 1, 255), (1, 1), (1, 1, 77), 255),
    "no shift": spec_of(2, (1, 0, 255), (1, 1, 0, 3), (1, 0), (1, 0, 255), 0),
    "saturating, 16 bits out": spec_of(
        2,
        (65535, 15, 9),
        (65535, 40000, 14, 200),
        (65535, 15),
        (60000, 3, 31000),
        120,
        (8, 8, 8, 8, 16),
    ),
}


@each(MADNORM)
def test_madnorm_on_every_pair(spec):
    """Rows of two codes, and every operand of its element-wise steps."""
    z_x, mu, x_hat, d, y = constants(spec)
    z_mu, z_xh = spec.centre.zero_points[1], spec.centre.out_zero_point
    rows = np.stack([A, B], axis=-1)
    assert agree(mean(spec, rows), [reference.mean(pair, z_x, *mu) for pair in PAIRS]) == ALL
    assert agree(add(spec.centre, A, B), on_pairs(reference.centre, z_x, z_mu, *x_hat)) == ALL
    expected = [reference.deviation(pair, z_xh, *d) for pair in PAIRS]
    assert agree(deviation(spec, rows), expected) == ALL
    assert agree(quotient(spec, A, B), on_pairs(reference.quotient, z_xh, *y)) == ALL


CONTEXT = {
    "typical": ContextSpec(128, FixedPoint(40000, 15), 128),
    "ties": ContextSpec(0, FixedPoint(1, 1), 0),
    "no shift": ContextSpec(100, FixedPoint(1, 0), 99),
    "ends": ContextSpec(255, FixedPoint(65535, 16), 255),
    "saturating, 16 bits": ContextSpec(77, FixedPoint(50001, 6), 40000, out_bits=16),
}


@each(CONTEXT)
def test_context_on_every_pair(spec):
    """Every code of exp with every one of h, in one step."""
    expected = [reference.context([e], [h], *constants(spec)) for e, h in PAIRS]
    assert agree(context(spec, A, B[:, np.newaxis], np.ones(ALL, int)), expected) == ALL


@each(CONTEXT, slow=["typical", "no shift", "ends"])
def test_context_on_every_pair_of_weights(spec):
    """Every pair of codes of exp, in two steps."""
    e, h = np.stack([A, B], axis=1).ravel(), np.tile([201, 14], ALL)[:, np.newaxis]
    expected = [reference.context(pair, [201, 14], *constants(spec)) for pair in PAIRS]
    assert agree(context(spec, e, h, np.full(ALL, 2)), expected) == ALL


# Every 16-bit code

REQUANTIZE = {
    "typical": (40000, 23, 128, 8),
    "ties": (1, 9, 255, 8),
    "ties, odd": (3, 1, 0, 16),
    "no shift": (1, 0, 32768, 16),
    "saturating": (65535, 22, 128, 8),
}


@each(REQUANTIZE)
def test_requantize_on_every_16_bit_accumulator(spec):
    mantissa, shift, *out = spec
    a = CODES - 32768
    expected = [reference.requantize(v, *spec) for v in a.tolist()]
    assert agree(requantize(a, FixedPoint(mantissa, shift), *out), expected) == ALL


PWL = {
    "tanh": TANH,
    "exp": EXP,
    "one piece": pwl_spec(1, 1, 16, 16, 12),
    "signed slopes": pwl_spec(2, 16, 16, 8, 12),
    "16 bits out": pwl_spec(3, 16, 16, 16, 14),
    "clamped": pwl_spec(4, 9, 16, 8),
    "no shift": PwlSpec((0, 1, 30000, 65535), (7, -2, 1, -5), (9, 65000, -30000, 77), 0, 5, 16, 16),
    "ties": PwlSpec((0, 1, 2, 40000), (0, 3, -1, 1), (-7, 8, 70001, -9), 1, 300, 16, 16),
    "ties, 8 bits": PwlSpec((0, 32768), (1, -1), (-128, 40000), 8, 255, 16),
    "255 pieces": pwl_spec(5, 255, 16, 16, 16),
}


@each(PWL, slow=["exp", "one piece", "clamped", "ties, 8 bits", "255 pieces"])
def test_pwl_on_every_16_bit_code(spec):
    expected = [reference.pwl(q, *constants(spec)) for q in range(ALL)]
    assert agree(pwl(spec, CODES), expected) == ALL
    assert agree(look_up(tabulate(spec), CODES), expected) == ALL


@pytest.mark.parametrize("bits", [8, 16])
def test_look_up_on_every_16_bit_code(bits):
    table = tuple(mixed(np.random.default_rng(bits), 0, (1 << bits) - 1, ALL).tolist())
    expected = [reference.look_up(q, table) for q in range(ALL)]
    assert agree(look_up(LutSpec(table, 16, bits), CODES), expected) == ALL


ONE_MINUS = {  # and the width of x
    "8 bits": (subtract_spec((0, 128), (32896, 65535), 16, 100), 8),
    "8 bits, ties": (subtract_spec((0, 255), (1, 3), 1, 3, 16), 8),
    "the range of a gate": (subtract_spec((0, 0), (1 << 15, 1 << 15), 15, 0, 16), 16),
    "ties": (subtract_spec((0, 65535), (1, 3), 1, 3, 16), 16),
    "no shift": (subtract_spec((0, 30000), (1, 1), 0, 0, 16), 16),
    "saturating": (subtract_spec((0, 17), (10000, 40000), 20, 255), 16),
}


@each(ONE_MINUS)
def test_one_minus_on_every_code(spec):
    spec, bits = spec
    m_one, m_x = spec.mantissas
    numbers = bits, spec.zero_points[1], (m_one, -m_x), spec.shift, *output(spec)
    expected = [reference.one_minus(x, *numbers) for x in range(1 << bits)]
    assert agree(one_minus(spec, np.arange(1 << bits), bits), expected) == 1 << bits


BY_A_CONSTANT = {  # the other operand, too
    "typical": (MultiplySpec((32768, 128), FixedPoint(12345678, 30), 32768, 16), 255),
    "ties": (MultiplySpec((65535, 0), FixedPoint(1, 1), 65535, 16), 1),
    "no shift": (MultiplySpec((100, 7), FixedPoint(1, 0), 65535, 16), 6),
    "saturating": (MultiplySpec((30000, 200), FixedPoint((1 << 24) - 1, 30), 128), 0),
}


@each(BY_A_CONSTANT)
def test_multiply_by_a_constant_on_every_16_bit_code(spec):
    spec, b = spec
    expected = [reference.multiply(a, b, *constants(spec)) for a in range(ALL)]
    assert agree(multiply(spec, CODES, b), expected) == ALL


@pytest.mark.parametrize(
    ("gamma", "beta", "z_y", "multiplier", "z_z", "bits"),
    [
        (-32767, 12345, 32768, FixedPoint(12345678, 38), 32768, 16),
        (1, 1, 65535, FixedPoint(1, 1), 65535, 16),  # ties
        (100, -(1 << 24), 1000, FixedPoint(65535, 24), 0, 8),
    ],
)
def test_affine_on_every_16_bit_code(gamma, beta, z_y, multiplier, z_z, bits):
    spec = AffineSpec(np.array([gamma], np.int16), np.array([beta]), z_y, multiplier, z_z, bits)
    expected = [reference.affine(y, gamma, beta, *constants(spec)) for y in range(ALL)]
    assert agree(affine(spec, CODES[:, np.newaxis]), expected) == ALL


# A million vectors beyond 16 bits: each function below draws constants, and `count` vectors or more


def width(rng: np.random.Generator) -> int:
    return int(rng.choice([8, 16]))


def zero_point(rng: np.random.Generator, bits: int = 16) -> int:
    """Either end, the middle, or anywhere."""
    top = (1 << bits) - 1
    return int(rng.choice([0, top, (top + 1) >> 1, rng.integers(top)]))


def multiplier(
    rng: np.random.Generator, operand_bits: int, out_bits: int, widest: int = 24
) -> FixedPoint:
    """From operand_bits to about out_bits: small mantissas, full of ties, to the widest."""
    bits = int(rng.choice([1, 3, 16, widest]))
    shift = bits + operand_bits - out_bits + int(rng.integers(-4, 5))
    return FixedPoint(int(rng.integers(1 << (bits - 1), 1 << bits)), min(max(shift, 0), 62))


def codes(rng: np.random.Generator, zero: int, spread_bits: int, count: int) -> np.ndarray:
    """16-bit codes within 2^spread_bits of their zero point."""
    spread = 1 << spread_bits
    return np.clip(zero + mixed(rng, -spread, spread, count), 0, 65535)


def requantize_32_bits(rng: np.random.Generator, count: int) -> Results:
    out_bits = width(rng)
    m = multiplier(rng, 32, out_bits, widest=31)
    out = zero_point(rng, out_bits), out_bits
    near = (np.full(count // 4, c) for c in (m.mantissa, min(m.shift, 50)))
    anywhere = mixed(rng, -(1 << 31), (1 << 31) - 1, count - count // 4)
    a = np.concatenate([anywhere, ties(rng, *near, 32)])
    expected = [reference.requantize(v, *constants(m), *out) for v in a.tolist()]
    return requantize(a, m, *out), expected


def divide_round_62_bits(rng: np.random.Generator, count: int) -> Results:
    """Numerators halfway between two quotients, one beside, and of any size; 1 to 32-bit d."""
    shift, top = int(rng.integers(0, 31)), (1 << int(rng.integers(1, 33))) - 1
    d = np.maximum(mixed(rng, 0, top, count), 1)
    unit = d << shift
    halfway = unit * rng.integers(0, np.maximum((PRODUCT_LIMIT - 1) // unit, 1)) + unit // 2
    beside = (halfway + rng.integers(-1, 2, count)) * rng.choice([-1, 1], count)
    anywhere = mixed(rng, 1 - PRODUCT_LIMIT, PRODUCT_LIMIT - 1, count) >> rng.integers(0, 61, count)
    n = np.where(rng.random(count) < 0.5, beside, anywhere)
    pairs = zip(n.tolist(), d.tolist(), strict=True)
    return divide_round(n, shift, d), [reference.divide_round(a, shift, b) for a, b in pairs]


def multiply_16_bits(rng: np.random.Generator, count: int) -> Results:
    spreads, out_bits = rng.integers(4, 17, 2).tolist(), width(rng)
    m, zeros = multiplier(rng, sum(spreads), out_bits), (zero_point(rng), zero_point(rng))
    spec = MultiplySpec(zeros, m, zero_point(rng, out_bits), out_bits)
    a, b = (codes(rng, z, spread, count) for z, spread in zip(zeros, spreads, strict=True))
    pairs = zip(a.tolist(), b.tolist(), strict=True)
    return multiply(spec, a, b), [reference.multiply(*pair, *constants(spec)) for pair in pairs]


def add_1_to_4_terms_of_16_bits(rng: np.random.Generator, count: int) -> Results:
    terms, spread, out_bits = int(rng.integers(1, 5)), int(rng.integers(4, 17)), width(rng)
    m = multiplier(rng, spread + 1, out_bits)
    mantissas = tuple(mixed(rng, -m.mantissa, m.mantissa, terms).tolist())
    zeros = tuple(zero_point(rng) for _ in range(terms))
    spec = AddSpec(zeros, mantissas, m.shift, zero_point(rng, out_bits), out_bits)
    q = np.array([codes(rng, z, spread, count) for z in zeros])
    return add(spec, *q), [reference.add(column, *constants(spec)) for column in q.T.tolist()]


def affine_16_bits(rng: np.random.Generator, count: int) -> Results:
    length, spread, bits, out_bits = 8, int(rng.integers(4, 17)), width(rng), width(rng)
    m, z_y = multiplier(rng, spread + bits - 1, out_bits), zero_point(rng)
    top, step = (1 << (bits - 1)) - 1, 1 << min(m.shift + out_bits - 1, 60)
    gamma, beta = (mixed(rng, -limit, limit, length) for limit in (top, step))
    z_z = zero_point(rng, out_bits)
    spec = AffineSpec(gamma.astype(f"i{bits // 8}"), beta, z_y, m, z_z, out_bits)
    y = codes(rng, z_y, spread, -(-count // length) * length).reshape(-1, length)
    columns = zip(y.T.tolist(), gamma.tolist(), beta.tolist(), strict=True)
    expected = [[reference.affine(q, g, b, *constants(spec)) for q in c] for c, g, b in columns]
    return affine(spec, y).T, flat(expected)


SHAPES = [(32, 7), (20, 16), (20, 64), (4, 258), (1, 1500)]  # rows, columns
OFTEN = [0.4, 0.3, 0.2, 0.07, 0.03]


def matvec_spec(rng: np.random.Generator) -> MatVecSpec:
    """Weights as large as the columns allow, of either kind; one multiplier, or one a row."""
    (rows, columns), unsigned = SHAPES[rng.choice(len(SHAPES), p=OFTEN)], bool(rng.integers(2))
    x_bits, out_bits = width(rng), width(rng)
    top = min(127, ((1 << 31) - (1 << 20)) // (columns << x_bits))
    weights = mixed(rng, 0 if unsigned else -top, top, rows * columns).reshape(rows, columns)
    operand_bits = x_bits + top.bit_length() + columns.bit_length() // 2
    drawn = [multiplier(rng, operand_bits, out_bits) for _ in range(rows)]
    each_row = FixedPoints(*np.array([constants(m) for m in drawn]).T.copy())
    return MatVecSpec(
        weights.astype(np.uint8 if unsigned else np.int8),
        mixed(rng, 1 - (1 << 20), (1 << 20) - 1, rows).astype(np.int32),
        zero_point(rng, x_bits),
        drawn[0] if rng.integers(2) else each_row,
        zero_point(rng, out_bits),
        x_bits,
        out_bits,
        int(rng.integers(0, top + 1)) if unsigned else 0,
    )


def matvec_8_and_16_bits(rng: np.random.Generator, count: int) -> Results:
    spec = matvec_spec(rng)
    rows, columns = spec.weights.shape
    x = mixed(rng, 0, (1 << spec.x_bits) - 1, -(-count // rows) * columns).reshape(-1, columns)
    expected = flat(reference.matvec(row, *constants(spec)) for row in x.tolist())
    accumulators = flat(reference.accumulate(row, *products(spec)) for row in x[:2].tolist())
    agree(matvec(replace(spec, multiplier=None), x[:2]), accumulators)
    return matvec_both_ways(spec, x), expected


def madnorm_spec(rng: np.random.Generator) -> MadNormSpec:
    length, bits = int(rng.choice([1, 2, 7, 64, 200])), [width(rng) for _ in range(5)]
    x, mu, x_hat, d, y = bits
    z_x, z_mu, z_xh, z_y = (zero_point(rng, b) for b in (x, mu, x_hat, y))
    sum_bits, m_x = (length - 1).bit_length(), multiplier(rng, max(x, mu), x_hat)
    return spec_of(
        length,
        (*constants(multiplier(rng, x + sum_bits, mu)), z_mu),
        (m_x.mantissa, int(rng.integers(1, m_x.mantissa, endpoint=True)), m_x.shift, z_xh),
        constants(multiplier(rng, x_hat + sum_bits, d)),
        (*constants(multiplier(rng, x_hat - d, y)), z_y),
        z_x,
        bits,
    )


def madnorm_rows(rng: np.random.Generator, count: int) -> Results:
    """y; every other step is compared, not counted."""
    spec = madnorm_spec(rng)
    top, rows = (1 << spec.x_bits) - 1, -(-count // spec.length)
    x = mixed(rng, 0, top, rows * spec.length).reshape(rows, spec.length)
    x[0], x[-1, ::2], x[-1, 1::2] = top, 0, top
    trace = madnorm(spec, x)
    expected = [reference.madnorm(row, *constants(spec)) for row in x.tolist()]
    agree(trace.mu, [row.mu for row in expected])
    agree(trace.x_hat, flat(row.x_hat for row in expected))
    agree(trace.d, [row.d for row in expected])
    return trace.y, flat(row.y for row in expected)


def madnorm_quotient_16_bits(rng: np.random.Generator, count: int) -> Results:
    """Every step of y alone: any x_hat over any d."""
    m, z_xh, z_y = multiplier(rng, 16, 16 + int(rng.integers(16))), zero_point(rng), zero_point(rng)
    spec = spec_of(x_hat=(1, 1, 0, z_xh), y=(*constants(m), z_y), bits=(16,) * 5)
    x_hat, d = codes(rng, z_xh, 16, count), rng.permutation(mixed(rng, 0, 65535, count))
    d >>= rng.integers(0, 17, count)
    pairs = zip(x_hat.tolist(), d.tolist(), strict=True)
    numbers = z_xh, *constants(m), z_y, 16
    return quotient(spec, x_hat, d), [reference.quotient(*pair, *numbers) for pair in pairs]


def attention_spec(rng: np.random.Generator) -> AttentionSpec:
    """The encoder's codes have 8 bits, or 16."""
    spec, bits = attention(int(rng.integers(1 << 30))), width(rng)
    m = multiplier(rng, bits, bits)
    last = ContextSpec(zero_point(rng, bits), m, zero_point(rng, bits), bits, bits)
    return replace(spec, context=last)


def attention_of_ragged_sequences(rng: np.random.Generator, count: int) -> Results:
    """Every step: 13 values an encoder step, and 3 a sequence."""
    spec, columns, depth, longest = attention_spec(rng), 5, 3, int(rng.choice([12, 60]))
    lengths = rng.integers(1, longest, -(-count // (longest * 6)), endpoint=True)
    n, top = len(lengths), (1 << spec.context.h_bits) - 1
    query = mixed(rng, 0, 255, n * columns).reshape(n, columns)
    keys = mixed(rng, 0, 255, n * longest * columns).reshape(n, longest, columns)
    encoder = mixed(rng, 0, top, n * longest * depth).reshape(n, longest, depth)
    trace = attend(spec, query, remember(keys, encoder, lengths))
    batch = zip(*(a.tolist() for a in (query, keys, encoder, lengths)), strict=True)
    expected = [
        reference.attend(q, k[:length], h[:length], *constants(spec)) for q, k, h, length in batch
    ]
    total, tanh, *rows = (flat(step) for step in zip(*expected, strict=True))
    return np.concatenate([a.ravel() for a in trace]), flat([flat(total), flat(tanh), *rows])


FAMILIES = [
    requantize_32_bits,
    divide_round_62_bits,
    multiply_16_bits,
    add_1_to_4_terms_of_16_bits,
    affine_16_bits,
    matvec_8_and_16_bits,
    madnorm_rows,
    madnorm_quotient_16_bits,
    attention_of_ragged_sequences,
]


@pytest.mark.parametrize(
    "count", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)], ids=["20k", "million"]
)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_random_and_corner_vectors(family, count):
    seeds = np.random.default_rng(FAMILIES.index(family)).spawn(GROUPS)
    assert sum(agree(*family(rng, count // GROUPS)) for rng in seeds) >= count


def test_embedding_takes_rows():
    table = mixed(np.random.default_rng(9), 0, 255, 50 * 7).reshape(50, 7)
    index = [0, 49, *mixed(np.random.default_rng(10), 0, 49, 500).tolist()]
    expected = [reference.embedding(i, table.tolist()) for i in index]
    assert agree(embedding(table, index), flat(expected)) == 502 * 7


# Worst cases: all operands at their ends


ENDS = [(0, 0), (0, 65535), (65535, 0), (65535, 65535)]


@pytest.mark.parametrize("shift", [0, 1, 46, 62])
@pytest.mark.parametrize("zeros", ENDS)
def test_the_largest_product(shift, zeros):
    spec = MultiplySpec(zeros, FixedPoint((1 << 30) - 1, shift), 32768, 16)
    expected = [reference.multiply(*pair, *constants(spec)) for pair in ENDS]
    assert agree(multiply(spec, *np.array(ENDS).T), expected) == 4


@pytest.mark.parametrize("zero", [0, 65535])
def test_the_largest_sum(zero):
    """32,768 terms of 31-bit mantissas: one step below the limit of a product."""
    spec = AddSpec((zero,) * 32768, ((1 << 31) - 1,) * 32768, 46, 65535, 16)
    terms = [65535 - zero] * 32768
    assert add(spec, *terms) == reference.add(terms, *constants(spec))
    with pytest.raises(ValueError, match="may exceed 4611686018427387904"):
        replace(spec, zero_points=(zero,) * 32769, mantissas=((1 << 31) - 1,) * 32769)


def test_the_largest_affine():
    m = FixedPoint((1 << 30) - 1, 62)
    room = PRODUCT_LIMIT - 1 - m.mantissa * 65535 * 32767
    spec = AffineSpec(np.array([32767, -32767], np.int16), np.array([room, -room]), 0, m, 100, 16)
    terms = (32767, room), (-32767, -room)
    expected = [reference.affine(65535, *term, *constants(spec)) for term in terms]
    assert agree(affine(spec, [65535, 65535]), expected) == 2
    with pytest.raises(ValueError, match=r"^beta: with its product, one may reach 4611686018427"):
        replace(spec, beta=np.array([0, room + 1]))


def test_the_widest_pwl():
    slope, intercept = (1 << 44) - 1, (1 << 60) - 1
    for spec in (PwlSpec((0,), (slope,), (intercept,), 46, 0, 16, 16),
                 PwlSpec((0,), (-slope,), (-intercept,), 46, 65535, 16, 16)):  # fmt: skip
        ends = [0, 1, 65534, 65535]
        assert agree(pwl(spec, ends), [reference.pwl(q, *constants(spec)) for q in ends]) == 4


@pytest.mark.parametrize(("x_bits", "z_x"), [(8, 0), (8, 255), (16, 0), (16, 65535)])
@pytest.mark.parametrize(
    ("weight", "z_w", "dtype"),
    [(127, 0, np.int8), (-127, 0, np.int8), (255, 0, np.uint8), (0, 255, np.uint8)],
)
def test_the_largest_accumulator(x_bits, z_x, weight, z_w, dtype):
    """The bias fills what 32 bits the largest products leave; a step more is refused by both."""
    top = (1 << x_bits) - 1
    columns, room = divmod(ACCUMULATOR_MAX, top * abs(weight - z_w))
    sign = 1 if (weight > z_w) == (z_x == 0) else -1
    weights, bias = np.full((1, columns), weight, dtype), np.array([sign * room], np.int32)
    m = FixedPoint((1 << 31) - 1, 46)
    spec = MatVecSpec(weights, bias, z_x, m, 32768, x_bits, 16, z_w)
    x = [top - z_x] * columns
    largest = reference.accumulate(x, *products(spec))
    assert largest == accumulate(spec, x).tolist() == [sign * ACCUMULATOR_MAX]
    assert largest[0] in (spec.bounds[0][0], spec.bounds[1][0])
    result = matvec_both_ways(spec, np.array([x]))
    assert agree(result, reference.matvec(x, *constants(spec))) == 1
    with pytest.raises(ValueError, match="worst-case accumulator 2147483648 exceeds"):
        replace(spec, bias=bias + np.int32(sign))
    with pytest.raises(OverflowError, match="an accumulator exceeds 32 bits"):
        reference.accumulate(x, weights.tolist(), [sign * (room + 1)], z_x, z_w)


@pytest.mark.parametrize("x", [0, 65535])
def test_the_longest_row_of_madnorm(x):
    length = ACCUMULATOR_MAX >> 16
    spec = spec_of(
        length, ((1 << 31) - 1, 46, 65535 - x), (1, 1, 0, x), ((1 << 31) - 1, 46),
        ((1 << 31) - 1, 40, 32768), 65535 - x, (16,) * 5,
    )  # fmt: skip
    trace, expected = (
        madnorm(spec, np.full(length, x)),
        reference.madnorm([x] * length, *constants(spec)),
    )
    assert (trace.mu.tolist(), trace.d.tolist()) == ([expected.mu], [expected.d])
    assert agree(trace.x_hat, expected.x_hat) == agree(trace.y, expected.y) == length


@pytest.mark.parametrize(("z_h", "z_s", "h"), [(0, 0, 255), (128, 255, 0), (255, 255, 0)])
def test_the_longest_sequence_of_attention(z_h, z_s, h):
    spec = ContextSpec(z_h, FixedPoint((1 << 31) - 1, 31), z_s)
    e, column = [255] * spec.max_steps, [h] * spec.max_steps
    expected = [reference.context(e, column, *constants(spec))]
    assert agree(context(spec, e, np.array(column)[:, np.newaxis], [len(e)]), expected) == 1


# Real numbers to constants


def test_fixed_point_of_a_real_number():
    rng = np.random.default_rng(11)
    for bits in rng.integers(8, 32, 500).tolist():
        m = Fraction(int(rng.integers(1, 1 << 62)), 1 << int(rng.integers(62, 90)))
        halfway = Fraction(2 * int(rng.integers(1 << (bits - 1), 1 << bits)) - 1, 1 << 40)
        for value in (m, halfway):
            for converted, bracket in ((False, reference.rounded), (True, floor)):
                result = fixed_point(value, "m", bits, converted)
                assert constants(result) == reference.fixed_point(value, bits, bracket)


def test_common_shift_of_a_sum():
    rng = np.random.default_rng(12)
    for bits in rng.integers(8, 25, 2000).tolist():
        drawn = rng.integers(1 << 40, 1 << 50, int(rng.integers(1, 5))).tolist()
        ms = [Fraction(m, 1 << 49) * int(rng.choice([-1, 1])) for m in drawn]
        mantissas, shift = common_shift(ms, "sum", bits)
        assert ([*mantissas], shift) == reference.common_shift(ms, bits)


@pytest.mark.parametrize("bits", [8, 16])
def test_quantize_of_a_real_number(bits):
    """Scales that floats divide by exactly, ties among the quotients; and any other scale."""
    rng = np.random.default_rng(bits)
    for scale in (2.0**-7, 1.0, *rng.uniform(0.001, 0.1, 3)):
        params = QuantParams(float(scale), zero_point(rng, bits), bits)
        x = mixed(rng, -(4 << bits), 4 << bits, 5000) / 4 * params.scale
        number = Fraction(params.scale), params.zero_point, bits
        if scale not in (2.0**-7, 1.0):
            x += rng.uniform(0.01, 0.2, len(x)) * params.scale
        expected = [reference.quantize(Fraction(v), *number) for v in x.tolist()]
        assert agree(params.quantize(x), expected) == 5000
        back = [float(reference.dequantize(q, *number[:2])) for q in expected]
        assert params.dequantize(expected).tolist() == back


def test_parameters_of_a_range():
    rng = np.random.default_rng(13)
    for low, high in (rng.normal(0, 3, (2000, 2)) * [[1, 3]]).tolist():
        lo, hi = min(low, high), max(low, high)
        params = QuantParams.from_range(lo, hi)
        scale, zero = reference.parameters(Fraction(lo), Fraction(hi), 8)
        assert params.zero_point == zero
        assert params.scale == pytest.approx(float(scale), rel=2**-51)
