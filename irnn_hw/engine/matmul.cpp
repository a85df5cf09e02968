// C (rows, columns) = A (rows, steps) B (steps, columns), of any strides.
#include <vector>

#include "pairs.h"
#include "tape.h"

EXPORT void matmul(int64_t rows, int64_t columns, int64_t steps, const float *a, int64_t a_row, int64_t a_step,
                   const float *b, int64_t b_step, int64_t b_column, float *c) {
    static thread_local std::vector<float> packed;
    packed.resize(steps * up(columns, LANES));
    if (b_column == 1) {
        pack<float>(b, b_step, steps, columns, packed.data());
    } else {
        float *out = packed.data();
        panels(columns, [&](int64_t column, int64_t width) {
            for (int64_t s = 0; s < steps; s++)
                for (int64_t n = column; n < column + width * LANES; n++)
                    *out++ = n < columns ? b[s * b_step + n * b_column] : 0;
        });
    }
    product<float>(rows, columns, steps, {a, a_row, a_step}, packed.data(), false, c, columns);
}
