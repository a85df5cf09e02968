"""Drives a Verilated unit straight from numpy: millions of cycles a second, for exhaustive checks.

The unit becomes a shared library (sim/native.cpp); it lives in this process, so one that crashes
takes the process with it: the regression gives each check a process of its own.
"""

import ctypes
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.build_cache import CXX_FLAGS, WAIVERS, Build, build_once, run_logged
from sim.streams import Flags, Observed

Words = NDArray[np.uint8]  # a payload a row, little endian

_DRIVER = Path(__file__).with_name("native.cpp")
_LIBRARY = "unit.so"
# Everything else stays inside: several units are loaded at once, with symbols of the same names.
_EXPORTS = "{ global: run; input_bytes; output_bytes; local: *; };\n"
_NEVER = (1 << 64) - 1


class _Report(ctypes.Structure):
    """struct Report of native.cpp."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "cycles",
            "accepted",
            "taken",
            "last_accepted",
            "first_valid",
            "unstable",
        )
    ]


@dataclass(frozen=True, slots=True)
class NativeRun:
    """What a unit did: the payloads taken, the cycle of each, and the rest of `Observed`.

    surplus: words that came out beyond those there was room for; they are not kept.
    """

    outputs: Words
    taken_at: NDArray[np.uint64]
    surplus: int
    report: dict[str, int]


def build_native(name: str, verilog: str, toplevel: str, *, cache: Path | None = None) -> Build:
    """The shared library of a unit with streams `i` and `o`, built once for each content.

    Raises BuildError when Verilator or the compiler stops, InputError when a tool is missing.
    """
    source = f"{toplevel}.v"

    def make(work: Path, product: Path) -> None:
        (work / "exports.map").write_text(_EXPORTS)
        shutil.copy(_DRIVER, work)
        verilate = ["verilator", "-cc", "--exe", "-Mdir", ".", "--prefix", "Vtop", "-Wall"]
        verilate += ["--top-module", toplevel, "-o", _LIBRARY, "-CFLAGS", CXX_FLAGS]
        verilate += ["-LDFLAGS", "-shared -Wl,--version-script=exports.map"]
        run_logged([*verilate, WAIVERS.name, source, _DRIVER.name], work, log="verilator.log")
        run_logged(["make", "-j2", "-f", "Vtop.mk"], work)
        shutil.copy2(work / _LIBRARY, product)

    key = {"kind": "native", "driver": _DRIVER.read_text(), "exports": _EXPORTS}
    return build_once(f"{name}-native", {source: verilog}, toplevel, key, make, cache=cache)


class NativeUnit:
    """A loaded library. Every run starts from reset."""

    def __init__(self, build: Build):
        self._library = ctypes.CDLL(str(build.folder / _LIBRARY))
        self._library.input_bytes.restype = ctypes.c_uint64
        self._library.output_bytes.restype = ctypes.c_uint64
        self._library.run.restype = None
        self.input_bytes: int = self._library.input_bytes()
        self.output_bytes: int = self._library.output_bytes()

    def run(self, inputs: Words, room: int, offer: Flags, take: Flags) -> NativeRun:
        """Send all inputs and take what comes out, until nothing moves any more.

        inputs: (words, input_bytes). room: outputs expected; more are counted, not kept. offer,
        take: cycles in which a new input may be offered, and an output be taken.
        """
        inputs = np.ascontiguousarray(inputs, np.uint8)
        if inputs.ndim != 2 or inputs.shape[1] != self.input_bytes:
            raise ValueError(f"inputs {inputs.shape}: a word has {self.input_bytes} bytes")
        outputs = np.zeros((room, self.output_bytes), np.uint8)
        taken_at = np.zeros(room, np.uint64)
        report = _Report()
        self._library.run(
            *_array(inputs),
            *_array(np.ascontiguousarray(offer, np.uint8)),
            *_array(np.ascontiguousarray(take, np.uint8)),
            outputs.ctypes.data_as(ctypes.c_void_p),
            taken_at.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_uint64(room),
            ctypes.byref(report),
        )
        values = {name: getattr(report, name) for name, _ in _Report._fields_}
        taken = values.pop("taken")
        numbers = {name: -1 if v == _NEVER else v for name, v in values.items()}
        return NativeRun(outputs[:taken], taken_at[:taken], max(taken - room, 0), numbers)


def observed(run: NativeRun) -> Observed:
    """The run in the form that is compared; a surplus word shows as 0."""
    text, width = run.outputs.tobytes(), run.outputs.shape[1]
    words = [
        int.from_bytes(text[n : n + width], "little") for n in range(0, len(text), max(width, 1))
    ]
    surplus = [0] * run.surplus
    return Observed(words + surplus, run.taken_at.tolist() + surplus, **run.report)


def to_words(payloads: Sequence[int], width: int) -> Words:
    """Packed payloads as rows of `width` bytes."""
    text = b"".join(payload.to_bytes(width, "little") for payload in payloads)
    return np.frombuffer(text, np.uint8).reshape(len(payloads), width)


def _array(values: Words) -> tuple[ctypes.c_void_p, ctypes.c_uint64]:
    return values.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(len(values))
