"""golden against the outside reference beyond 16 bits: a million vectors of each operation.

Each function below draws constants, and `count` vectors or more.
"""

from dataclasses import replace

import numpy as np
import pytest
import reference
from reference_specs import agree, constants, flat, matvec_both_ways, products, zero_point
from test_golden_attention import attention, attention_of_8_bits
from test_golden_madnorm import spec_of

from golden.attention import AttentionSpec, ContextSpec, attend, remember
from golden.elementwise import AddSpec, AffineSpec, MultiplySpec, add, affine, multiply
from golden.fixed import PRODUCT_LIMIT, FixedPoint, FixedPoints, divide_round, requantize
from golden.linear import MatVecSpec, embedding, matvec
from golden.madnorm import MadNormSpec, madnorm, quotient
from golden.stimulus import mixed, ties

GROUPS = 100  # sets of constants that share the vectors of a random run
Results = tuple[np.ndarray, list[int]]  # golden's, the reference's


def width(rng: np.random.Generator) -> int:
    return int(rng.choice([8, 16]))


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
    """The encoder's codes have 8 bits, or 16; sums and scores, too."""
    made = attention if width(rng) == 16 else attention_of_8_bits
    spec, bits = made(int(rng.integers(1 << 30))), width(rng)
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
