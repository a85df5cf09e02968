"""The host's view of the NPU: registers and memory windows on AXI4-Lite, one table for all.

Addresses are in bytes, words are 32 bits. A memory word wider than 32 bits lies at `stride` bytes,
its lowest bits first. Windows are written only, while the NPU is idle; any other access answers
SLVERR.
"""

from dataclasses import dataclass

from golden.isa import WORD_BITS
from golden.npu_config import NpuConfig

IDENTITY = 0x49524E4E  # "IRNN"


@dataclass(frozen=True, slots=True)
class Register:
    """A 32-bit register: access is `r`, `w` or `rw`."""

    name: str
    offset: int
    access: str
    meaning: str


REGISTERS = {
    r.name: r
    for r in (
        Register("ID", 0x00, "r", "0x49524E4E, ASCII IRNN"),
        Register(
            "CONTROL",
            0x04,
            "w",
            "bit 0: start the program, unless it runs; bit 1: reset both engines",
        ),
        Register("STATUS", 0x08, "r", "bit 0: running; bit 1: done; bit 2: token out of range"),
        Register("STEPS", 0x0C, "rw", "iterations of a LOOP whose count is 0; 0 is refused"),
        Register("IRQ_ENABLE", 0x10, "rw", "bit 0: irq follows done"),
        Register("CYCLES", 0x14, "r", "cycles from start to done, low 32 bits"),
        Register("CYCLES_HIGH", 0x18, "r", "cycles, high bits"),
        Register("MAC_BEATS", 0x1C, "r", "cycles in which the MAC array took a beat, low 32 bits"),
        Register("MAC_BEATS_HIGH", 0x20, "r", "MAC beats, high bits"),
    )
}


@dataclass(frozen=True, slots=True)
class Window:
    """A memory as the host writes it: `words` words of `width` bits, `stride` bytes apart."""

    name: str
    index: int
    words: int
    width: int

    @property
    def lanes(self) -> int:
        """32-bit words of one memory word."""
        return -(-self.width // 32)

    @property
    def stride(self) -> int:
        return 4 << (self.lanes - 1).bit_length()


def windows(config: NpuConfig) -> dict[str, Window]:
    """The memory windows of a configuration; window 0 holds the registers."""
    c = config
    table = (
        Window("program", 1, c.program_words, WORD_BITS),
        Window("weights", 2, c.weight_words, 8 * c.macs),
        Window("bias", 3, c.bias_words, 32),
        Window(
            "constants", 4, c.constant_bytes // c.constant_word_bytes, 8 * c.constant_word_bytes
        ),
        Window("knots", 5, c.tables, 8 * (c.pieces - 1)),
        Window("segments", 6, c.tables * c.pieces, 64),
    )
    return {w.name: w for w in table}


def window_bits(config: NpuConfig) -> int:
    """Address bits inside a window: enough for the largest."""
    return max((w.words * w.stride - 1).bit_length() for w in windows(config).values())


def address_bits(config: NpuConfig) -> int:
    """Width of the AXI4-Lite byte address: three bits choose the window."""
    return window_bits(config) + 3


def window_address(config: NpuConfig, window: Window, word: int = 0) -> int:
    """Byte address of a word of a window."""
    return (window.index << window_bits(config)) + word * window.stride
