// Logits of many symbols and their cross entropy, forward and back, by blocks of rows: the logits of
// all of them are never in memory together.
//
//   logits = unit (h weights^T + bias), nats = log sum exp logits - logits[target]
//
// Within a block the logits are transposed: a vector holds those of one symbol. Of them
// stay their exponentials, less the largest so far, as bfloat16. Gradients are products of bfloat16,
// and so are logits of codes of up to 8 bits, which bfloat16 holds exactly.
#include <cmath>
#include <limits>
#include <vector>

#include "pairs.h"
#include "tape.h"

namespace {

constexpr int64_t BLOCK = 768, CHUNK = 192;  // rows and symbols at once

Floats larger(Floats a, Floats b) { return a > b ? a : b; }

Floats exponential(Floats x) {  // of x <= 0, to 1e-7; 1e-38 below -87
    const float magic = 12582912;  // 1.5 * 2^23: what is added to it is rounded to an integer
    x = x < -87.0f ? Floats{} - 87.0f : x;
    const Floats shifted = x * 1.44269504f + magic, n = shifted - magic;
    const Floats r = x - n * 0.693359375f + n * 2.12194440e-4f;
    Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return (Floats)((Bits)p + ((Bits)shifted << 23));
}

template <typename T>
T *space(std::vector<char> &of, int64_t count) {  // of at least this many, at 64 bytes
    const size_t size = count * sizeof(T) + 64;
    if (of.size() < size) of = std::vector<char>(size);
    return (T *)(((uintptr_t)of.data() + 63) & ~(uintptr_t)63);
}

}  // namespace

struct Readout {
    int64_t rows, symbols, length;
    const float *h, *weights, *bias;  // bias: or null
    const int64_t *targets;
    double unit;
    int64_t narrow;                            // h and weights are exact in bfloat16
    float *h_grad, *weights_grad, *bias_grad;  // of the mean loss; null where not wanted
};

namespace {

// Arrays that stay from call to call, as what is new costs as much as what is computed.
struct Scratch {
    std::vector<char> left, right, turned, by_length, by_row, sums, shares, tops, rows, pairs;
};

struct Block {
    const Readout &of;
    Scratch &scratch;
    const int64_t first, count, wide;  // rows, and those with padding
    Pair *shares;                      // (symbols, wide / 2): exp(logits - tops)
    float *tops;                       // (chunks, wide): the largest logits up to there
    alignas(64) float most[BLOCK], sum[BLOCK], scale[BLOCK];
    alignas(64) int32_t target[BLOCK];
    double nats = 0;

    Block(const Readout &of, Scratch &scratch, int64_t first, int64_t count)
        : of(of), scratch(scratch), first(first), count(count), wide(up(count, BOTH)) {
        shares = training() ? space<Pair>(scratch.shares, of.symbols * wide / 2) : nullptr;
        tops = space<float>(scratch.tops, (of.symbols + CHUNK - 1) / CHUNK * wide);
        for (int64_t n = 0; n < wide; n++) {
            most[n] = -std::numeric_limits<float>::infinity(), sum[n] = 0;
            scale[n] = n < count ? of.unit / of.rows : 0;
            target[n] = n < count ? of.targets[first + n] : -1;
        }
    }

    bool training() const { return of.h_grad || of.weights_grad || of.bias_grad; }

    // The loss, and what the gradient needs of it. T: of the product.
    template <typename T>
    void forward(const T *weights, int64_t row) {
        const int64_t k = of.length;
        float *turned = space<float>(scratch.turned, k * wide);
        for (int64_t i = 0; i < k; i++)
            for (int64_t n = 0; n < wide; n++) turned[i * wide + n] = n < count ? of.h[(first + n) * k + i] : 0;
        T *h = space<T>(scratch.by_length, k * wide);
        pack<T>(turned, wide, k, wide, h);
        float *sums = space<float>(scratch.sums, CHUNK * wide);
        for (int64_t v = 0; v < of.symbols; v += CHUNK) {
            const int64_t some = std::min(CHUNK, of.symbols - v);
            product<T>(some, wide, steps_of<T>(k), {weights + v * row, row, 1}, h, false, sums, wide);
            for (int64_t n = 0; n < wide; n += BOTH) reduce(sums + n, v, some, n);
            for (int64_t n = 0; n < count; n++) {
                const int64_t i = target[n] - v;
                if (i >= 0 && i < some) nats -= (sums[i * wide + n] + bias(v + i)) * (float)of.unit;
            }
        }
        for (int64_t n = 0; n < wide; n++) most[n] += std::log(sum[n]);  // log sum exp, from here on
        for (int64_t n = 0; n < count; n++) nats += most[n];
    }

    float bias(int64_t v) const { return of.bias ? of.bias[v] : 0; }

    // Of rows n.. (2 vectors) and symbols v..: largest logit and sum of exponentials so far.
    void reduce(const float *sums, int64_t v, int64_t some, int64_t n) {
        const float unit = of.unit;
        float *top = tops + v / CHUNK * wide + n;
        Floats high[2], total[2] = {};
        for (int b = 0; b < 2; b++) high[b] = load(most + n + b * LANES);
        for (int64_t i = 0; i < some; i++)
            for (int b = 0; b < 2; b++)
                high[b] = larger(high[b], (load(sums + i * wide + b * LANES) + bias(v + i)) * unit);
        for (int64_t i = 0; i < some; i++) {
            Floats x[2];
            for (int b = 0; b < 2; b++) {
                const Floats logits = (load(sums + i * wide + b * LANES) + bias(v + i)) * unit;
                total[b] += x[b] = exponential(logits - high[b]);
            }
            if (shares) store(shares + ((v + i) * wide + n) / 2, paired(rounded(x[0]), rounded(x[1])));
        }
        for (int b = 0; b < 2; b++) {
            const int64_t at = n + b * LANES;
            store(sum + at, load(sum + at) * exponential(load(most + at) - high[b]) + total[b]);
            store(most + at, high[b]), store(top + b * LANES, high[b]);
        }
    }

    // Of symbols v..: the gradient of the sums, as left sides of both products.
    void gradient(int64_t v, int64_t some, Pair *rows, Pair *pairs) const {
        alignas(64) float factor[BLOCK];
        const float *top = tops + v / CHUNK * wide;
        for (int64_t n = 0; n < wide; n += LANES)
            store(factor + n, exponential(load(top + n) - load(most + n)) * load(scale + n));
        for (int64_t s = 0; s < steps_of<Pair>(some); s++) {
            const int64_t i = first_of(s);
            Floats sums[2] = {};
            for (int64_t n = 0; n < wide; n += BOTH) {
                Bits x[2][2] = {};
                for (int a = 0; a < 2 && i + a * LANES < some; a++) {
                    const int64_t at = v + i + a * LANES;
                    const Bits share = load(shares + (at * wide + n) / 2);
                    const Floats of_both[2] = {(Floats)(share << 16), (Floats)(share & HIGH)};
                    for (int b = 0; b < 2; b++) {
                        const int64_t m = n + b * LANES;
                        const Ints hit = *(const Ints *)(target + m) == (int32_t)at;
                        const Floats g = of_both[b] * load(factor + m) - (hit ? load(scale + m) : Floats{});
                        sums[a] += g, x[a][b] = rounded(g);
                    }
                    store(rows + ((i + a * LANES) * wide + n) / 2, paired(x[a][0], x[a][1]));
                }
                for (int b = 0; b < 2; b++)
                    store(pairs + s * wide + n + b * LANES, paired(x[0][b], x[1][b]));
            }
            for (int a = 0; a < 2 && of.bias_grad && i + a * LANES < some; a++)
                for (int l = 0; l < LANES; l++) of.bias_grad[v + i + a * LANES] += sums[a][l];
        }
    }

    // right: the weights of each chunk, packed.
    void backward(const Pair *right) {
        const int64_t k = of.length, padded = up(k, LANES);
        Pair *h = space<Pair>(scratch.by_row, steps_of<Pair>(wide) * padded);
        pack<Pair>(of.h + first * k, k, count, k, h);
        Pair *rows = space<Pair>(scratch.rows, CHUNK * wide / 2);
        Pair *pairs = space<Pair>(scratch.pairs, CHUNK / 2 * wide);
        for (int64_t v = 0; v < of.symbols; v += CHUNK) {
            const int64_t some = std::min(CHUNK, of.symbols - v), steps = steps_of<Pair>(some);
            gradient(v, some, rows, pairs);
            const Left<Pair> by_symbol{pairs, 1, wide}, by_row{rows, wide / 2, 1};
            if (float *to = of.h_grad)
                product<Pair>(count, k, steps, by_symbol, right + v / 2 * padded, v > 0, to + first * k, k);
            if (float *to = of.weights_grad)
                product<Pair>(some, k, steps_of<Pair>(count), by_row, h, first > 0, to + v * k, k);
        }
    }
};

}  // namespace

// The mean loss in nats.
EXPORT double readout(const Readout *readout) {
    static thread_local Scratch scratch;
    const Readout &of = *readout;
    const int64_t k = of.length, padded = up(k, LANES), row = up(k, BOTH) / 2;
    Pair *left = of.narrow && FAST_PAIRS ? space<Pair>(scratch.left, of.symbols * row) : nullptr;
    if (left) pack_rows(of.weights, of.symbols, k, left, row);
    Pair *right = of.h_grad ? space<Pair>(scratch.right, (of.symbols + BOTH) / 2 * padded) : nullptr;
    for (int64_t v = 0; v < of.symbols && right; v += CHUNK)
        pack<Pair>(of.weights + v * k, k, std::min(CHUNK, of.symbols - v), k, right + v / 2 * padded);
    if (of.bias_grad) std::fill_n(of.bias_grad, of.symbols, 0.0f);
    const int64_t blocks = (of.rows + BLOCK - 1) / BLOCK;
    double nats = 0;
    for (int64_t n = 0, first = 0; n < blocks; n++) {
        const int64_t rest = of.rows - first, even = (rest + blocks - n - 1) / (blocks - n);
        Block block(of, scratch, first, std::min(up(even, BOTH), rest));
        if (left) block.forward<Pair>(left, row);
        else block.forward<float>(of.weights, k);
        if (block.training()) block.backward(right);
        nats += block.nats, first += block.count;
    }
    return nats / of.rows;
}
