"""The sizes that fix an NPU, its named configurations, and its pipeline latencies in cycles."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from golden.errors import InputError

# Latencies, in cycles. Each is the sum of the stages that the unit's docstring names; the RTL
# asserts that its own stages add up to these, and co-simulation that they are true.
MEMORY_READ = 1  # address presented -> data out
OPERAND_REGISTER = 1  # data out -> registered operand
ROUNDER = 3  # subtract, shift, round and saturate
REQUANTIZER = 2 + ROUNDER  # multiply in two stages
MAC_ARRAY = 3  # multiply, adder tree, accumulate
VECTOR_LANE = 4 + ROUNDER  # subtract zero points, multiply, scale, sum
DRAIN_LOAD = 1  # accumulators copied, so that the next tile may start
BIAS_ADD = 1

# From the issue of a tile's last beat to the cycle that writes its first row.
MAC_STREAM_LATENCY = MEMORY_READ + OPERAND_REGISTER + MAC_ARRAY + DRAIN_LOAD + BIAS_ADD
MAC_WRITE_LATENCY = MAC_STREAM_LATENCY + REQUANTIZER
# From the issue of a beat to the cycle that writes its result.
VECTOR_WRITE_LATENCY = MEMORY_READ + OPERAND_REGISTER + VECTOR_LANE

POWERS_OF_TWO = (
    "rows", "columns", "lanes", "weight_words", "bias_words", "constant_bytes", "activation_bytes",
    "result_bytes", "program_words", "tables", "pieces",
)  # fmt: skip
# From the fields of golden/isa.py; from a tile's two cycles (rows), a trace's 64-bit words (lanes),
# a 32-bit slope and offset (slope_bits).
LIMITS = {
    "rows": (2, 1 << 10),
    "columns": (2, 1 << 10),
    "lanes": (1, 8),
    "weight_words": (2, 1 << 24),
    "bias_words": (2, 1 << 16),
    "constant_bytes": (2, 1 << 24),
    "activation_bytes": (2, 1 << 16),
    "result_bytes": (2, 1 << 16),
    "program_words": (2, 1 << 16),
    "tables": (2, 16),
    "pieces": (2, 256),
    "multiplier_width": (1, 17),
    "slope_bits": (2, 23),
    "queue_depth": (2, 1 << 10),
    "input_depth": (2, 1 << 10),
    "loop_depth": (1, 16),
    "token_bits": (1, 16),
}


@dataclass(frozen=True, slots=True)
class NpuConfig:
    """One generated NPU. Raises InputError naming the field that does not fit.

    rows, columns: output rows computed at once, inputs consumed a cycle (rows * columns MACs).
    lanes: vector elements a cycle. Memory sizes in the unit that the name says; a weight word is
    rows * columns bytes. pieces, tables: PWL pieces a table, and tables held at once.
    """

    name: str
    rows: int
    columns: int
    lanes: int
    weight_words: int
    bias_words: int
    constant_bytes: int
    activation_bytes: int
    result_bytes: int
    program_words: int = 256
    tables: int = 8
    pieces: int = 16
    multiplier_width: int = 16
    slope_bits: int = 18
    intercept_bits: int = 26
    queue_depth: int = 16
    input_depth: int = 4
    loop_depth: int = 2
    token_bits: int = 4

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "name" and (type(value) is not int or value < 1):
                raise self._error(f"{name} is {value}; at least 1")
            if name in POWERS_OF_TWO and value & (value - 1):
                raise self._error(f"{name} {value} is no power of two")
            if name in LIMITS and not LIMITS[name][0] <= value <= LIMITS[name][1]:
                raise self._error(f"{name} {value} is not in {LIMITS[name][0]}..{LIMITS[name][1]}")
        if self.columns < 2 * self.lanes:
            raise self._error(f"lanes {self.lanes} exceed half the columns")
        for name, word in (
            ("activation_bytes", self.word_bytes),
            ("result_bytes", self.word_bytes),
            ("constant_bytes", self.constant_word_bytes),
        ):
            if getattr(self, name) < 2 * word:
                raise self._error(f"{name} {getattr(self, name)} hold no two words of {word} bytes")
        # The vector lane scales by slopes and by multipliers, and adds intercept - slope * knot.
        if self.slope_bits <= self.multiplier_width:
            raise self._error(f"slope_bits {self.slope_bits}; more than multiplier_width")
        if self.intercept_bits > self.slope_bits + 8:
            raise self._error(f"intercept_bits {self.intercept_bits}; at most slope_bits + 8")

    def _error(self, problem: str) -> InputError:
        return InputError(f"configuration {self.name}: {problem}")

    @property
    def macs(self) -> int:
        return self.rows * self.columns

    @property
    def word_bytes(self) -> int:
        """Bytes of a word of the activation and result memories."""
        return self.columns

    @property
    def constant_word_bytes(self) -> int:
        """Bytes of a word of the constant memory; the host writes 32 bits at once."""
        return max(self.lanes, 4)

    @property
    def output_depth(self) -> int:
        """Words of the output queue: the tiles in flight between issue and the stream."""
        return 4 * self.rows

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def resized(self, name: str, **sizes: int) -> "NpuConfig":
        """This configuration with other sizes, under another name."""
        return replace(self, name=name, **sizes)


CONFIGS = {
    c.name: c
    for c in (
        # 4 MACs and one lane: the smallest, for an iCE40UP5K and for quick co-simulation.
        NpuConfig("tiny", 2, 2, 1, 16384, 1024, 4096, 1024, 1024),
        # 16 MACs and two lanes: the multipliers of an ECP5-25F.
        NpuConfig("small", 4, 4, 2, 8192, 2048, 8192, 2048, 2048),
        # 64 MACs and four lanes: an ECP5-85F; the demo's configuration.
        NpuConfig("base", 8, 8, 4, 2048, 2048, 8192, 2048, 2048),
        # 256 MACs and eight lanes: for an ASIC, and simulation.
        NpuConfig("large", 8, 32, 8, 4096, 4096, 32768, 8192, 8192),
    )
}


def config_named(name: str) -> NpuConfig:
    """The configuration of that name. Raises InputError listing the names there are."""
    if name not in CONFIGS:
        raise InputError(f"config: no configuration {name}; there are {', '.join(CONFIGS)}")
    return CONFIGS[name]
