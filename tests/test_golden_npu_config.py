from dataclasses import asdict, fields, replace

import pytest

from golden.errors import InputError
from golden.npu_config import (
    CONFIGS,
    LIMITS,
    MAC_STREAM_LATENCY,
    MAC_WRITE_LATENCY,
    POWERS_OF_TWO,
    VECTOR_WRITE_LATENCY,
    NpuConfig,
    config_named,
)
from rtl.mac_array import MacArray
from rtl.mac_engine import MacEngine
from rtl.requantizer import Requantizer
from rtl.vector_engine import VectorEngine
from rtl.vector_lane import VectorLane

SMALL = CONFIGS["small"]
SIZES = [f.name for f in fields(NpuConfig) if f.name != "name"]


def refused(message: str):
    return pytest.raises(InputError, match=f"^configuration small: {message}$")


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [0, -4, 2.0, True, "4", None])
def test_every_size_is_a_positive_integer(name, value):
    with refused(f"{name} is {value}; at least 1"):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize("name", POWERS_OF_TWO)
def test_sizes_that_become_address_bits_are_powers_of_two(name):
    value = getattr(SMALL, name) + 1 if getattr(SMALL, name) > 1 else 3
    with refused(f"{name} {value} is no power of two"):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_those_of_the_fields(name):
    low, high = LIMITS[name]
    values = [2 * high if name in POWERS_OF_TWO else high + 1]
    if low > 1:
        values.append(low // 2 if name in POWERS_OF_TWO else low - 1)
    for value in values:
        with refused(rf"{name} {value} is not in {low}\.\.{high}"):
            replace(SMALL, **{name: value})


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"lanes": 4}, "lanes 4 exceed half the columns"),
        ({"activation_bytes": 4}, "activation_bytes 4 hold no two words of 4 bytes"),
        ({"result_bytes": 4}, "result_bytes 4 hold no two words of 4 bytes"),
        ({"constant_bytes": 4}, "constant_bytes 4 hold no two words of 4 bytes"),
        ({"slope_bits": 16}, "slope_bits 16; more than multiplier_width"),
        ({"intercept_bits": 27}, r"intercept_bits 27; at most slope_bits \+ 8"),
    ],
)
def test_sizes_fit_each_other(sizes, message):
    with refused(message):
        replace(SMALL, **sizes)


def test_named_configurations():
    assert list(CONFIGS) == ["tiny", "small", "base", "large"]
    for name, config in CONFIGS.items():
        assert config_named(name) is config
        assert config.macs == config.rows * config.columns
        assert NpuConfig(**asdict(config)) == config
    assert [c.macs for c in CONFIGS.values()] == [4, 16, 64, 256]
    with pytest.raises(InputError, match=r"^config: no configuration huge; there are tiny, small"):
        config_named("huge")


def test_the_hash_is_of_the_content():
    assert SMALL.sha256 == NpuConfig(**asdict(SMALL)).sha256
    resized = SMALL.resized("other", rows=8)
    assert (resized.name, resized.rows, resized.columns) == ("other", 8, 4)
    assert resized.sha256 != SMALL.sha256


def test_latencies_are_the_sums_of_the_stages():
    """Memory, operand register, unit; what the RTL's classes say of themselves."""
    assert VECTOR_WRITE_LATENCY == 1 + 1 + VectorLane.LATENCY == VectorEngine.WRITE_LATENCY == 9
    assert MAC_STREAM_LATENCY == 1 + 1 + MacArray.LATENCY + 1 + 1 == MacEngine.STREAM_LATENCY == 7
    assert MAC_WRITE_LATENCY == MAC_STREAM_LATENCY + Requantizer.LATENCY == MacEngine.WRITE_LATENCY
