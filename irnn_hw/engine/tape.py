"""A recurrence as a tape of instructions, with the arrays that they work on (engine/tape.h).

What fills in the constants is `integers.py` for the operations of an integer model, and `reals.py`
for the nodes of a network in real numbers.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from irnn_hw.engine.library import library

Float32 = NDArray[np.float32]
Flags = NDArray[np.uint8]

TERMS = 4  # inputs of an instruction at most
_INT, _POINTER = ctypes.c_int64, ctypes.c_void_p


class Code(IntEnum):
    """What an instruction computes, as in tape.h."""

    PRODUCT = 0
    ADD = auto()
    MULTIPLY = auto()
    AFFINE = auto()
    TABLE = auto()
    MADNORM = auto()
    MINIMUM = auto()
    CONCATENATE = auto()
    MASK = auto()
    REAL_PRODUCT = auto()
    REAL_ADD = auto()
    REAL_MULTIPLY = auto()
    REAL_AFFINE = auto()
    REAL_MADNORM = auto()
    REAL_LAYERNORM = auto()
    REAL_MASK = auto()
    SIGMOID = auto()
    TANH = auto()
    RELU = auto()
    EXP = auto()


NORMS = (Code.MADNORM, Code.REAL_MADNORM)
SUMMED = (Code.PRODUCT, Code.AFFINE, Code.REAL_PRODUCT, Code.REAL_AFFINE)


@dataclass(frozen=True)
class Line:
    """One instruction. writes: tensors, the output last; a norm's are mean, centred, deviation and
    output. start: of a slice, which is a view of its input and no instruction."""

    code: Code | None
    inputs: tuple[str, ...]
    writes: tuple[str, ...]
    start: int | None = None

    @property
    def output(self) -> str:
        return self.writes[-1]


class _View(ctypes.Structure):
    _fields_ = [("at", _POINTER), ("step", _INT), ("row", _INT)]


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("value", _View), ("grad", _View), ("given", _View), ("length", _INT), ("scratch", _INT),
    ]  # fmt: skip


class Instruction(ctypes.Structure):
    """struct Instruction of tape.h, which says what each field is."""

    _fields_ = [
        ("code", _INT), ("inputs", _INT), ("in_", _INT * TERMS), ("out", _INT),
        ("mean", _INT), ("centred", _INT), ("deviation", _INT), ("rows", _INT),
        ("mantissa", _INT * TERMS), ("shift", _INT * TERMS), ("offset", _INT),
        ("low", _INT * TERMS), ("high", _INT * TERMS), ("first", _INT), ("wide", _INT),
        ("packed", _POINTER), ("packed_back", _POINTER),
        ("mantissas", _POINTER), ("shifts", _POINTER), ("bias", _POINTER),
        ("gamma", _POINTER), ("values", _POINTER), ("slopes", _POINTER),
        ("factor", ctypes.c_double * TERMS), ("constant", ctypes.c_double),
        ("inside", _POINTER * TERMS), ("sums", _POINTER),
    ]  # fmt: skip


class _State(ctypes.Structure):
    _fields_ = [("tensor", _INT), ("source", _INT)]


class _Tape(ctypes.Structure):
    _fields_ = [
        ("steps", _INT), ("batch", _INT),
        ("tensors", ctypes.POINTER(_Tensor)), ("tensor_count", _INT),
        ("instructions", ctypes.POINTER(Instruction)), ("instruction_count", _INT),
        ("states", ctypes.POINTER(_State)), ("state_count", _INT),
        ("live", _POINTER),
    ]  # fmt: skip


class Tape:
    """Instructions over `steps` steps of `batch` sequences, and their gradients.

    values[tensor]: (steps, batch, length), of a state (steps + 1, batch, length); integers are
    centred codes. Fill those of `fed` and the first step of the states, then call `forward`. With
    `training`, after `backward`, grads holds the gradients of `fed` and of states, of the same
    shapes, and sums[output] (steps, batch, length) that of a product, or of an affine operation,
    before its clamp. instructions[output]: whose constants the caller sets, with `keep`.

    Raises BuildError and InputError as `library` does.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        lengths: Mapping[str, int],
        states: Sequence[tuple[str, str]],
        fed: Sequence[str],
        steps: int,
        batch: int,
        training: bool = False,
    ):
        self.steps, self.batch, self.training = steps, batch, training
        self.values: dict[str, Float32] = {}
        self.grads: dict[str, Float32] = {}
        self.sums: dict[str, Float32] = {}
        self._library = library()
        self._arrays: list[Any] = []  # what instructions point at for good
        self._constants: list[Any] = []  # and until the next ones come
        self._kept = dict.fromkeys(fed, steps) | {name: steps + 1 for name, _ in states}
        self._scratch: set[str] = set()
        self._allocate(lines, lengths)
        self._numbers = {name: n for n, name in enumerate(self.values)}
        computed = [line for line in lines if line.code is not None]
        self._program = (Instruction * len(computed))()
        self.instructions = {line.output: self._program[n] for n, line in enumerate(computed)}
        for line in computed:
            self._bind(line, self.instructions[line.output])
        self._states = (_State * len(states))(
            *((self._numbers[name], self._numbers[source]) for name, source in states)
        )
        self._tensors = (_Tensor * len(self.values))()
        for record, (name, values) in zip(self._tensors, self.values.items(), strict=True):
            record.value, record.length = _view(values), values.shape[2]
            record.grad, record.scratch = _view(self.grads[name]), name in self._scratch

    def _allocate(self, lines: Sequence[Line], lengths: Mapping[str, int]) -> None:
        """Arrays of every tensor. A gradient that lives through one step has one step."""
        for name, steps in self._kept.items():
            shape = (steps, self.batch, lengths[name])
            self.values[name], self.grads[name] = (np.zeros(shape, np.float32) for _ in range(2))
        for line in lines:
            if line.start is not None:
                part = slice(line.start, line.start + lengths[line.output])
                for arrays in (self.values, self.grads):
                    arrays[line.output] = arrays[line.inputs[0]][:, :, part]
                continue
            for name in line.writes:
                shape = (self.steps, self.batch, lengths[name])
                self.values[name] = np.zeros(shape, np.float32)
                one = np.zeros((1, *shape[1:]), np.float32)
                self.grads[name] = np.broadcast_to(one, shape)
                self._scratch.add(name)

    def _bind(self, line: Line, to: Instruction) -> None:
        """What stays: tensors, and the arrays that forward leaves for backward."""
        to.code, to.inputs, to.out = line.code, len(line.inputs), self._numbers[line.output]
        to.in_[: len(line.inputs)] = [self._numbers[name] for name in line.inputs]
        if line.code in NORMS:
            to.mean, to.centred, to.deviation = (self._numbers[name] for name in line.writes[:3])
            to.rows = self.values[line.writes[2]].shape[2]
        if not self.training:
            return
        if line.code < Code.MINIMUM:
            for n, name in enumerate(line.writes):
                to.inside[n] = self._hold(np.zeros(self.values[name].shape, np.uint8))
        if line.code in SUMMED:
            self.sums[line.output] = np.zeros(self.values[line.output].shape, np.float32)
            to.sums = self._hold(self.sums[line.output])

    def _hold(self, array: NDArray[Any]) -> int:
        self._arrays.append(array)
        return array.ctypes.data

    def forget(self) -> None:
        """Let go of the constants, before new ones are set: what is not set again is 0."""
        self._constants.clear()
        first, end = Instruction.mantissa.offset, Instruction.inside.offset
        for instruction in self._program:
            ctypes.memset(ctypes.addressof(instruction) + first, 0, end - first)

    def keep(self, array: NDArray[Any], dtype: Any = np.float32) -> int:
        """The address of an array that stays until `forget`."""
        held = np.ascontiguousarray(array, dtype)
        self._constants.append(held)
        return held.ctypes.data

    def set_weights(self, to: Instruction, weights: Float32, wide: bool = False) -> None:
        """Of a product: weights (n, k), in panels as gemm.h takes them."""
        to.wide, to.packed = wide, self._panels(weights, wide)
        if self.training:
            to.packed_back = self._panels(weights.T, False)

    def _panels(self, weights: Float32, wide: bool) -> int:
        n, k = weights.shape
        width = self._library.panel_width(wide)
        packed = np.empty(-(-n // width) * width * k, np.float64 if wide else np.float32)
        row, column = (stride // weights.itemsize for stride in weights.strides)
        self._library.pack_weights(weights.ctypes.data, n, k, row, column, wide, packed.ctypes.data)
        self._constants.append(packed)
        return packed.ctypes.data

    def forward(self, live: Flags | None = None) -> None:
        """Every step. live (steps, batch): 1 where a sequence has not ended; None: all."""
        self._library.forward(ctypes.byref(self._record(live)), 0, self.batch)

    def backward(
        self,
        given: Mapping[str, Float32],
        beyond: Mapping[str, Float32] | None = None,
        live: Flags | None = None,
    ) -> None:
        """The gradients of `fed`, states and constants.

        given: of tensors, from outside (steps, batch, length). beyond: of the states after the last
        step (batch, length).
        """
        for name in self._kept:
            self.grads[name][:] = 0
        for name, gradient in (beyond or {}).items():
            self.grads[name][self.steps] = gradient
        for name, number in self._numbers.items():
            self._tensors[number].given = _view(given[name]) if name in given else _View()
        self._library.backward(ctypes.byref(self._record(live)), 0, self.batch)

    def _record(self, live: Flags | None) -> _Tape:
        return _Tape(
            self.steps, self.batch, self._tensors, len(self._tensors), self._program,
            len(self._program), self._states, len(self._states),
            None if live is None else live.ctypes.data,
        )  # fmt: skip


def _view(array: Float32) -> _View:
    """Where the elements of an array (steps, rows, length) are."""
    if array.dtype != np.float32 or array.strides[2] not in (0, array.itemsize):
        raise ValueError(f"engine: float32 rows expected, got {array.dtype} {array.strides}")
    step, row = (stride // array.itemsize for stride in array.strides[:2])
    return _View(array.ctypes.data, step, row)
