"""A program for the NPU: instructions, memory images, and where each tensor lies."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden import container
from golden.errors import InputError
from golden.isa import WORD_BITS, Bank, Instruction
from golden.npu_config import NpuConfig
from golden.registers import windows

KIND = "program"


@dataclass(frozen=True, slots=True)
class Buffer:
    """Where a tensor lies: `length` bytes of `bank` from `address`."""

    bank: Bank
    address: int
    length: int


@dataclass(frozen=True, eq=False)
class Program:
    """What the host loads, and what the machine executes.

    labels: for each instruction, the tensor that it computes. weights: int8 (words, R, C); bias:
    int32 (words,); constants: uint8 (bytes,); knots: uint8 (tables, pieces - 1); segments: int32
    (tables * pieces, 2), slope and offset. buffers: of the tensors that lie in one piece.
    """

    config: NpuConfig
    instructions: tuple[Instruction, ...]
    labels: tuple[str, ...]
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    constants: NDArray[np.uint8]
    knots: NDArray[np.uint8]
    segments: NDArray[np.int32]
    buffers: Mapping[str, Buffer]
    outputs: int
    model_sha256: str

    def __post_init__(self) -> None:
        c = self.config
        sizes = {
            "program": (len(self.instructions), c.program_words),
            "weights": (len(self.weights), c.weight_words),
            "bias": (len(self.bias), c.bias_words),
            "constants": (len(self.constants), c.constant_bytes),
            "knots": (len(self.knots), c.tables),
        }
        for name, (needed, there) in sizes.items():
            if needed > there:
                raise InputError(
                    f"{name}: {needed} needed, configuration {c.name} holds {there}; "
                    "choose a larger configuration or a smaller model"
                )
        for name, (dtype, shape) in self._arrays.items():
            array: NDArray[Any] = getattr(self, name)
            if (array.dtype, array.shape) != (dtype, shape):
                raise InputError(f"{name}: {array.dtype} {array.shape}; {dtype} {shape} expected")
        if not self.instructions or len(self.labels) != len(self.instructions):
            raise InputError(
                f"labels: {len(self.labels)} for {len(self.instructions)} instructions"
            )
        texts = (*self.labels, *self.buffers, self.model_sha256)
        numbers = (self.outputs, *(n for b in self.buffers.values() for n in (b.address, b.length)))
        if not all(isinstance(text, str) for text in texts):
            raise InputError("labels, buffers, model_sha256: text expected")
        if self.outputs == 0 or not all(type(n) is int and n >= 0 for n in numbers):
            raise InputError("outputs, buffers: integers expected")

    @property
    def _arrays(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """What each array has to be."""
        c, tables = self.config, len(self.knots)
        return {
            "weights": (np.dtype(np.int8), (len(self.weights), c.rows, c.columns)),
            "bias": (np.dtype(np.int32), (len(self.bias),)),
            "constants": (np.dtype(np.uint8), (len(self.constants),)),
            "knots": (np.dtype(np.uint8), (tables, c.pieces - 1)),
            "segments": (np.dtype(np.int32), (tables * c.pieces, 2)),
        }

    @cached_property
    def words(self) -> NDArray[np.uint32]:
        """The instructions as 32-bit words (instructions, 6), low bits first."""
        lanes = WORD_BITS // 32
        codes = [i.encode() for i in self.instructions]
        return np.array(
            [[(code >> (32 * n)) & 0xFFFFFFFF for n in range(lanes)] for code in codes], np.uint32
        )

    def images(self) -> dict[str, NDArray[np.uint32]]:
        """Window name -> 32-bit words (memory words, lanes), as the host writes them."""
        images = {
            "program": self.words,
            "weights": _lanes(self.weights.reshape(len(self.weights), -1)),
            "bias": self.bias.reshape(-1, 1).view(np.uint32),
            "constants": _lanes(_padded(self.constants, self.config.constant_word_bytes)),
            "knots": _lanes(self.knots),
            "segments": self.segments.view(np.uint32),
        }
        table = windows(self.config)
        assert all(image.shape[1] == table[name].lanes for name, image in images.items())
        return images

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        header = {
            "config": asdict(self.config),
            "listing": [str(i) for i in self.instructions],
            "labels": list(self.labels),
            "buffers": {k: [int(b.bank), b.address, b.length] for k, b in self.buffers.items()},
            "outputs": self.outputs,
            "model_sha256": self.model_sha256,
        }
        arrays = {
            "program": self.words,
            **{
                name: getattr(self, name)
                for name in ("weights", "bias", "constants", "knots", "segments")
            },
        }
        return container.pack(KIND, header, arrays)

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "program") -> "Program":
        """The program in `data`. Raises InputError for anything but a sound one."""
        header, arrays = container.unpack(data, KIND, source)
        with container.reading(source, "malformed program", "compile it again"):
            words = arrays.pop("program").astype(object)
            codes = [sum(int(w) << (32 * n) for n, w in enumerate(row)) for row in words]
            program = cls(
                config=NpuConfig(**header["config"]),
                instructions=tuple(Instruction.decode(code) for code in codes),
                labels=tuple(header["labels"]),
                buffers={k: Buffer(Bank(b), *at) for k, (b, *at) in header["buffers"].items()},
                outputs=header["outputs"],
                model_sha256=header["model_sha256"],
                **arrays,
            )
            if program.to_bytes() != data:
                raise ValueError("not in the one form that a program has")
        return program

    def save(self, path: Path) -> None:
        container.write_atomic(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "Program":
        return cls.from_bytes(container.read_bytes(path, "program"), str(path))


def _padded(data: NDArray[np.uint8], word_bytes: int) -> NDArray[np.uint8]:
    return np.pad(data, (0, -len(data) % word_bytes)).reshape(-1, word_bytes)


def _lanes(rows: NDArray[Any]) -> NDArray[np.uint32]:
    """Rows of bytes as rows of little-endian 32-bit words, zero-padded."""
    padding = -rows.shape[1] % 4
    wide = np.ascontiguousarray(np.pad(rows.view(np.uint8), ((0, 0), (0, padding))))
    return wide.view("<u4").astype(np.uint32)
