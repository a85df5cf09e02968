// The operations in real numbers, and their gradients. Built with -ffast-math: a sum has no order, and
// exponentials come from the vector library.
#include <algorithm>
#include <cmath>

#include "gemm.h"
#include "tape.h"

namespace {

void product(const Tape &tape, const Instruction &op, int64_t t, int64_t from, int64_t to) {
    const Tensor &x = tape.tensors[op.in[0]], &y = tape.tensors[op.out];
    auto row_of = [&](int64_t b) { return x.value.of(t, b); };
    auto give = [&](int64_t b, int64_t column, int64_t columns, const float *sums) {
        float *out = y.value.of(t, b) + column;
        for (int64_t i = 0; i < columns; i++) out[i] = sums[i];
        if (op.values)
            for (int64_t i = 0; i < columns; i++) out[i] += op.values[column + i];
    };
    gemm<float>(from, to, y.length, x.length, row_of, (const float *)op.packed, give);
}

void product_back(const Tape &tape, const Instruction &op, int64_t t, int64_t from, int64_t to) {
    const Tensor &x = tape.tensors[op.in[0]], &y = tape.tensors[op.out];
    for (int64_t b = from; b < to; b++) {
        const Row r{tape, op, t, b};
        std::copy_n(r.grad(), y.length, r.sums());
    }
    auto sums = [&](int64_t b) { return Row{tape, op, t, b}.sums(); };
    auto give = [&](int64_t b, int64_t column, int64_t columns, const float *part) {
        float *g = x.grad.of(t, b) + column;
        for (int64_t i = 0; i < columns; i++) g[i] += part[i];
    };
    gemm<float>(from, to, x.length, y.length, sums, (const float *)op.packed_back, give);
}

void add(const Row &r) {
    const int64_t length = r.length();
    float *__restrict y = r.out();
    std::fill_n(y, length, (float)r.op.constant);
    for (int n = 0; n < r.op.inputs; n++) {
        const float factor = (float)r.op.factor[n], *x = r.in(n);
#pragma GCC ivdep
        for (int64_t i = 0; i < length; i++) y[i] += factor * x[i];
    }
}

void add_back(const Row &r) {
    const float *g = r.grad();
    for (int n = 0; n < r.op.inputs; n++) {
        const float factor = (float)r.op.factor[n];
        float *x = r.in_grad(n);
#pragma GCC ivdep
        for (int64_t i = 0, length = r.length(); i < length; i++) x[i] += factor * g[i];
    }
}

void multiply(const Row &r) {
    const float *a = r.in(0), *b = r.in(1), factor = (float)r.op.factor[0];
    float *y = r.out();
#pragma GCC ivdep
    for (int64_t i = 0, length = r.length(); i < length; i++) y[i] = factor * a[i] * b[i];
}

void multiply_back(const Row &r) {
    const float *a = r.in(0), *b = r.in(1), *g = r.grad(), factor = (float)r.op.factor[0];
    float *ga = r.in_grad(0), *gb = r.in_grad(1);
    const int64_t length = r.length();
    // One after the other: both may be one tensor.
#pragma GCC ivdep
    for (int64_t i = 0; i < length; i++) ga[i] += factor * g[i] * b[i];
#pragma GCC ivdep
    for (int64_t i = 0; i < length; i++) gb[i] += factor * g[i] * a[i];
}

void affine(const Row &r) {
    const float *x = r.in(0), *gamma = r.op.gamma, *beta = r.op.values;
    float *y = r.out();
#pragma GCC ivdep
    for (int64_t i = 0, length = r.length(); i < length; i++) y[i] = gamma[i] * x[i] + beta[i];
}

void affine_back(const Row &r) {
    const float *g = r.grad(), *gamma = r.op.gamma;
    float *x = r.in_grad(0), *sums = r.sums();
#pragma GCC ivdep
    for (int64_t i = 0, length = r.length(); i < length; i++) {
        sums[i] = g[i];
        x[i] += g[i] * gamma[i];
    }
}

void mask(const Row &r) {
    const float *x = r.in(0), *kept = r.in(1), factor = (float)r.op.factor[0];
    float *y = r.out();
#pragma GCC ivdep
    for (int64_t i = 0, length = r.length(); i < length; i++) y[i] = factor * x[i] * kept[i];
}

void mask_back(const Row &r) {
    const float *g = r.grad(), *kept = r.in(1), factor = (float)r.op.factor[0];
    float *x = r.in_grad(0);
#pragma GCC ivdep
    for (int64_t i = 0, length = r.length(); i < length; i++) x[i] += factor * g[i] * kept[i];
}

struct Moments {
    float mean, deviation;

    Moments(const float *x, int64_t length, double epsilon) {
        float total = 0.0f, squares = 0.0f;
        for (int64_t i = 0; i < length; i++) total += x[i];
        mean = total / (float)length;
        for (int64_t i = 0; i < length; i++) squares += (x[i] - mean) * (x[i] - mean);
        deviation = std::sqrt(squares / (float)length + (float)epsilon);
    }
};

// (x - mean) / d, d the mean magnitude of the difference.
void madnorm(const Row &r, int64_t part) {
    const int64_t length = r.length() / r.op.rows, start = part * length;
    const float *x = r.in(0) + start;
    float *__restrict y = r.out() + start;
    float total = 0.0f, spread = 0.0f;
    for (int64_t i = 0; i < length; i++) total += x[i];
    const float mean = total / (float)length;
    for (int64_t i = 0; i < length; i++) {
        y[i] = x[i] - mean;
        spread += std::fabs(y[i]);
    }
    const float d = std::max(spread / (float)length, 1e-30f);
    r.at(r.op.mean)[part] = mean;
    r.at(r.op.deviation)[part] = d;
    std::copy_n(y, length, r.at(r.op.centred) + start);
    for (int64_t i = 0; i < length; i++) y[i] *= 1.0f / d;
}

// (1 - mean) (g - sign(y) mean(g y)) / d.
void madnorm_back(const Row &r, int64_t part) {
    const int64_t length = r.length() / r.op.rows, start = part * length;
    const float *g = r.grad() + start, *y = r.out() + start;
    float *__restrict gx = r.in_grad(0) + start;
    float total = 0.0f, weighted = 0.0f, signs = 0.0f;
    for (int64_t i = 0; i < length; i++) {
        total += g[i];
        weighted += g[i] * y[i];
        signs += (float)((y[i] > 0.0f) - (y[i] < 0.0f));
    }
    const float n = (float)length, scale = 1.0f / r.at(r.op.deviation)[part];
    const float of_spread = weighted / n, mean = (total - of_spread * signs) / n;
    for (int64_t i = 0; i < length; i++) {
        const float sign = (float)((y[i] > 0.0f) - (y[i] < 0.0f));
        gx[i] += (g[i] - of_spread * sign - mean) * scale;
    }
}

// (x - mean) / d, d the standard deviation, the constant added to its square.
void layernorm(const Row &r, int64_t part) {
    const int64_t length = r.length() / r.op.rows, start = part * length;
    const float *x = r.in(0) + start;
    float *__restrict y = r.out() + start;
    const Moments m(x, length, r.op.constant);
    for (int64_t i = 0; i < length; i++) y[i] = (x[i] - m.mean) / m.deviation;
}

// (g - mean(g) - y mean(g y)) / d.
void layernorm_back(const Row &r, int64_t part) {
    const int64_t length = r.length() / r.op.rows, start = part * length;
    const float *g = r.grad() + start, *y = r.out() + start;
    float *__restrict gx = r.in_grad(0) + start;
    float total = 0.0f, weighted = 0.0f;
    for (int64_t i = 0; i < length; i++) {
        total += g[i];
        weighted += g[i] * y[i];
    }
    const float n = (float)length, scale = 1.0f / Moments(r.in(0) + start, length, r.op.constant).deviation;
    for (int64_t i = 0; i < length; i++) gx[i] += (g[i] - (total + y[i] * weighted) / n) * scale;
}

template <typename Function>
void map(const Row &r, Function f) {
    const float *x = r.in(0);
    float *y = r.out();
#pragma GCC ivdep
    for (int64_t i = 0, length = r.length(); i < length; i++) y[i] = f(x[i]);
}

// slope: of the output.
template <typename Slope>
void map_back(const Row &r, Slope slope) {
    const float *y = r.out(), *g = r.grad();
    float *x = r.in_grad(0);
#pragma GCC ivdep
    for (int64_t i = 0, length = r.length(); i < length; i++) x[i] += g[i] * slope(y[i]);
}

}  // namespace

void real_forward(const Tape &tape, const Instruction &op, int64_t t, int64_t from, int64_t to) {
    if (op.code == REAL_PRODUCT) return product(tape, op, t, from, to);
    for (int64_t b = from; b < to; b++) {
        const Row r{tape, op, t, b};
        switch (op.code) {
            case REAL_ADD: add(r); break;
            case REAL_MULTIPLY: multiply(r); break;
            case REAL_AFFINE: affine(r); break;
            case REAL_MADNORM:
                for (int64_t part = 0; part < op.rows; part++) madnorm(r, part);
                break;
            case REAL_LAYERNORM:
                for (int64_t part = 0; part < op.rows; part++) layernorm(r, part);
                break;
            case REAL_MASK: mask(r); break;
            case SIGMOID: map(r, [](float x) { return 1.0f / (1.0f + std::exp(-x)); }); break;
            case TANH: map(r, [](float x) { return std::tanh(x); }); break;
            case RELU: map(r, [](float x) { return std::max(x, 0.0f); }); break;
            case EXP: map(r, [](float x) { return std::exp(x); }); break;
        }
    }
}

void real_backward(const Tape &tape, const Instruction &op, int64_t t, int64_t from, int64_t to) {
    if (op.code == REAL_PRODUCT) return product_back(tape, op, t, from, to);
    for (int64_t b = from; b < to; b++) {
        const Row r{tape, op, t, b};
        switch (op.code) {
            case REAL_ADD: add_back(r); break;
            case REAL_MULTIPLY: multiply_back(r); break;
            case REAL_AFFINE: affine_back(r); break;
            case REAL_MADNORM:
                for (int64_t part = 0; part < op.rows; part++) madnorm_back(r, part);
                break;
            case REAL_LAYERNORM:
                for (int64_t part = 0; part < op.rows; part++) layernorm_back(r, part);
                break;
            case REAL_MASK: mask_back(r); break;
            case SIGMOID: map_back(r, [](float y) { return y * (1.0f - y); }); break;
            case TANH: map_back(r, [](float y) { return 1.0f - y * y; }); break;
            case RELU: map_back(r, [](float y) { return y > 0.0f ? 1.0f : 0.0f; }); break;
            case EXP: map_back(r, [](float y) { return y; }); break;
        }
    }
}
