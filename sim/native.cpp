// Drives a Verilated unit with streams i and o (rtl/pipeline.py); sim/native.py calls it.

#include <cstdint>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr uint64_t kResetCycles = 2;
constexpr uint64_t kIdleCycles = 512;  // nothing moves for so long: done, or stuck
constexpr uint64_t kExtraWords = 16;   // too many words out: a unit that repeats itself

}  // namespace

extern "C" {

// Cycles count from the first after reset; ~0 where it never happened.
struct Report {
    uint64_t cycles;
    uint64_t accepted;       // words in
    uint64_t taken;          // words out
    uint64_t last_accepted;  // cycle
    uint64_t first_valid;    // cycle
    uint64_t unstable;       // cycle in which a word not taken changed or went away
};

uint64_t input_bytes() { return sizeof(Vtop::i___05Fpayload); }
uint64_t output_bytes() { return sizeof(Vtop::o___05Fpayload); }

// in: `words` payloads of input_bytes each. offer, take: patterns, repeated, of cycles in which a
// new word may be offered and a result taken; an offer stands until it is accepted. out, taken_at:
// room for `room` payloads of output_bytes, and for the cycle of each; more are counted only.
void run(const uint8_t* in, uint64_t words, const uint8_t* offer, uint64_t offer_length,
         const uint8_t* take, uint64_t take_length, uint8_t* out, uint64_t* taken_at,
         uint64_t room, Report* report) {
    VerilatedContext context;
    const auto top = std::make_unique<Vtop>(&context);
    const auto edge = [&] {
        top->clk = 1;
        top->eval();
        top->clk = 0;
    };
    *report = {0, 0, 0, ~0ULL, ~0ULL, ~0ULL};
    Report& r = *report;
    uint8_t held[sizeof(top->o___05Fpayload)];
    bool holding = false;
    uint64_t last_move = 0;

    top->clk = 0;
    top->rst = 1;
    for (uint64_t n = 0; n < kResetCycles; ++n) {
        top->eval();
        edge();
    }
    top->rst = 0;
    top->i___05Fvalid = 0;
    for (; r.cycles < last_move + kIdleCycles && r.taken < room + kExtraWords; ++r.cycles) {
        if (!top->i___05Fvalid && r.accepted < words && offer[r.cycles % offer_length]) {
            std::memcpy(&top->i___05Fpayload, in + r.accepted * sizeof(top->i___05Fpayload),
                        sizeof(top->i___05Fpayload));
            top->i___05Fvalid = 1;
        }
        top->o___05Fready = take[r.cycles % take_length];
        top->eval();
        if (holding && r.unstable == ~0ULL &&
            (!top->o___05Fvalid || std::memcmp(held, &top->o___05Fpayload, sizeof held))) {
            r.unstable = r.cycles;
        }
        if (top->o___05Fvalid && r.first_valid == ~0ULL) r.first_valid = r.cycles;
        holding = top->o___05Fvalid && !top->o___05Fready;
        if (holding) std::memcpy(held, &top->o___05Fpayload, sizeof held);
        if (top->o___05Fvalid && top->o___05Fready) {
            if (r.taken < room) {
                std::memcpy(out + r.taken * sizeof held, &top->o___05Fpayload, sizeof held);
                taken_at[r.taken] = r.cycles;
            }
            ++r.taken;
            last_move = r.cycles;
        }
        const bool accepted = top->i___05Fvalid && top->i___05Fready;
        edge();
        if (accepted) {
            ++r.accepted;
            last_move = r.last_accepted = r.cycles;
            top->i___05Fvalid = 0;
        }
    }
    top->final();
}

}  // extern "C"
