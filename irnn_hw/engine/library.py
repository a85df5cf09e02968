"""The engine's shared library: compiled on first use for this processor, then cached by content."""

import ctypes
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sim.build_cache import build_once, run_logged

FLAGS = "-std=c++20 -O3 -march=native -fPIC -fvisibility=hidden -Wall -Wextra"
# Integers are exact; gradients and real numbers may be summed in any order.
SOURCES: Mapping[str, str] = {
    "tape.cpp": "",
    "integers.cpp": "-ffp-contract=off",
    "quantizer.cpp": "-ffp-contract=off",
    "gradients.cpp": "-ffast-math",
    "reals.cpp": "-ffast-math",
    "readout.cpp": "-ffp-contract=fast",
    "matmul.cpp": "-ffp-contract=fast",
}
HEADERS = ("tape.h", "gemm.h", "pairs.h")
LIBRARY = "engine.so"
FOLDER = Path(__file__).parent


@cache
def library() -> ctypes.CDLL:
    """The library. Raises BuildError when the compiler stops, InputError when there is none."""
    sources = {name: (FOLDER / name).read_text() for name in (*SOURCES, *HEADERS)}
    build = build_once("engine", sources, "engine", {"flags": FLAGS, "each": dict(SOURCES)}, _make)
    engine = ctypes.CDLL(str(build.folder / LIBRARY))
    engine.panel_width.restype, engine.readout.restype = ctypes.c_int64, ctypes.c_double
    for name, arguments in _ARGUMENTS.items():
        getattr(engine, name).argtypes = arguments
    return engine


def _make(work: Path, product: Path) -> None:
    for name, flags in SOURCES.items():
        command = ["c++", *FLAGS.split(), *flags.split(), "-c", name]
        run_logged(command, work)
    objects = [name.replace(".cpp", ".o") for name in SOURCES]
    run_logged(["c++", "-shared", "-o", str(product / LIBRARY), *objects, "-lm"], work)


_SIZE, _POINTER = ctypes.c_int64, ctypes.c_void_p
_ARGUMENTS: Mapping[str, list[Any]] = {
    "panel_width": [ctypes.c_int],
    "pack_weights": [_POINTER, _SIZE, _SIZE, _SIZE, _SIZE, ctypes.c_int, _POINTER],
    "quantize_bytes": [_POINTER, _SIZE, _SIZE, _POINTER, *[_SIZE] * 4, _POINTER, _POINTER],
    "forward": [_POINTER, _SIZE, _SIZE],
    "backward": [_POINTER, _SIZE, _SIZE],
    "readout": [_POINTER],
    "matmul": [*[_SIZE] * 3, _POINTER, _SIZE, _SIZE, _POINTER, _SIZE, _SIZE, _POINTER],
}
