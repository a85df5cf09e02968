"""The units of the registry that divide, and what stands around a division."""

from collections.abc import Callable
from functools import partial

import numpy as np

from golden import stimulus
from golden.elementwise import AffineSpec, affine, subtract_spec
from golden.fixed import FixedPoint, Int64, divide_round
from golden.madnorm import MadNormSpec, madnorm
from rtl.affine import Affine
from rtl.divider import (
    Divider,
    IterativeDivider,
    PipelinedDivider,
    ReciprocalDivider,
    divider_layout,
)
from rtl.madnorm import MadNorm
from rtl.pipeline import Pipeline
from rtl.units.unit import Unit, Vectors

Words = tuple[list[int], list[int]]  # packed payloads in, and out


def _quotients(n: Int64, shift: Int64 | int, d: Int64, bits: int) -> list[int]:
    """What a Divider gives, packed: saturated to `bits` and a sign."""
    top = (1 << bits) - 1
    exact = np.frompyfunc(divide_round, 3, 1)(n, shift, np.maximum(d, 1)).astype(np.int64)
    return (np.clip(exact, -top, top) & ((2 << bits) - 1)).tolist()


def _packed(n_bits: int, d_bits: int, n: Int64, shift: Int64, d: Int64) -> list[int]:
    layout = divider_layout(n_bits, d_bits)
    rows = zip(n.tolist(), shift.tolist(), d.tolist(), strict=True)
    at_n, at_shift, at_d = (layout[name].offset for name in ("n", "shift", "d"))
    return [(a & ((1 << n_bits) - 1)) << at_n | s << at_shift | b << at_d for a, s, b in rows]


def every_pair(seed: int) -> Words:
    """All 511 differences of 8-bit codes times a multiplier, by all 256 divisors; corners."""
    rng, count = np.random.default_rng(seed), 4000
    x, d = (a.ravel() for a in np.meshgrid(np.arange(-255, 256), np.arange(256)))
    f = int(rng.integers(8, 15))
    inputs, outputs = _divisions(x * int(rng.integers(1 << 15, 1 << 16)), f, d)
    n = stimulus.mixed(rng, 1 - (1 << 24), (1 << 24) - 1, count)
    shift, d = stimulus.mixed(rng, 0, 24, count), stimulus.mixed(rng, 0, 255, count)
    inputs += _packed(25, 8, n, shift, d)
    return inputs, outputs + _quotients(n, shift, d, 8)


def every_miss(seed: int) -> Words:
    """Every pair; every quotient of every divisor just missed, where a reciprocal is worst."""
    inputs, outputs = every_pair(seed)
    q, d = (a.ravel() for a in np.meshgrid(np.arange(1, 257), np.arange(1, 256)))
    missed, quotients = _divisions(q * d - 1 - (d >> 1), 0, d)
    return inputs + missed, outputs + quotients


def _divisions(n: Int64, shift: int, d: Int64) -> Words:
    """25 by 8 bits with one shift, in numpy all at once."""
    quotient = np.clip(divide_round(n, shift, np.maximum(d, 1)), -255, 255)
    return _packed(25, 8, n, np.full(len(n), shift), d), (quotient & 0x1FF).tolist()


def wide_divisions(seed: int) -> Words:
    """48 bits by 32: a third close to ties, to whole quotients and to the first that saturates."""
    rng, count = np.random.default_rng(seed), 3000
    n = stimulus.mixed(rng, 1 - (1 << 47), (1 << 47) - 1, count)
    shift, d = stimulus.mixed(rng, 0, 24, count), stimulus.mixed(rng, 0, (1 << 32) - 1, count)
    third = slice(None, None, 3)
    halves = stimulus.mixed(rng, 0, 515, len(n[third])) * d[third]
    shift[third] = rng.integers(0, 6, len(halves))
    near = (halves << shift[third] >> 1) + rng.integers(-1, 2, len(halves))
    n[third] = np.minimum(near, (1 << 47) - 1) * rng.choice((-1, 1), len(halves))
    return _packed(48, 32, n, shift, d), _quotients(n, shift, d, 8)


def madnorm_spec(length: int) -> MadNormSpec:
    """A MadNorm of 8-bit codes whose rows reach every code, and clamp in every step."""
    return MadNormSpec(
        length,
        mean=FixedPoint((1 << 16) // length, 16),
        centre=subtract_spec((120, 131), (43000, 42000), 15, 118),
        deviation=FixedPoint((5 << 14) // length, 16),
        quotient=FixedPoint(51397, 10),
        out_zero_point=140,
    )


def noisy_rows(length: int, count: int, seed: int) -> Int64:
    """Rows (count, length) of extremes, of constants, with one code that differs, and noise of
    every size."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, length))
    spread = rng.integers(1, 256, (count, 1))
    x = np.clip(rng.integers(0, 256, (count, 1)) + x % spread - spread // 2, 0, 255)
    x[0], x[1], x[2], x[3] = 0, 255, 130, 255 * (np.arange(length) % 2)
    x[4, 1:] = x[4, 0]
    x[5], x[5, length // 2], x[6], x[6, length // 2] = 90, 255, 150, 0  # y clamps at either end
    return x


def madnorm_rows(spec: MadNormSpec, count: int, seed: int) -> Words:
    """Every code of rows, normalized."""
    x = noisy_rows(spec.length, count, seed)
    return x.ravel().tolist(), madnorm(spec, x).y.ravel().tolist()


def normalized_steps(spec: MadNormSpec, scale: AffineSpec, count: int, seed: int) -> Words:
    """Steps of as many codes as gamma has, in rows of the spec's length; gamma and beta applied."""
    x = noisy_rows(spec.length, count * len(scale.gamma) // spec.length, seed)
    x = x.reshape(count, len(scale.gamma))
    return x.ravel().tolist(), affine(scale, madnorm(spec, x).y).ravel().tolist()


def affine_spec(length: int) -> AffineSpec:
    """gamma and beta of both signs, extremes among them, for the codes of `madnorm_spec`."""
    rng = np.random.default_rng(length)
    gamma, beta = rng.integers(-127, 128, length), rng.integers(-(1 << 22), 1 << 22, length)
    gamma[: min(length, 3)] = (127, -127, 0)[:length]
    return AffineSpec(gamma.astype(np.int8), beta, 140, FixedPoint(43690, 21), 101)


def affine_rows(spec: AffineSpec, count: int, seed: int) -> Words:
    """Rows of every code, at every place of gamma sooner or later."""
    rng = np.random.default_rng(seed)
    y = stimulus.mixed(rng, 0, 255, count * len(spec.gamma)).reshape(count, -1)
    y[:2] = [[0], [255]]
    return y.ravel().tolist(), affine(spec, y).ravel().tolist()


_NORM, _AFFINE = madnorm_spec(30), affine_spec(30)
# Four gates of 15: one row of all of them, or a row each; gamma and beta are of each code.
_JOINT, _GATE, _OF_GATES = madnorm_spec(60), madnorm_spec(15), affine_spec(60)
_WIDE = {"n_bits": 48, "d_bits": 32}


def _division(
    name: str, summary: str, build: Callable[[], Pipeline], words: Callable[[int], Words]
) -> Unit:
    return Unit(name, summary, build, lambda seed: Vectors(*words(seed)))


def _of_codes(
    name: str,
    what: str,
    variant: Callable[..., Divider],
    words: Callable[[int], Words] = every_pair,
) -> Unit:
    """A divider of 25 by 8 bits."""
    return _division(name, f"25 by 8 bits, every pair of a normalization, {what}", variant, words)


def _bits_at_once(step: int) -> str:
    return f"{step} quotient bit{'s' if step > 1 else ''} a"


DIVISION_UNITS = (
    _of_codes("divider-8", "restoring", PipelinedDivider),
    *(
        _of_codes(
            f"divider-pipelined-{step}",
            f"{_bits_at_once(step)} stage",
            partial(PipelinedDivider, step=step),
        )
        for step in (2, 4)
    ),
    *(
        _of_codes(
            f"divider-iterative-{step}",
            f"iterative, {_bits_at_once(step)} cycle",
            partial(IterativeDivider, step=step),
        )
        for step in (1, 2, 4)
    ),
    _of_codes("divider-reciprocal", "by reciprocals", ReciprocalDivider, every_miss),
    _division(
        "divider-32",
        "48 by 32 bits, restoring, 2 quotient bits a stage",
        partial(PipelinedDivider, **_WIDE, step=2),
        wide_divisions,
    ),
    _division(
        "divider-32-iterative",
        "48 by 32 bits, iterative, 1 quotient bit a cycle",
        partial(IterativeDivider, **_WIDE),
        wide_divisions,
    ),
    _division(
        "madnorm-30",
        "MadNorm, rows of 30 codes, pipelined divider",
        partial(MadNorm, spec=_NORM),
        partial(madnorm_rows, _NORM, 33),
    ),
    _division(
        "madnorm-joint",
        "MadNorm over four gates of 15 codes at once, gamma and beta",
        partial(MadNorm, spec=_JOINT, affine=_OF_GATES),
        partial(normalized_steps, _JOINT, _OF_GATES, 16),
    ),
    _division(
        "madnorm-gates",
        "MadNorm over each of four gates of 15 codes, gamma and beta of each, by reciprocals",
        partial(MadNorm, spec=_GATE, affine=_OF_GATES, divider=ReciprocalDivider),
        partial(normalized_steps, _GATE, _OF_GATES, 16),
    ),
    _division(
        "affine-30",
        "gamma y + beta, rows of 30 codes",
        partial(Affine, spec=_AFFINE),
        partial(affine_rows, _AFFINE, 33),
    ),
)
