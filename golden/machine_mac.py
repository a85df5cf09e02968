"""The MAC engine of the machine: rtl/mac_engine.py, an instruction at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.fixed import FixedPoint, Int64, requantize
from golden.isa import Instruction
from golden.machine_memory import MachineError, Memory, loaded
from golden.machine_streams import Streams
from golden.npu_config import MAC_STREAM_LATENCY, MAC_WRITE_LATENCY
from golden.program import Program

Event = tuple[Int64, Int64, Int64]


class MacEngine:
    """Executes matrix-vector products. events: kind -> (cycles, addresses, data) a write."""

    def __init__(self, program: Program, activation: Memory, result: Memory, streams: Streams):
        self._program, self._config = program, program.config
        self._activation, self._result, self._streams = activation, result, streams
        self.events: dict[str, list[Event]] = {"result": [], "output": []}
        self.beats = 0
        self._matrices: dict[int, NDArray[np.float64]] = {}

    def execute(self, index: int, i: Instruction, accept: int, where: str) -> tuple[int, int]:
        """Last beat's cycle, and the cycle that writes the last row (of a stream: would write)."""
        config = self._config
        if not i["rows"] or not i["beats"] or i["x"] % config.word_bytes:
            raise MachineError(f"{where}: no rows, no beats, or x is not word-aligned")
        tiles = -(-i["rows"] // config.rows)
        period = max(i["beats"], config.rows)
        starts = self._tile_starts(i, accept + 1, period)
        beat = period - i["beats"] + np.arange(i["beats"]).repeat(config.columns)
        columns = i["x"] + np.arange(i["beats"] * config.columns)
        x = self._activation.read(columns, starts[0] + beat, starts[-1] + beat, where)
        acc = self._accumulators(index, i, tiles, x, where)
        self.beats += tiles * i["beats"]
        rows = np.arange(i["rows"])
        row = starts[rows // config.rows] + period - 1 + rows % config.rows
        if i["stream"]:
            last = np.arange(len(row)) == len(row) - 1
            self.events["output"].append((row + MAC_STREAM_LATENCY, last.astype(np.int64), acc))
        else:
            self._write(i, row, acc, where)
        return int(starts[-1] + period - 1), int(row[-1] + MAC_WRITE_LATENCY)

    def _write(self, i: Instruction, row: Int64, acc: Int64, where: str) -> None:
        cycle, address = row + MAC_WRITE_LATENCY, i["dst"] + np.arange(len(row))
        q = requantize(acc, FixedPoint(i["mantissa"], i["shift"]), i["z_out"], 8)
        self._result.write(address, q, cycle, where)
        self.events["result"].append((cycle, address, q))

    def _tile_starts(self, i: Instruction, first: int, period: int) -> Int64:
        """First cycle of each tile; a streamed one waits until the output queue has room for R."""
        rows, starts = self._config.rows, []
        for row in range(0, i["rows"], rows):
            if i["stream"]:
                first = self._streams.room(first)
                left = min(rows, i["rows"] - row)
                self._streams.queue(first + period - 1 + MAC_STREAM_LATENCY, left)
            starts.append(first)
            first += period
        return np.array(starts, np.int64)

    def _accumulators(self, index: int, i: Instruction, tiles: int, x: Int64, where: str) -> Int64:
        if index not in self._matrices:
            words = loaded(self._program.weights, "weight", i["weights"], tiles * i["beats"], where)
            self._matrices[index] = self._matrix(words, i, tiles)
        bias = loaded(self._program.bias, "bias", i["bias"], i["rows"], where)
        acc: Int64 = (self._matrices[index] @ x).astype(np.int64) + bias
        if int(acc.max()) >= 1 << 31 or int(acc.min()) < -(1 << 31):
            raise MachineError(f"{where}: an accumulator leaves its 32 bits")
        return acc

    def _matrix(self, words: NDArray[Any], i: Instruction, tiles: int) -> NDArray[np.float64]:
        """The weights of an instruction, (rows, columns): float64 holds every sum exactly."""
        tile = words.reshape(tiles, i["beats"], self._config.rows, self._config.columns)
        matrix = tile.transpose(0, 2, 1, 3).reshape(tiles * self._config.rows, -1)
        return matrix[: i["rows"]].astype(np.float64)
