"""MadNorm and attention on codes are those of the real numbers within LSBs: the scales hold."""

import numpy as np
import pytest

from golden.attention import AttentionSpec, ContextSpec, attend, remember
from golden.elementwise import AddSpec, subtract_spec
from golden.linear import MatVecSpec, matvec
from golden.madnorm import MadNormClamps, MadNormSpec, madnorm
from irnn_hw.quant.multipliers import common_shift, fixed_point
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, fit


@pytest.mark.parametrize("bits", [8, 16])
def test_it_is_madnorm_of_the_real_numbers(bits):
    """Eq. 25-26 in floats: y within 3 LSB, which only the scales of Eq. 27-30 bring about."""
    rng = np.random.default_rng(5)
    length, width = 96, 16 if bits == 8 else 24
    real = rng.normal(0.7, 1.5, (50, length))
    x, mu, x_hat, y = (
        QuantParams.from_range(lo, hi, bits) for lo, hi in ((-7, 8), (-1, 2), (-8, 8), (-6, 6))
    )
    d_scale = 2 / ((1 << bits) - 1)
    mantissas, shift = common_shift(
        [x.scale / x_hat.scale, -mu.scale / x_hat.scale], "centre", width
    )
    spec = MadNormSpec(
        length,
        fixed_point(x.scale / (mu.scale * length), "mean", width),
        subtract_spec(
            (x.zero_point, mu.zero_point),
            (mantissas[0], -mantissas[1]),
            shift,
            x_hat.zero_point,
            bits,
        ),
        fixed_point(x_hat.scale / (d_scale * length), "deviation", width),
        fixed_point(x_hat.scale / (y.scale * d_scale), "quotient", width),
        y.zero_point,
        *[bits] * 4,
    )
    clamps = MadNormClamps()
    trace = madnorm(spec, x.quantize(real), clamps)
    centred = real - real.mean(axis=1, keepdims=True)
    expected = centred / np.abs(centred).mean(axis=1, keepdims=True)
    assert clamps.mu.clamped == clamps.x_hat.clamped == clamps.d.clamped == clamps.y.clamped == 0
    assert np.abs(y.dequantize(trace.y) - expected).max() < 3 * y.scale


def product(w, x, y, width=16):
    """The matrix-vector product of real weights, codes of x to codes of y."""
    params = QuantParams.symmetric(float(np.abs(w).max()))
    return MatVecSpec(
        params.quantize(w).astype(np.int8),
        np.zeros(len(w), np.int32),
        x.zero_point,
        fixed_point(x.scale * params.scale / y.scale, "product", width),
        y.zero_point,
        out_bits=y.bits,
    )


def attention(w_query, w_key, v, h):
    """Query and key products, and attention, of real weights: its scores in [-5, 5], exp on
    [-10, 0]; context and h alike."""
    part, total = QuantParams.from_range(-2, 2), QuantParams.from_range(-4, 4, 16)
    tanh, score = QuantParams.from_range(-1, 1), QuantParams.from_range(-5, 5, 16)
    mantissas, shift = common_shift([part.scale / total.scale] * 2, "total")
    shifted = QuantParams(score.scale, 65535, 16)
    spec = AttentionSpec(
        AddSpec((part.zero_point,) * 2, mantissas, shift, total.zero_point, 16),
        fit(np.tanh, total, tanh, 32),
        product(v, tanh, score, 24),
        fit(FUNCTIONS["exp"], shifted, QuantParams(1 / 255, 0), 32),
        ContextSpec(h.zero_point, fixed_point(1.0, "context"), h.zero_point),
    )
    return product(w_query, h, part), product(w_key, h, part), spec


def test_it_is_attention_of_the_real_numbers():
    """Softmax of real scores, context within 2 LSB: pieces of 32, weights never rounded."""
    rng = np.random.default_rng(10)
    width, steps = 16, 40
    w_query, w_key = rng.normal(0, 1 / 8, (2, width, width))
    v = rng.normal(0, 0.6, (1, width))
    encoder, state = rng.uniform(-1, 1, (5, steps, width)), rng.uniform(-1, 1, (5, width))
    h = QuantParams.from_range(-1, 1)
    query, key, spec = attention(w_query, w_key, v, h)
    codes = h.quantize(encoder)
    memory = remember(matvec(key, codes), codes, np.full(5, steps))
    trace = attend(spec, matvec(query, h.quantize(state)), memory)

    e = np.tanh((state @ w_query.T)[:, np.newaxis] + encoder @ w_key.T) @ v[0]
    alpha = np.exp(e - e.max(axis=1, keepdims=True))
    alpha /= alpha.sum(axis=1, keepdims=True)
    expected = np.einsum("bt,btk->bk", alpha, encoder)
    assert np.abs(expected).max() > 20 * h.scale
    assert np.abs(h.dequantize(trace.context) - expected).max() < 2 * h.scale
