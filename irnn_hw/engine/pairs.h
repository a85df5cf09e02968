// Products of floats, and of pairs of bfloat16, in float sums. A pair holds two positions of a sum, n and
// n + LANES, the first one low: a vector of them comes from two of floats, lane by lane.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace {

#ifdef __AVX512BF16__
constexpr bool FAST_PAIRS = true;  // as many a second as floats, and so twice the products
#else
constexpr bool FAST_PAIRS = false;
#endif
#if defined(__AVX512F__)
constexpr int64_t BYTES = 64, ROWS = 8;
#elif defined(__AVX__)
constexpr int64_t BYTES = 32, ROWS = 4;
#else
constexpr int64_t BYTES = 16, ROWS = 4;
#endif
constexpr int64_t WIDTH = 3;  // vectors of a tile's columns: ROWS x WIDTH sums stay in registers
constexpr int64_t LANES = BYTES / 4, BOTH = 2 * LANES;

typedef uint32_t Pair;
typedef float Floats __attribute__((vector_size(BYTES)));
typedef uint32_t Bits __attribute__((vector_size(BYTES)));
typedef int32_t Ints __attribute__((vector_size(BYTES)));
typedef float FloatsAt __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef uint32_t BitsAt __attribute__((vector_size(BYTES), aligned(4), may_alias));

constexpr uint32_t HIGH = 0xffff0000;

inline Bits rounded(Floats x) {  // to bfloat16, half to even, in the upper half
    const Bits bits = (Bits)x;
    return bits + 0x7fff + ((bits >> 16) & 1);
}

inline Bits paired(Bits first, Bits second) { return (first >> 16) | (second & HIGH); }

// Positions of a sum, as steps of it.
template <typename T>
int64_t steps_of(int64_t count) {
    if (std::is_same_v<T, float>) return count;
    return count / BOTH * LANES + std::min(count % BOTH, LANES);
}

inline int64_t first_of(int64_t step) { return step / LANES * BOTH + step % LANES; }

inline Floats added(Floats sum, float a, Floats b) { return sum + a * b; }

inline Floats added(Floats sum, Pair a, Bits b) {
#ifdef __AVX512BF16__
    return (Floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
#else
    const Bits both = Bits{} + a;
    return sum + (Floats)(both << 16) * (Floats)(b << 16) + (Floats)(both & HIGH) * (Floats)(b & HIGH);
#endif
}

inline Floats load(const float *at) { return *(const FloatsAt *)at; }

inline Bits load(const Pair *at) { return *(const BitsAt *)at; }

inline void store(float *at, Floats x) { *(FloatsAt *)at = x; }

inline void store(Pair *at, Bits x) { *(BitsAt *)at = x; }

// Element (row, step) of the left side of a product.
template <typename T>
struct Left {
    const T *at;
    int64_t row, step;
};

template <typename T, int R, int W>
void tile(Left<T> a, const T *b, int64_t steps, bool more, float *c, int64_t c_row) {
    Floats sum[R][W] = {};
    for (int64_t s = 0; s < steps; s++, a.at += a.step, b += W * LANES) {
        decltype(load(b)) right[W];
        for (int w = 0; w < W; w++) right[w] = load(b + w * LANES);
        for (int r = 0; r < R; r++)
            for (int w = 0; w < W; w++) sum[r][w] = added(sum[r][w], a.at[r * a.row], right[w]);
    }
    for (int r = 0; r < R; r++)
        for (int w = 0; w < W; w++) {
            float *at = c + r * c_row + w * LANES;
            store(at, more ? sum[r][w] + load(at) : sum[r][w]);
        }
}

template <typename T, int R>
void tile(int64_t width, Left<T> a, const T *b, int64_t steps, bool more, float *c, int64_t c_row) {
    switch (width) {
        case 3: return tile<T, R, 3>(a, b, steps, more, c, c_row);
        case 2: return tile<T, R, 2>(a, b, steps, more, c, c_row);
        default: return tile<T, R, 1>(a, b, steps, more, c, c_row);
    }
}

inline int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// Calls give(first column, vectors) for panels of columns, up to WIDTH vectors each, and even.
template <typename Give>
void panels(int64_t columns, Give give) {
    int64_t left = up(columns, LANES) / LANES, tiles = (left + WIDTH - 1) / WIDTH;
    for (int64_t column = 0; tiles; tiles--) {
        const int64_t width = (left + tiles - 1) / tiles;
        give(column, width);
        column += width * LANES, left -= width;
    }
}

// C (rows, columns) = A B, or C + A B. B is packed: that of a panel at `column` starts at steps * column,
// and has `width` vectors a step.
template <typename T>
void product(int64_t rows, int64_t columns, int64_t steps, Left<T> a, const T *b, bool more, float *c,
             int64_t c_row) {
    alignas(64) float part[ROWS * WIDTH * LANES];
    panels(columns, [&](int64_t column, int64_t width) {
        const int64_t count = std::min(width * LANES, columns - column), wide = width * LANES;
        const T *right = b + steps * column;
        for (int64_t row = 0; row < rows;) {
            const int64_t rest = rows - row, r = rest >= ROWS ? ROWS : rest >= ROWS / 2 ? ROWS / 2 : 1;
            const Left<T> left{a.at + row * a.row, a.row, a.step};
            const bool whole = count == wide;
            float *out = c + row * c_row + column, *to = whole ? out : part;
            const auto run = r == ROWS ? tile<T, ROWS> : r == 1 ? tile<T, 1> : tile<T, ROWS / 2>;
            run(width, left, right, steps, more && whole, to, whole ? c_row : wide);
            for (int64_t n = 0; n < r && !whole; n++)
                for (int64_t k = 0; k < count; k++)
                    out[n * c_row + k] = part[n * wide + k] + (more ? out[n * c_row + k] : 0);
            row += r;
        }
    });
}

inline Floats load(const float *at, int64_t count) {  // of `count` left, zeros beyond
    if (count >= LANES) return load(at);
    Floats x{};
    if (count > 0) std::memcpy(&x, at, count * sizeof(float));
    return x;
}

// The right side of a product: positions (count, columns), a row each.
template <typename T>
void pack(const float *from, int64_t row, int64_t count, int64_t columns, T *out) {
    const int64_t steps = steps_of<T>(count);
    panels(columns, [&](int64_t column, int64_t width) {
        for (int64_t s = 0; s < steps; s++)
            for (int64_t c = column; c < column + width * LANES; c += LANES, out += LANES) {
                const auto at = [&](int64_t n) {
                    return load(from + n * row + c, n < count ? columns - c : 0);
                };
                const int64_t n = first_of(s);
                if constexpr (std::is_same_v<T, float>) store(out, at(s));
                else store(out, paired(rounded(at(n)), rounded(at(n + LANES))));
            }
    });
}

// The left side: rows (rows, length), whose positions lie along them.
inline void pack_rows(const float *from, int64_t rows, int64_t length, Pair *out, int64_t row) {
    for (int64_t n = 0; n < rows; n++, from += length, out += row)
        for (int64_t k = 0; k < length; k += BOTH) {
            const Bits low = rounded(load(from + k, length - k));
            store(out + k / 2, paired(low, rounded(load(from + k + LANES, length - k - LANES))));
        }
}

}  // namespace
