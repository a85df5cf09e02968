// C (rows x n) = A (rows x k) B, with B packed in panels of WIDE columns: panel p holds, for each of k,
// WIDE entries, zeros beyond n.
#pragma once

#include <algorithm>
#include <cstdint>

template <typename T>
constexpr int WIDE = 128 / sizeof(T);  // two registers of 64 bytes

template <typename T, int ROWS>
static void panel(const float *const *a, const T *b, int64_t k, T *out) {
    typedef T Vector __attribute__((vector_size(64), aligned(4), may_alias));
    constexpr int HALF = WIDE<T> / 2;
    Vector sum[ROWS][2] = {};
    for (int64_t n = 0; n < k; n++, b += WIDE<T>) {
        const Vector low = *(const Vector *)b, high = *(const Vector *)(b + HALF);
        for (int r = 0; r < ROWS; r++) {
            const T x = a[r][n];
            sum[r][0] += low * x;
            sum[r][1] += high * x;
        }
    }
    for (int r = 0; r < ROWS; r++) {
        *(Vector *)(out + r * WIDE<T>) = sum[r][0];
        *(Vector *)(out + r * WIDE<T> + HALF) = sum[r][1];
    }
}

// Calls give(row, first column, columns, sums) for each row of a and panel of b. row_of(b): its k values.
template <typename T, typename RowOf, typename Give>
static void gemm(int64_t from, int64_t to, int64_t n, int64_t k, RowOf row_of, const T *b, Give give) {
    constexpr int ROWS = 6;
    alignas(64) T out[ROWS * WIDE<T>];
    for (int64_t column = 0; column < n; column += WIDE<T>, b += k * WIDE<T>) {
        const int64_t columns = std::min<int64_t>(WIDE<T>, n - column);
        for (int64_t row = from; row < to;) {
            const float *a[ROWS];
            const int count = (int)std::min<int64_t>(ROWS, to - row);
            for (int r = 0; r < count; r++) a[r] = row_of(row + r);
            switch (count) {
                case 6: panel<T, 6>(a, b, k, out); break;
                case 5: panel<T, 5>(a, b, k, out); break;
                case 4: panel<T, 4>(a, b, k, out); break;
                case 3: panel<T, 3>(a, b, k, out); break;
                case 2: panel<T, 2>(a, b, k, out); break;
                default: panel<T, 1>(a, b, k, out);
            }
            for (int r = 0; r < count; r++) give(row + r, column, columns, out + r * WIDE<T>);
            row += count;
        }
    }
}

template <typename T>
static void pack(const float *weights, int64_t n, int64_t k, int64_t row, int64_t column, T *out) {
    for (int64_t p = 0; p < n; p += WIDE<T>)
        for (int64_t i = 0; i < k; i++)
            for (int64_t c = p; c < p + WIDE<T>; c++) *out++ = c < n ? (T)weights[c * row + i * column] : (T)0;
}
