from itertools import pairwise

import pytest

from golden.npu_config import CONFIGS
from golden.registers import (
    IDENTITY,
    REGISTERS,
    address_bits,
    window_address,
    window_bits,
    windows,
)

configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))


def test_registers_are_words_that_do_not_meet():
    offsets = [r.offset for r in REGISTERS.values()]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % 4 == 0 for offset in offsets)
    assert {r.access for r in REGISTERS.values()} <= {"r", "w", "rw"}
    assert IDENTITY.to_bytes(4, "big") == b"IRNN"


@configs
def test_windows_do_not_meet_and_leave_the_registers_alone(config):
    taken = [(0, max(r.offset for r in REGISTERS.values()) + 4)]
    for window in windows(config).values():
        start = window_address(config, window)
        last = window_address(config, window, window.words - 1)
        taken.append((start, last + window.stride))
    taken.sort()
    assert all(end <= start for (_, end), (start, _) in pairwise(taken))
    assert taken[-1][1] <= 1 << address_bits(config)
    assert taken[0][1] <= 1 << window_bits(config)


@configs
def test_a_word_lies_within_its_stride_which_is_a_power_of_two(config):
    for window in windows(config).values():
        assert 4 * window.lanes <= window.stride < 8 * window.lanes + 4
        assert window.stride & (window.stride - 1) == 0
        assert 32 * (window.lanes - 1) < window.width <= 32 * window.lanes
        assert window.words & (window.words - 1) == 0  # the RTL checks bounds by address bits


@configs
def test_the_address_fits_a_32_bit_bus(config):
    assert address_bits(config) <= 32


def test_a_window_by_hand():
    config = CONFIGS["tiny"]
    program = windows(config)["program"]
    assert (program.lanes, program.stride) == (6, 32)
    assert window_address(config, program, 3) == (1 << window_bits(config)) + 96
