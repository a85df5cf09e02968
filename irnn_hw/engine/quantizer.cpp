// Codes of weights.
#include <cmath>

#include "tape.h"

// clamp(round(x / scale) + zero_point), half away from zero, of rows of x whose scales are scale_step
// apart (0: one for all): codes, a byte each, and centred, less zero_point. Returns whether one is NaN,
// of which a code means nothing.
EXPORT int quantize_bytes(const float *x, int64_t rows, int64_t columns, const double *scale, int64_t scale_step,
                          int64_t zero_point, int64_t low, int64_t high, uint8_t *codes,
                          float *centred) {
    // To clamp to integers and then to round is to round and then to clamp.
    const double least = (double)(low - zero_point), most = (double)(high - zero_point);
    const int32_t zero = (int32_t)zero_point;
    int32_t nan = 0;
    for (int64_t r = 0; r < rows; r++, x += columns, codes += columns, centred += columns, scale += scale_step) {
        const double unit = *scale;
        for (int64_t i = 0; i < columns; i++) {
            const double q = (double)x[i] / unit;
            const double held = q > least ? (q < most ? q : most) : least;
            // The largest number below 1/2: with 1/2 itself, the sum could round up what lies below a tie.
            const int32_t code = (int32_t)(held + std::copysign(0x1.fffffffffffffp-2, held));
            codes[i] = (uint8_t)(code + zero);
            centred[i] = (float)code;
            nan |= x[i] != x[i];
        }
    }
    return nan;
}
