// The integer operations of golden/: 64-bit integers throughout. Built without -ffast-math.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "gemm.h"
#include "tape.h"

namespace {

constexpr int64_t CHUNK = 64;  // values at once: enough for any register, few enough for the cache

// sign(p) * ((|p| >> s) + ((|p| >> (s - 1)) & 1)), half away from zero (Eq. 11).
struct Rounding {
    int64_t half, negative, shift;

    explicit Rounding(int64_t s) : half(s ? (int64_t)1 << (s - 1) : 0), negative(s ? -1 : 0), shift(s) {}
    int64_t operator()(int64_t p) const { return (p + half + ((p >> 63) & negative)) >> shift; }
};

inline int64_t integer(float code) { return (int32_t)code; }

// y = v between its limits; inside (or null): where it was there.
inline void saturate(const int64_t *__restrict v, int64_t count, int64_t low, int64_t high, float *__restrict y,
                     uint8_t *__restrict inside) {
    for (int64_t i = 0; i < count; i++) {
        const int64_t clamped = std::min(std::max(v[i], low), high);
        y[i] = (float)(int32_t)clamped;
    }
    if (inside)
        for (int64_t i = 0; i < count; i++) inside[i] = (v[i] >= low) & (v[i] <= high);
}

// y = the values, saturated to the limits of part `part` of the instruction.
template <typename Value>
void each(const Instruction &op, int part, float *y, uint8_t *inside, int64_t length, Value value) {
    int64_t v[CHUNK];
    for (int64_t start = 0; start < length; start += CHUNK) {
        const int64_t count = std::min(CHUNK, length - start);
#pragma GCC ivdep
        for (int64_t i = 0; i < count; i++) v[i] = value(start + i);
        saturate(v, count, op.low[part], op.high[part], y + start, inside ? inside + start : nullptr);
    }
}

template <typename Value>
void each(const Row &r, Value value) {
    each(r.op, 0, r.out(), r.inside(0, r.length()), r.length(), value);
}

template <typename T>
void product(const Tape &tape, const Instruction &op, int64_t t, int64_t from, int64_t to) {
    const Tensor &x = tape.tensors[op.in[0]], &y = tape.tensors[op.out];
    const Rounding round(op.shift[0]);
    auto row_of = [&](int64_t b) { return x.value.of(t, b); };
    auto give = [&](int64_t b, int64_t column, int64_t columns, const T *sums) {
        const Row r{tape, op, t, b};
        uint8_t *inside = r.inside(0, y.length);
        int64_t acc[CHUNK];
        for (int64_t i = 0; i < columns; i++) acc[i] = (int64_t)sums[i];
        if (op.bias)
            for (int64_t i = 0; i < columns; i++) acc[i] += op.bias[column + i];
        if (op.mantissas)
            for (int64_t i = 0; i < columns; i++)
                acc[i] = Rounding(op.shifts[column + i])(acc[i] * op.mantissas[column + i]);
        else
            for (int64_t i = 0; i < columns; i++) acc[i] = round(acc[i] * op.mantissa[0]);
        saturate(acc, columns, op.low[0], op.high[0], r.out() + column, inside ? inside + column : nullptr);
    };
    gemm<T>(from, to, y.length, x.length, row_of, (const T *)op.packed, give);
}

void add(const Row &r) {
    const Instruction &op = r.op;
    const float *x[TERMS] = {};
    for (int n = 0; n < op.inputs; n++) x[n] = r.in(n);
    const float *a = x[0], *b = x[1], *c = x[2], *d = x[3];
    const int64_t m = op.mantissa[0], n = op.mantissa[1], o = op.mantissa[2], p = op.mantissa[3];
    const int64_t offset = op.offset;
    const Rounding round(op.shift[0]);
    switch (op.inputs) {
        case 1: return each(r, [=](int64_t i) { return round(offset + m * integer(a[i])); });
        case 2: return each(r, [=](int64_t i) { return round(offset + m * integer(a[i]) + n * integer(b[i])); });
        case 3:
            return each(r, [=](int64_t i) {
                return round(offset + m * integer(a[i]) + n * integer(b[i]) + o * integer(c[i]));
            });
        default:
            return each(r, [=](int64_t i) {
                return round(offset + m * integer(a[i]) + n * integer(b[i]) + o * integer(c[i]) + p * integer(d[i]));
            });
    }
}

void multiply(const Row &r) {
    const float *a = r.in(0), *b = r.in(1);
    const int64_t m = r.op.mantissa[0];
    const Rounding round(r.op.shift[0]);
    each(r, [=](int64_t i) { return round(integer(a[i]) * integer(b[i]) * m); });
}

void affine(const Row &r) {
    const float *x = r.in(0), *gamma = r.op.gamma;
    const int64_t m = r.op.mantissa[0], *beta = r.op.bias;
    const Rounding round(r.op.shift[0]);
    each(r, [=](int64_t i) { return round(integer(x[i]) * integer(gamma[i]) * m + beta[i]); });
}

void table(const Row &r) {
    const float *__restrict x = r.in(0), *__restrict values = r.op.values + r.op.first;
    float *__restrict y = r.out();
    for (int64_t i = 0, n = r.length(); i < n; i++) y[i] = values[(int32_t)x[i]];
}

void minimum(const Row &r) {
    const float *a = r.in(0), *b = r.in(1);
    float *y = r.out();
    for (int64_t i = 0, n = r.length(); i < n; i++) y[i] = a[i] < b[i] ? a[i] : b[i];
}

void concatenate(const Row &r) {
    float *y = r.out();
    for (int n = 0; n < r.op.inputs; n++) {
        const int64_t length = r.tape.tensors[r.op.in[n]].length;
        memcpy(y, r.in(n), length * sizeof(float));
        y += length;
    }
}

// Eq. 27-30, of one part of the row.
void madnorm(const Row &r, int64_t part) {
    const Instruction &op = r.op;
    const int64_t whole = r.length(), length = whole / op.rows, start = part * length;
    const int64_t *m = op.mantissa, *s = op.shift;
    const float *x = r.in(0) + start;
    float *mean = r.at(op.mean) + part, *x_hat = r.at(op.centred) + start, *deviation = r.at(op.deviation) + part;
    auto flags = [&](int n, int64_t of_row, int64_t from) {
        uint8_t *inside = r.inside(n, of_row);
        return inside ? inside + from : nullptr;
    };
    int64_t total = 0, magnitudes = 0;
    for (int64_t i = 0; i < length; i++) total += integer(x[i]);
    each(op, 0, mean, flags(0, op.rows, part), 1, [=](int64_t) { return Rounding(s[0])(total * m[0]); });
    const int64_t mu = integer(*mean) * op.offset, of_x = m[1];
    const Rounding centre(s[1]);
    each(op, 1, x_hat, flags(1, whole, start), length,
         [=](int64_t i) { return centre(integer(x[i]) * of_x + mu); });
    for (int64_t i = 0; i < length; i++) magnitudes += integer(fabsf(x_hat[i]));
    each(op, 2, deviation, flags(2, op.rows, part), 1,
         [=](int64_t) { return Rounding(s[2])(magnitudes * m[2]); });
    // The dividend is below 2^50: the quotient of doubles, truncated, is that of the integers.
    const int64_t d = std::max<int64_t>(integer(*deviation), 1), half = (d << s[3]) >> 1, of_hat = m[3], f = s[3];
    const double divisor = (double)d;
    each(op, 3, r.out() + start, flags(3, whole, start), length, [=](int64_t i) {
        const int64_t n = integer(x_hat[i]) * of_hat, sign = n >> 63;
        const int64_t quotient = (int64_t)((double)((((n ^ sign) - sign) + half) >> f) / divisor);
        return (quotient ^ sign) - sign;
    });
}

void mask(const Row &r) {
    const float *x = r.in(0), *kept = r.in(1);
    float *y = r.out();
#pragma GCC ivdep
    for (int64_t i = 0, n = r.length(); i < n; i++) y[i] = x[i] * kept[i];
}

}  // namespace

void integer_forward(const Tape &tape, const Instruction &op, int64_t t, int64_t from, int64_t to) {
    if (op.code == PRODUCT) return (op.wide ? product<double> : product<float>)(tape, op, t, from, to);
    for (int64_t b = from; b < to; b++) {
        const Row row{tape, op, t, b};
        switch (op.code) {
            case ADD: add(row); break;
            case MULTIPLY: multiply(row); break;
            case AFFINE: affine(row); break;
            case TABLE: table(row); break;
            case MADNORM:
                for (int64_t part = 0; part < op.rows; part++) madnorm(row, part);
                break;
            case MINIMUM: minimum(row); break;
            case CONCATENATE: concatenate(row); break;
            case MASK: mask(row); break;
        }
    }
}
