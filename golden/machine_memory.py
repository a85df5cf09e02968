"""The NPU's memories as the machine sees them: bytes, and the cycles at which they were touched."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.fixed import Int64

NEVER = -1


class MachineError(RuntimeError):
    """The program is wrong: a deadlock, a race, a read of memory never written, a bad address."""


class Memory:
    """Bytes, with the cycle of the last write and the last read of each: no race goes unseen."""

    def __init__(self, name: str, size: int):
        self.name = name
        self.value = np.zeros(size, np.int64)
        self.written = np.full(size, NEVER, np.int64)
        self.read_at = np.full(size, NEVER, np.int64)

    def read(self, address: Int64, cycle: Int64, last: Int64, where: str) -> Int64:
        """Bytes at distinct addresses, first read at `cycle` and last read at `last`."""
        self._bounds(address, where)
        if np.any(self.written[address] == NEVER):
            raise MachineError(f"{where}: reads {self.name} memory that was never written")
        if np.any(self.written[address] >= cycle):
            raise MachineError(f"{where}: reads {self.name} memory before its write has landed")
        self.read_at[address] = np.maximum(self.read_at[address], last)
        return self.value[address]

    def write(self, address: Int64, value: Int64, cycle: Int64, where: str) -> None:
        """Bytes to distinct addresses, each at its cycle."""
        self._bounds(address, where)
        if np.any(self.read_at[address] > cycle) or np.any(self.written[address] >= cycle):
            raise MachineError(f"{where}: overwrites {self.name} memory that is still in use")
        self.value[address] = value
        self.written[address] = cycle

    def _bounds(self, address: Int64, where: str) -> None:
        if int(address.min()) < 0 or int(address.max()) >= len(self.value):
            raise MachineError(f"{where}: address outside the {self.name} memory")


def loaded(image: NDArray[Any], name: str, start: int, count: int, where: str) -> NDArray[Any]:
    """image[start : start + count] of a memory that the host filled."""
    if start + count > len(image):
        raise MachineError(f"{where}: reads {name} memory that was never written")
    return image[start : start + count]
