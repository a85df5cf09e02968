"""Additive attention on codes (Eq. 19-21): scores, shifted softmax, context rounded once."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from golden.activation import PwlSpec, pwl
from golden.elementwise import AddSpec, add
from golden.fixed import (
    MAX_SHIFT,
    ClampCount,
    FixedPoint,
    Int64,
    check_bits,
    check_zero_point,
    divide_round,
    integers,
    saturate,
    within_bits,
)
from golden.linear import ACCUMULATOR_MAX, MatVecSpec, matvec

SCORE_MAX = (1 << 16) - 1  # a 16-bit score's zero point once shifted: a sequence's largest score


@dataclass(frozen=True, slots=True)
class ContextSpec:
    """Constants of ``round(m sum_i e_i (q_h_i - Z_h) / (2^f max(sum_j e_j, 1))) + Z_s``.

    multiplier: S_h / S_s; the scale of the codes e of exp cancels. The alignment weights
    themselves are never rounded.
    """

    h_zero_point: int
    multiplier: FixedPoint
    out_zero_point: int
    h_bits: int = 8
    out_bits: int = 8
    exp_bits: int = 8

    def __post_init__(self) -> None:
        check_bits(self.h_bits, "context input")
        check_zero_point(self.h_zero_point, self.h_bits, "context input")
        check_bits(self.exp_bits, "context weight")
        check_bits(self.out_bits, "context output")
        check_zero_point(self.out_zero_point, self.out_bits, "context output")
        if self.multiplier.shift > MAX_SHIFT // 2:
            raise ValueError(f"context: shift {self.multiplier.shift} leaves no room for 32 bits")

    @property
    def max_steps(self) -> int:
        """The longest sequence whose sums are sure to fit 32 bits."""
        largest = max(self.h_zero_point, (1 << self.h_bits) - 1 - self.h_zero_point)
        return ACCUMULATOR_MAX // (((1 << self.exp_bits) - 1) * largest)


def context(
    spec: ContextSpec,
    e: ArrayLike,
    h: ArrayLike,
    lengths: ArrayLike,
    clamps: ClampCount | None = None,
) -> Int64:
    """Contexts (sequences, K) of the codes e (N,) of exp and h (N, K), one row an encoder step.

    lengths (sequences,): rows of each sequence, one after the other, 1..max_steps, N in all.
    """
    e, h = within_bits(e, spec.exp_bits, "e"), within_bits(h, spec.h_bits, "h")
    starts = _starts(lengths, len(e), spec.max_steps)
    weighted = e[:, np.newaxis] * (h - spec.h_zero_point)
    numerator = np.add.reduceat(weighted, starts, axis=0) * spec.multiplier.mantissa
    divisor = np.maximum(np.add.reduceat(e, starts), 1)[:, np.newaxis]
    value = divide_round(numerator, spec.multiplier.shift, divisor) + spec.out_zero_point
    return saturate(value, spec.out_bits, clamps)


def shifted_scores(scores: ArrayLike, lengths: ArrayLike, bits: int = 16) -> Int64:
    """u = e - max e + 2^bits - 1 within each sequence of the scores (N,): the largest code becomes
    that of the largest score."""
    e, lengths = within_bits(scores, bits, "scores"), integers(lengths, "lengths")
    largest = np.maximum.reduceat(e, _starts(lengths, len(e), len(e)))
    shifted: Int64 = e - np.repeat(largest, lengths) + (1 << bits) - 1
    return shifted


def _starts(lengths: ArrayLike, rows: int, limit: int) -> Int64:
    """The first row of each sequence. Raises ValueError unless lengths are of 1..limit rows."""
    lengths = integers(lengths, "lengths")
    if lengths.size == 0 or int(lengths.min()) < 1 or int(lengths.max()) > limit:
        raise ValueError(f"lengths: one is not in 1..{limit}")
    if int(lengths.sum()) != rows:
        raise ValueError(f"lengths: {int(lengths.sum())} in all for {rows} rows")
    starts: Int64 = np.cumsum(lengths) - lengths
    return starts


@dataclass(frozen=True, slots=True)
class AttentionSpec:
    """Constants of e = v . tanh(query + key), and of the context of its softmax.

    total: the sum, 16 bits or 8. tanh: of it, 8 bits. score: v, one row, 16 bits out or 8. exp: on
    shifted scores, zero point 0. The query W_q h and the keys W_k h_enc are matrix-vector products.
    """

    total: AddSpec
    tanh: PwlSpec
    score: MatVecSpec
    exp: PwlSpec
    context: ContextSpec

    def __post_init__(self) -> None:
        v = self.score
        if v.weights.shape[0] != 1 or v.multiplier is None:
            raise ValueError("attention: score: one row, requantized, expected")
        if len(self.total.mantissas) != 2:
            raise ValueError("attention: total: the sum of query and key expected")
        agree = {
            "widths": (
                (self.total.out_bits, v.out_bits),
                (self.tanh.in_bits, self.exp.in_bits),
            ),
            "tanh and score": (
                (self.tanh.out_bits, self.tanh.out_zero_point),
                (v.x_bits, v.x_zero_point),
            ),
            "exp and context": (
                (self.exp.out_bits, self.exp.out_zero_point),
                (self.context.exp_bits, 0),
            ),
        }
        for what, (left, right) in agree.items():
            if left != right:
                raise ValueError(f"attention: {what}: {left} is not {right}")


@dataclass(slots=True)
class AttentionClamps:
    """What each step clamped, padded encoder steps apart."""

    total: ClampCount = field(default_factory=ClampCount)
    tanh: ClampCount = field(default_factory=ClampCount)
    score: ClampCount = field(default_factory=ClampCount)
    exp: ClampCount = field(default_factory=ClampCount)
    context: ClampCount = field(default_factory=ClampCount)


class Memory(NamedTuple):
    """Encoder steps without their padding, one a row, sequence after sequence.

    key: (N, A) codes of W_k h. h: (N, K) codes. lengths: (sequences,).
    """

    key: Int64
    h: Int64
    lengths: Int64

    def of(self, sequences: NDArray[np.bool_]) -> "Memory":
        """The memory of the sequences that are set."""
        rows = np.repeat(sequences, self.lengths)
        return Memory(self.key[rows], self.h[rows], self.lengths[sequences])


class AttentionTrace(NamedTuple):
    """Codes of every step. total, tanh: (N, A). score, shifted, exp: (N,), a row an encoder step
    of the memory. context: (sequences, K)."""

    total: Int64
    tanh: Int64
    score: Int64
    shifted: Int64
    exp: Int64
    context: Int64


def remember(
    key: ArrayLike, encoder: ArrayLike, lengths: ArrayLike, max_steps: int | None = None
) -> Memory:
    """The memory of codes key (sequences, steps, A) and encoder (sequences, steps, K), of which
    the first `lengths` count.

    Made once a sequence, not once a decoder step. Raises ValueError for a length that is 0, above
    the steps or above max_steps.
    """
    keys, codes = integers(key, "key"), integers(encoder, "encoder")
    lengths = integers(lengths, "lengths")
    if codes.ndim != 3 or lengths.shape != codes.shape[:1] or keys.shape[:-1] != codes.shape[:-1]:
        raise ValueError(
            f"lengths: {lengths.shape} for keys of {keys.shape} and an encoder of {codes.shape}"
        )
    steps = codes.shape[1] if max_steps is None else min(codes.shape[1], max_steps)
    if lengths.size == 0 or int(lengths.min()) < 1 or int(lengths.max()) > steps:
        raise ValueError(f"lengths: one is not in 1..{steps}")
    kept = np.arange(codes.shape[1]) < lengths[:, np.newaxis]
    return Memory(keys[kept], codes[kept], lengths)


def attend(
    spec: AttentionSpec,
    query: ArrayLike,
    memory: Memory,
    clamps: AttentionClamps | None = None,
) -> AttentionTrace:
    """Every step of attention of the queries (sequences, A)."""
    clamps, query = clamps or AttentionClamps(), integers(query, "query")
    if query.shape != (len(memory.lengths), memory.key.shape[1]):
        raise ValueError(f"query: {query.shape} for {len(memory.lengths)} sequences")
    repeated = np.repeat(query, memory.lengths, axis=0)
    total = add(spec.total, repeated, memory.key, clamps=clamps.total)
    tanh = pwl(spec.tanh, total, clamps.tanh)
    score = matvec(spec.score, tanh, clamps.score)[:, 0]
    shifted = shifted_scores(score, memory.lengths, spec.score.out_bits)
    exp = pwl(spec.exp, shifted, clamps.exp)
    result = context(spec.context, exp, memory.h, memory.lengths, clamps.context)
    return AttentionTrace(total, tanh, score, shifted, exp, result)
