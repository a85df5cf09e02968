// Runs a tape, step after step, and back.
#include <cstring>

#include "gemm.h"
#include "tape.h"

namespace {

void move(const Tape &tape, const State &state, int64_t t, int64_t from, int64_t to) {
    const Tensor &held = tape.tensors[state.tensor], &source = tape.tensors[state.source];
    for (int64_t b = from; b < to; b++) {
        const bool live = !tape.live || tape.live[t * tape.batch + b];
        memcpy(held.value.of(t + 1, b), (live ? source : held).value.of(t, b), held.length * sizeof(float));
    }
}

// Gradients that live through one step begin at 0.
void clear(const Tape &tape, int64_t t, int64_t from, int64_t to) {
    for (int64_t n = 0; n < tape.tensor_count; n++) {
        const Tensor &x = tape.tensors[n];
        if (x.scratch)
            for (int64_t b = from; b < to; b++) memset(x.grad.of(t, b), 0, x.length * sizeof(float));
    }
}

void move_back(const Tape &tape, const State &state, int64_t t, int64_t from, int64_t to) {
    const Tensor &held = tape.tensors[state.tensor], &source = tape.tensors[state.source];
    for (int64_t b = from; b < to; b++) {
        const bool live = !tape.live || tape.live[t * tape.batch + b];
        const float *next = held.grad.of(t + 1, b);
        float *g = (live ? source : held).grad.of(t, b);
        for (int64_t i = 0; i < held.length; i++) g[i] += next[i];
    }
}

void seed(const Tape &tape, int64_t t, int64_t from, int64_t to) {
    for (int64_t n = 0; n < tape.tensor_count; n++) {
        const Tensor &x = tape.tensors[n];
        if (!x.given.at) continue;
        for (int64_t b = from; b < to; b++) {
            const float *given = x.given.of(t, b);
            float *g = x.grad.of(t, b);
            for (int64_t i = 0; i < x.length; i++) g[i] += given[i];
        }
    }
}

}  // namespace

// All steps of the rows from..to.
EXPORT void forward(const Tape *tape, int64_t from, int64_t to) {
    for (int64_t t = 0; t < tape->steps; t++) {
        for (int64_t n = 0; n < tape->instruction_count; n++) {
            const Instruction &op = tape->instructions[n];
            (op.code < REAL_PRODUCT ? integer_forward : real_forward)(*tape, op, t, from, to);
        }
        for (int64_t n = 0; n < tape->state_count; n++) move(*tape, tape->states[n], t, from, to);
    }
}

// All steps of the rows from..to, last to first.
EXPORT void backward(const Tape *tape, int64_t from, int64_t to) {
    for (int64_t t = tape->steps - 1; t >= 0; t--) {
        clear(*tape, t, from, to);
        seed(*tape, t, from, to);
        for (int64_t n = 0; n < tape->state_count; n++) move_back(*tape, tape->states[n], t, from, to);
        for (int64_t n = tape->instruction_count - 1; n >= 0; n--) {
            const Instruction &op = tape->instructions[n];
            (op.code < REAL_PRODUCT ? integer_backward : real_backward)(*tape, op, t, from, to);
        }
    }
}

EXPORT int64_t panel_width(int wide) { return wide ? WIDE<double> : WIDE<float>; }

// weights: entry (n, k) at n * row + k * column. out: panels of WIDE columns.
EXPORT void pack_weights(const float *weights, int64_t n, int64_t k, int64_t row, int64_t column, int wide,
                         void *out) {
    if (wide)
        pack(weights, n, k, row, column, (double *)out);
    else
        pack(weights, n, k, row, column, (float *)out);
}
