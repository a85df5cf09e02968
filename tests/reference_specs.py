"""What golden and tests/reference.py are compared by: constants of specs, and their values."""

from collections.abc import Sequence

import numpy as np
import pytest

from golden.activation import PwlSpec
from golden.attention import AttentionSpec, ContextSpec
from golden.batched import BatchedMatVec
from golden.elementwise import AddSpec, AffineSpec, MultiplySpec
from golden.fixed import FixedPoint
from golden.linear import MatVecSpec, matvec
from golden.madnorm import MadNormSpec

ALL = 1 << 16  # inputs of 16 bits


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


def matvec_both_ways(spec: MatVecSpec, x: np.ndarray) -> np.ndarray:
    """The codes of x (batch, columns), the same of matvec and of its fast twin."""
    batched = np.empty((len(x), len(spec.bias)), np.int64)
    BatchedMatVec(spec, len(x))(x, batched, None)
    agree(batched, matvec(spec, x).ravel().tolist())
    return batched


def zero_point(rng: np.random.Generator, bits: int = 16) -> int:
    """Either end, the middle, or anywhere."""
    top = (1 << bits) - 1
    return int(rng.choice([0, top, (top + 1) >> 1, rng.integers(top)]))
