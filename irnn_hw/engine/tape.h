// The instructions of a recurrence, and the arrays they work on: shared by forward and backward.
//
// Codes are carried centred, q - Z, as exact integers in float. A tensor is (steps, rows, length);
// a row is one sequence of the batch. irnn_hw/engine/tape.py has the same structures.
#pragma once

#include <cstdint>

#define EXPORT extern "C" __attribute__((visibility("default")))

// Element i of row b at step t is at[t * step + b * row + i].
struct View {
    float *at;
    int64_t step, row;

    float *of(int64_t t, int64_t b) const { return at + t * step + b * row; }
};

// grad of a tensor that lives through one step alone (scratch) has step 0, and is cleared at each.
// given: its gradient from outside, or null.
struct Tensor {
    View value, grad, given;
    int64_t length, scratch;
};

// Integers first, then what both have, then real numbers.
enum Code : int64_t {
    PRODUCT,  // requantize(weights x + bias)
    ADD,      // n terms and a constant, one rounding
    MULTIPLY,
    AFFINE,   // gamma x + beta
    TABLE,    // values[x + first]
    MADNORM,
    MINIMUM,
    CONCATENATE,
    MASK,     // x times 0 or 1
    REAL_PRODUCT,
    REAL_ADD,
    REAL_MULTIPLY,
    REAL_AFFINE,
    REAL_MADNORM,
    REAL_LAYERNORM,
    REAL_MASK,  // factor x times 0 or 1
    SIGMOID,
    TANH,
    RELU,
    EXP,
};

constexpr int TERMS = 4;  // inputs of an instruction at most

struct Instruction {
    int64_t code, inputs, in[TERMS], out;
    int64_t mean, centred, deviation;     // tensors of a norm
    int64_t rows;                         // of a norm: parts of a row
    // Constants, from here to `constant`: cleared together.
    int64_t mantissa[TERMS], shift[TERMS];
    int64_t offset;                       // ADD: the constant; MADNORM: the mean's mantissa in x_hat
    int64_t low[TERMS], high[TERMS];      // centred limits: of out; of MADNORM's four tensors
    int64_t first;                        // TABLE: index of centred code 0
    int64_t wide;                         // PRODUCT: sums beyond 24 bits, packed as double
    const void *packed, *packed_back;     // products: weights as gemm.h has them, and transposed
    const int64_t *mantissas, *shifts;    // PRODUCT: of each row, or null
    const int64_t *bias;                  // PRODUCT (or null), AFFINE: beta
    const float *gamma;                   // affine
    const float *values, *slopes;         // TABLE; REAL_PRODUCT (or null), REAL_AFFINE: values are the bias
    double factor[TERMS], constant;       // REAL_ADD: of each term, and added; REAL_MULTIPLY, REAL_MASK: factor[0];
                                          // REAL_LAYERNORM: epsilon
    uint8_t *inside[TERMS];               // (steps, rows, length): 1 where not clamped; null: not kept
    float *sums;                          // products, affine: gradient before the clamp (steps, rows, length)
};

// A state at step t + 1 is its source at step t, where the row is live; else it stays.
struct State {
    int64_t tensor, source;
};

struct Tape {
    int64_t steps, batch;
    const Tensor *tensors;
    int64_t tensor_count;
    const Instruction *instructions;
    int64_t instruction_count;
    const State *states;
    int64_t state_count;
    const uint8_t *live;  // (steps, batch), or null: all
};

// One row of one step of an instruction.
struct Row {
    const Tape &tape;
    const Instruction &op;
    int64_t t, b;

    int64_t length() const { return tape.tensors[op.out].length; }
    const float *in(int n) const { return tape.tensors[op.in[n]].value.of(t, b); }
    float *in_grad(int n) const { return tape.tensors[op.in[n]].grad.of(t, b); }
    float *out() const { return at(op.out); }
    const float *grad() const { return tape.tensors[op.out].grad.of(t, b); }
    float *at(int64_t tensor) const { return tape.tensors[tensor].value.of(t, b); }
    float *sums() const { return op.sums + (t * tape.batch + b) * length(); }
    uint8_t *inside(int n, int64_t of_row) const {
        return op.inside[n] ? op.inside[n] + (t * tape.batch + b) * of_row : nullptr;
    }
};

// Step t of the rows from..to: integers.cpp, gradients.cpp, reals.cpp.
void integer_forward(const Tape &, const Instruction &, int64_t t, int64_t from, int64_t to);
void integer_backward(const Tape &, const Instruction &, int64_t t, int64_t from, int64_t to);
void real_forward(const Tape &, const Instruction &, int64_t t, int64_t from, int64_t to);
void real_backward(const Tape &, const Instruction &, int64_t t, int64_t from, int64_t to);
