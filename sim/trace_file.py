"""Reads the trace that sim/npu_trace.sv writes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.trace import KINDS, Events, Trace

# "%08x %08x %016x\n"
_LINE = 35
_COLUMNS = {"cycle": (0, 8), "address": (9, 17), "data": (18, 34)}
_DIGIT = np.zeros(256, np.uint64)
for _n, _character in enumerate("0123456789abcdef"):
    _DIGIT[ord(_character)] = _n


def read_trace(folder: Path, cycles: int, mac_beats: int) -> Trace:
    """The trace of a run in `folder`; cycles and MAC beats are what the host read back."""
    events = {kind: read_events(folder / f"{kind}.trace") for kind in KINDS}
    return Trace(
        **events,
        arrivals=read_events(folder / "arrivals.trace").cycle,
        departures=read_events(folder / "departures.trace").cycle,
        cycles=cycles,
        mac_beats=mac_beats,
    )


def read_events(path: Path) -> Events:
    """Events of one file; a last line cut short by a crash is left out."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    lines = data[: len(data) // _LINE * _LINE].reshape(-1, _LINE)
    return Events(**{name: _hex(lines[:, a:b]) for name, (a, b) in _COLUMNS.items()})


def _hex(digits: NDArray[np.uint8]) -> NDArray[np.int64]:
    value = np.zeros(len(digits), np.uint64)
    for column in digits.T:
        value = (value << np.uint64(4)) | _DIGIT[column]
    return value.view(np.int64)
