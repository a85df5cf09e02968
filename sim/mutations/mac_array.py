"""Faults of the MAC arrays."""

from sim.mutation import Mutation

TERNARY = "mac-array-4x4-ternary"
POWER = "mac-array-4x4-power-of-two"
PACKED = "mac-array-4x4-packed"
OVERLAPPED = "mac-array-3x4-packed-18"

MAC_ARRAY_MUTATIONS = (
    Mutation(
        "accumulator not cleared",
        "mac-array-2x2",
        "mac_array.py",
        "Mux(first, 0, acc)",
        "acc",
    ),
    Mutation(
        "sum of products one bit short",
        "mac-array-8x8",
        "mac_array.py",
        "register(m, value, ",
        "register(m, value[:-1].as_signed(), ",
    ),
    Mutation(
        "weights unsigned",
        "mac-array-2x2",
        "mac_array.py",
        "weight = signed(8)",
        "weight = unsigned(8)",
    ),
    Mutation(
        "a sum carries where it must not",
        "mac-array-8x8",
        "mac_lanes.py",
        "(a[0], ~a[0])",
        "(a[0], a[0])",
    ),
    Mutation(
        "one's complement for the negative of a pair",
        TERNARY,
        "mac_lanes.py",
        "(Const(1, 1), carry)",
        "(Const(0, 1), carry)",
    ),
    Mutation(
        "last carry not accumulated",
        TERNARY,
        "mac_array.py",
        "add(start, total, *carries) if carries else start + total",
        "start + total",
    ),
    Mutation(
        "ternary weights without sign",
        TERNARY,
        "mac_lanes.py",
        "index, negative = code[:-1], code[-1]",
        "index, negative = code[:-1], Const(0, 1)",
    ),
    Mutation(
        "sign bit of a shifted value lost",
        POWER,
        "mac_lanes.py",
        "negative.replicate(len(magnitude)), negative)",
        "negative.replicate(len(magnitude)), 0)",
    ),
    Mutation(
        "exponent off by one",
        POWER,
        "mac_lanes.py",
        "magnitude = magnitude[1:]",
        "magnitude = magnitude[:-1]",
    ),
    Mutation(
        "zero taken as a weight",
        POWER,
        "mac_lanes.py",
        "if k == 0 and self._form.zero:",
        "if False:",
    ),
    Mutation(
        "one shift too small",
        POWER,
        "mac_lanes.py",
        "magnitude.shift_left(1 << k)",
        "magnitude.shift_left(k)",
    ),
    Mutation(
        "offset of packed weights not taken off",
        PACKED,
        "mac_lanes.py",
        "add(lower[0][7:].as_signed(), offset)",
        "lower[0][7:]",
    ),
    Mutation(
        "lower packed weight without offset",
        PACKED,
        "mac_lanes.py",
        "Cat(w0[:-1], ~w0[-1],",
        "Cat(w0[:-1], w0[-1],",
    ),
    Mutation(
        "borrow of overlapping products dropped",
        OVERLAPPED,
        "mac_lanes.py",
        "product[PRODUCT_BITS:] - borrow",
        "product[PRODUCT_BITS:]",
    ),
    Mutation(
        "the row without a pair forgotten",
        OVERLAPPED,
        "mac_lanes.py",
        "Products().terms(m, x, w[rows:])",
        "Products().terms(m, x, w[: len(w) - rows])",
    ),
)
