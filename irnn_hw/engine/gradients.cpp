// Straight-through gradients of the instructions: rounding is the identity, a clamped value passes none.
#include <cmath>
#include <cstring>

#include "gemm.h"
#include "tape.h"

namespace {

inline float real(int64_t mantissa, int64_t shift) { return (float)std::ldexp((double)mantissa, -(int)shift); }

void product(const Tape &tape, const Instruction &op, int64_t t, int64_t from, int64_t to) {
    const Tensor &x = tape.tensors[op.in[0]], &y = tape.tensors[op.out];
    auto sums = [&](int64_t b) { return Row{tape, op, t, b}.sums(); };
    for (int64_t b = from; b < to; b++) {
        const Row r{tape, op, t, b};
        const float *g = r.grad();
        const uint8_t *inside = r.inside(0, y.length);
        float *sum = sums(b);
        const float m = real(op.mantissa[0], op.shift[0]);
#pragma GCC ivdep
        for (int64_t i = 0; i < y.length; i++) sum[i] = (float)inside[i] * g[i] * m;
        if (op.mantissas)
#pragma GCC ivdep
            for (int64_t i = 0; i < y.length; i++)
                sum[i] = (float)inside[i] * g[i] * real(op.mantissas[i], op.shifts[i]);
    }
    auto give = [&](int64_t b, int64_t column, int64_t columns, const float *part) {
        float *g = x.grad.of(t, b) + column;
#pragma GCC ivdep
        for (int64_t i = 0; i < columns; i++) g[i] += part[i];
    };
    gemm<float>(from, to, x.length, y.length, sums, (const float *)op.packed_back, give);
}

void add(const Row &r) {
    const int64_t length = r.length();
    const float *g = r.grad();
    const uint8_t *inside = r.inside(0, length);
    for (int n = 0; n < r.op.inputs; n++) {
        const float m = real(r.op.mantissa[n], r.op.shift[0]);
        float *x = r.in_grad(n);
#pragma GCC ivdep
        for (int64_t i = 0; i < length; i++) x[i] += (float)inside[i] * g[i] * m;
    }
}

void multiply(const Row &r) {
    const int64_t length = r.length();
    const float *g = r.grad(), *a = r.in(0), *b = r.in(1);
    const uint8_t *inside = r.inside(0, length);
    const float m = real(r.op.mantissa[0], r.op.shift[0]);
    float *ga = r.in_grad(0), *gb = r.in_grad(1);
    // One after the other: both may be one tensor.
#pragma GCC ivdep
    for (int64_t i = 0; i < length; i++) ga[i] += (float)inside[i] * g[i] * m * b[i];
#pragma GCC ivdep
    for (int64_t i = 0; i < length; i++) gb[i] += (float)inside[i] * g[i] * m * a[i];
}

// sums: the gradient of m x gamma + beta, of which those of gamma and beta are made.
void affine(const Row &r) {
    const int64_t length = r.length();
    const float *g = r.grad();
    const uint8_t *inside = r.inside(0, length);
    const float m = real(r.op.mantissa[0], r.op.shift[0]);
    float *x = r.in_grad(0), *sums = r.sums();
#pragma GCC ivdep
    for (int64_t i = 0; i < length; i++) {
        sums[i] = (float)inside[i] * g[i];
        x[i] += sums[i] * m * r.op.gamma[i];
    }
}

void table(const Row &r) {
    const float *x = r.in(0), *g = r.grad(), *slopes = r.op.slopes + r.op.first;
    float *gx = r.in_grad(0);
#pragma GCC ivdep
    for (int64_t i = 0, n = r.length(); i < n; i++) gx[i] += g[i] * slopes[(int32_t)x[i]];
}

// Of equal operands, each takes half of the gradient.
void minimum(const Row &r) {
    const float *a = r.in(0), *b = r.in(1), *g = r.grad();
    float *ga = r.in_grad(0), *gb = r.in_grad(1);
#pragma GCC ivdep
    for (int64_t i = 0, n = r.length(); i < n; i++) {
        const float share = 0.5f * (float)((a[i] <= b[i]) + (a[i] < b[i]));
        ga[i] += g[i] * share;
        gb[i] += g[i] * (1.0f - share);
    }
}

void concatenate(const Row &r) {
    const float *g = r.grad();
    for (int n = 0; n < r.op.inputs; n++) {
        const int64_t length = r.tape.tensors[r.op.in[n]].length;
        float *x = r.in_grad(n);
#pragma GCC ivdep
        for (int64_t i = 0; i < length; i++) x[i] += g[i];
        g += length;
    }
}

void madnorm(const Row &row) {
    const Instruction &op = row.op;
    const int64_t whole = row.length(), length = whole / op.rows;
    const float mean_scale = real(op.mantissa[0], op.shift[0]), from_x = real(op.mantissa[1], op.shift[1]);
    const float from_mean = real(op.offset, op.shift[1]), d_scale = real(op.mantissa[2], op.shift[2]);
    const float quotient = real(op.mantissa[3], op.shift[3]);
    for (int64_t part = 0; part < op.rows; part++) {
        const int64_t start = part * length;
        const float *x_hat = row.tape.tensors[op.centred].value.of(row.t, row.b) + start;
        const float d = row.tape.tensors[op.deviation].value.of(row.t, row.b)[part];
        const float *g = row.grad() + start;
        const uint8_t *in_y = row.inside(3, whole) + start, *in_hat = row.inside(1, whole) + start;
        float *gx = row.in_grad(0) + start;
        const float over = quotient / (d ? d : 1.0f);
        const float *g_hat = row.tape.tensors[op.centred].grad.of(row.t, row.b) + start;
        float g_mean = row.tape.tensors[op.mean].grad.of(row.t, row.b)[part], g_ratio = 0.0f;
#pragma GCC ivdep
        for (int64_t i = 0; i < length; i++) g_ratio += (float)in_y[i] * g[i] * x_hat[i];
        // A divisor of 0 is taken as 1, a constant.
        float g_d = row.tape.tensors[op.deviation].grad.of(row.t, row.b)[part];
        g_d -= d ? g_ratio * over / d : 0.0f;
        g_d *= row.inside(2, op.rows)[part] ? d_scale : 0.0f;
#pragma GCC ivdep
        for (int64_t i = 0; i < length; i++) {
            const float sign = (float)((x_hat[i] > 0) - (x_hat[i] < 0));
            const float passed =
                (g_hat[i] + (float)in_y[i] * g[i] * over + g_d * sign) * (float)in_hat[i];
            gx[i] += passed * from_x;
            g_mean += passed * from_mean;
        }
        g_mean *= row.inside(0, op.rows)[part] ? mean_scale : 0.0f;
#pragma GCC ivdep
        for (int64_t i = 0; i < length; i++) gx[i] += g_mean;
    }
}

void mask(const Row &r) {
    const float *g = r.grad(), *kept = r.in(1);
    float *gx = r.in_grad(0);
#pragma GCC ivdep
    for (int64_t i = 0, n = r.length(); i < n; i++) gx[i] += g[i] * kept[i];
}

}  // namespace

void integer_backward(const Tape &tape, const Instruction &op, int64_t t, int64_t from, int64_t to) {
    if (op.code == PRODUCT) return product(tape, op, t, from, to);
    for (int64_t b = from; b < to; b++) {
        const Row row{tape, op, t, b};
        switch (op.code) {
            case ADD: add(row); break;
            case MULTIPLY: multiply(row); break;
            case AFFINE: affine(row); break;
            case TABLE: table(row); break;
            case MADNORM: madnorm(row); break;
            case MINIMUM: minimum(row); break;
            case CONCATENATE: concatenate(row); break;
            case MASK: mask(row); break;
        }
    }
}
