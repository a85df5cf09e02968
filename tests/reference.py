"""The outside reference: the paper's equations in exact rational arithmetic.

Each equation is evaluated as printed: its real quotient, one rounding half away from zero, written
[.], and one clamp. Slow and apart on purpose: nothing of this project is imported, nothing is
shifted, no float enters. Codes, mantissas, shifts, zero points and widths are Python integers, a
row is a sequence of them; the constants of a function follow its operands. "Eq. n" is the paper's;
what it leaves open is settled in docs/numerics.md, whose sections are named.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from itertools import count, pairwise
from math import floor
from typing import NamedTuple

Row = Sequence[int]
Rounding = Callable[[Fraction], int]

HALF = Fraction(1, 2)


# Numbers (Eq. 1-3, 7-11)


def rounded(x: Fraction | int) -> int:
    """sign(x) floor(|x| + 1/2): half away from zero, the brackets of every equation."""
    magnitude = floor(abs(x) + HALF)
    return -magnitude if x < 0 else magnitude


def clamp(value: int, bits: int) -> int:
    """The nearest of the codes 0..2^bits - 1."""
    return min(max(value, 0), 2**bits - 1)


def code(x: Fraction | int, zero_point: int, bits: int) -> int:
    """The `bits`-wide code of x, a number in units of the scale: clamp(round(x) + Z) (Eq. 1)."""
    return clamp(rounded(x) + zero_point, bits)


def quantize(x: Fraction, scale: Fraction, zero_point: int, bits: int) -> int:
    """q = clamp(round(x / S) + Z) (Eq. 1)."""
    return code(x / scale, zero_point, bits)


def dequantize(q: int, scale: Fraction, zero_point: int) -> Fraction:
    """r = S (q - Z) (Eq. 2)."""
    return scale * (q - zero_point)


def parameters(low: Fraction, high: Fraction, bits: int) -> tuple[Fraction, int]:
    """S and Z of the range [low, high], widened to hold 0 (Eq. 3)."""
    low, high = min(low, Fraction(0)), max(high, Fraction(0))
    scale = (high - low) / (2**bits - 1)
    return scale, rounded(-low / scale)


def fixed_point(m: Fraction, width: int, bracket: Rounding = rounded) -> tuple[int, int]:
    """Mantissa and shift of m > 0: [2^f m], f the smallest that reaches 2^(width - 1) (Eq. 7).

    bracket: the rounding; Eq. 7 prints `math.floor`.
    """
    shift = next(f for f in count() if bracket(2**f * m) >= 2 ** (width - 1))
    return bracket(2**shift * m), shift


def common_shift(terms: Sequence[Fraction], width: int) -> tuple[list[int], int]:
    """Mantissas of a sum's multipliers, and their shift: the largest's (section Multipliers)."""
    _, shift = fixed_point(max(abs(m) for m in terms), width)
    return [rounded(2**shift * m) for m in terms], shift


@cache
def real(mantissa: int, shift: int) -> Fraction:
    """M = 2^-f M_fx (Eq. 8). Constants return: each is made once."""
    return Fraction(mantissa, 2**shift)


def requantize(a: int, mantissa: int, shift: int, zero_point: int, bits: int) -> int:
    """[2^-f M_fx a] + Z (Eq. 10): an accumulator to a `bits`-wide code."""
    return code(real(mantissa, shift) * a, zero_point, bits)


def divide_round(n: int, shift: int, d: int) -> int:
    """[n / (2^f d)], d >= 1, one rounding (section Division)."""
    return rounded(Fraction(n, 2**shift * d))


# Element-wise operations (Eq. 4-6, 22)


def multiply(
    a: int, b: int, z_a: int, z_b: int, mantissa: int, shift: int, z_c: int, bits: int
) -> int:
    """[S_a S_b / S_c (q_a q_b - q_a Z_b - q_b Z_a + Z_a Z_b)] + Z_c (Eq. 4)."""
    return code(real(mantissa, shift) * (a * b - a * z_b - b * z_a + z_a * z_b), z_c, bits)


def add_alike(q: Row, zero_point: int, mantissa: int, shift: int, z_c: int, bits: int) -> int:
    """[S_a / S_c (q_a + q_b - 2 Z_a)] + Z_c (Eq. 5): terms that share their parameters."""
    return code(real(mantissa, shift) * (sum(q) - len(q) * zero_point), z_c, bits)


def add(q: Row, zero_points: Row, mantissas: Row, shift: int, z_c: int, bits: int) -> int:
    """[sum_i S_i / S_c (q_i - Z_i)] + Z_c (Eq. 6; Eq. 22 has three terms).

    A negative mantissa subtracts its term.
    """
    terms = zip(q, zero_points, mantissas, strict=True)
    return code(sum(real(m, shift) * (a - z) for a, z, m in terms), z_c, bits)


def one_minus(
    x: int, x_bits: int, z_x: int, mantissas: Row, shift: int, z_c: int, bits: int
) -> int:
    """1 - x: of 1 the code is 2^x_bits - 1 with zero point 0 (section Operations)."""
    m_one, m_x = mantissas
    return add((2**x_bits - 1, x), (0, z_x), (m_one, -m_x), shift, z_c, bits)


def minimum(a: int, b: int) -> int:
    """The smaller of two codes that share their parameters (section Operations)."""
    return a if a < b else b


def affine(
    y: int, gamma: int, beta: int, z_y: int, mantissa: int, shift: int, z_z: int, bits: int
) -> int:
    """[S_y S_gamma / S_z (q_y - Z_y) q_gamma + 2^-f beta] + Z_z: one rounding (section Operations).

    gamma is signed and symmetric; beta is in units of 2^-f of an output's step.
    """
    return code(real(mantissa, shift) * (y - z_y) * gamma + real(beta, shift), z_z, bits)


# Matrix-vector product, embedding


def accumulate(x: Row, weights: Sequence[Row], bias: Row, z_x: int, z_w: int) -> list[int]:
    """acc_r = bias_r + sum_k (q_x[k] - Z_x)(q_w[r, k] - Z_w) (Eq. 12; section Operations).

    Raises OverflowError for one beyond 32 bits.
    """
    accumulators = [
        b + sum((q - z_x) * (w - z_w) for q, w in zip(x, row, strict=True))
        for b, row in zip(bias, weights, strict=True)
    ]
    if any(abs(acc) >= 2**31 for acc in accumulators):
        raise OverflowError("an accumulator exceeds 32 bits")
    return accumulators


def matvec(
    x: Row, weights: Sequence[Row], bias: Row, z_x: int, z_w: int,
    mantissas: Row, shifts: Row, z_y: int, bits: int,
) -> list[int]:  # fmt: skip
    """[S_x S_w / S_y acc_r] + Z_y, with one multiplier a row (Eq. 10, 12)."""
    accumulators = accumulate(x, weights, bias, z_x, z_w)
    rows = zip(accumulators, mantissas, shifts, strict=True)
    return [requantize(acc, m, f, z_y, bits) for acc, m, f in rows]


def embedding(index: int, table: Sequence[Row]) -> list[int]:
    """Row `index` of a table of codes (section Operations)."""
    return list(table[index])


# Activations (Eq. 23-24)


def look_up(q: int, table: Row) -> int:
    """LUT[q_x] (section 4.1 of the paper)."""
    return table[q]


def pwl(
    q: int, knots: Row, slopes: Row, intercepts: Row, shift: int, z_y: int, in_bits: int, bits: int
) -> int:
    """[sum_i 1_[k_i, k_i+1) (S_x a_i / S_y (q_x - k_i) + b_i / S_y)] + Z_y (Eq. 23-24).

    One slope and one intercept, in units of 2^-f, for each knot that begins a piece. The last
    interval is closed: it ends before 2^in_bits, and holds the largest code.
    """
    pieces = zip(pairwise([*knots, 2**in_bits]), slopes, intercepts, strict=True)
    value = sum(
        real(a, shift) * (q - k) + real(b, shift) for (k, end), a, b in pieces if k <= q < end
    )
    return code(value, z_y, bits)


# MadNorm (Eq. 25-30)


class MadNorm(NamedTuple):
    """Codes of every step on one row."""

    mu: int
    x_hat: list[int]
    d: int
    y: list[int]


def mean(x: Row, z_x: int, mantissa: int, shift: int, z_mu: int, bits: int) -> int:
    """[S_x / (S_mu N) (sum_i q_x_i - N Z_x)] + Z_mu (Eq. 27)."""
    return code(real(mantissa, shift) * (sum(x) - len(x) * z_x), z_mu, bits)


def centre(
    x: int, mu: int, z_x: int, z_mu: int, m_x: int, m_mu: int, shift: int, z_xh: int, bits: int
) -> int:
    """[S_x / S_xh (q_x - Z_x) - S_mu / S_xh (q_mu - Z_mu)] + Z_xh (Eq. 28)."""
    return code(real(m_x, shift) * (x - z_x) - real(m_mu, shift) * (mu - z_mu), z_xh, bits)


def deviation(x_hat: Row, z_xh: int, mantissa: int, shift: int, bits: int) -> int:
    """[S_xh / (S_d N) sum_i |q_xh_i - Z_xh|] (Eq. 29); d starts at 0, and so Z_d is 0."""
    return code(real(mantissa, shift) * sum(abs(q - z_xh) for q in x_hat), 0, bits)


def quotient(x_hat: int, d: int, z_xh: int, mantissa: int, shift: int, z_y: int, bits: int) -> int:
    """[S_xh / (S_y S_d) (q_xh - Z_xh) / max(q_d, 1)] + Z_y (Eq. 30)."""
    return code(real(mantissa, shift) * (x_hat - z_xh) / max(d, 1), z_y, bits)


def madnorm(x: Row, z_x: int, mu: Row, x_hat: Row, d: Row, y: Row) -> MadNorm:
    """Eq. 27-30 on one row.

    mu: mantissa, shift, zero point, bits. x_hat: mantissas of x and of mu, shift, zero point,
    bits. d: mantissa, shift, bits. y: mantissa, shift, zero point, bits.
    """
    z_mu, z_xh = mu[2], x_hat[3]
    q_mu = mean(x, z_x, *mu)
    q_xh = [centre(q, q_mu, z_x, z_mu, *x_hat) for q in x]
    q_d = deviation(q_xh, z_xh, *d)
    return MadNorm(q_mu, q_xh, q_d, [quotient(q, q_d, z_xh, *y) for q in q_xh])


# Attention (Eq. 19-21, section 4.3 of the paper)


class Attention(NamedTuple):
    """Codes of one decoder step. total, tanh: a row an encoder step; context: one a column."""

    total: list[list[int]]
    tanh: list[list[int]]
    score: list[int]
    shifted: list[int]
    exp: list[int]
    context: list[int]


def shifted_scores(scores: Row, bits: int) -> list[int]:
    """e_i - max_j e_j, whose zero point is the largest code of its bits (section Attention)."""
    largest = max(scores)
    return [e - largest + 2**bits - 1 for e in scores]


def context(e: Row, h: Row, z_h: int, mantissa: int, shift: int, z_s: int, bits: int) -> int:
    """[S_h / S_s sum_i exp_i (q_h_i - Z_h) / max(sum_j exp_j, 1)] + Z_s (Eq. 19-20).

    One column h of the encoder's codes; the fraction is rounded once, its weights never.
    """
    weighted = sum(a * (q - z_h) for a, q in zip(e, h, strict=True))
    return code(real(mantissa, shift) * weighted / max(sum(e), 1), z_s, bits)


def attend(
    query: Row, keys: Sequence[Row], encoder: Sequence[Row],
    total: tuple, tanh: tuple, score: tuple, exp: tuple, weighted_sum: tuple,
) -> Attention:  # fmt: skip
    """Eq. 19-21 of one query over one sequence: a row of `keys` and `encoder` an encoder step.

    query, keys: codes of W_q h and W_k h_enc. Constants: those of `add`, `pwl`, `matvec` with the
    one row v, `pwl` and `context`.
    """
    totals = [[add(pair, *total) for pair in zip(query, key, strict=True)] for key in keys]
    tanhs = [[pwl(q, *tanh) for q in row] for row in totals]
    scores = [matvec(row, *score)[0] for row in tanhs]
    shifted = shifted_scores(scores, bits=score[-1])
    exps = [pwl(q, *exp) for q in shifted]
    contexts = [context(exps, h, *weighted_sum) for h in zip(*encoder, strict=True)]
    return Attention(totals, tanhs, scores, shifted, exps, contexts)
