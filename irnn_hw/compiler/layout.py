"""Where tensors lie: padded lengths, banks and addresses."""

from collections.abc import Sequence
from dataclasses import dataclass

from golden.errors import InputError
from golden.isa import Bank
from golden.model import IntModel
from golden.npu_config import NpuConfig
from golden.operations import MatVec, Slice
from golden.program import Buffer


def padded(length: int, config: NpuConfig) -> int:
    """length rounded up to whole memory words: what lies beyond meets weights of zero."""
    return -(-length // config.word_bytes) * config.word_bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A run of a matrix-vector product's rows that is read as one vector."""

    start: int
    length: int


def parts_of(model: IntModel, tensor: str) -> list[Part]:
    """How the model slices a tensor: its slices in order, or the whole of it."""
    slices = {
        Part(op.start, model.tensors[op.output].length)
        for op in model.operations
        if isinstance(op, Slice) and op.inputs[0] == tensor
    }
    return sorted(slices, key=lambda p: (p.start, p.length)) or [
        Part(0, model.tensors[tensor].length)
    ]


class Layout:
    """Buffers of a model's tensors. Each part of a sliced product is padded to whole words.

    A state shares the buffer of its source. Raises InputError when a memory is too small.
    """

    def __init__(self, model: IntModel, config: NpuConfig):
        self.model, self.config = model, config
        self.buffers: dict[str, Buffer] = {}
        self._next = {Bank.ACTIVATION: 0, Bank.RESULT: 0}
        aliases = {state.source: state.name for state in model.states}
        for state in model.states:
            self._allocate(state.name, Bank.ACTIVATION)
        for op in model.operations:
            if isinstance(op, Slice):
                self._place_slice(op)
            elif op.output in aliases:
                self.buffers[op.output] = self.buffers[aliases[op.output]]
            elif model.tensors[op.output].bits != 32:
                is_product = isinstance(op, MatVec)
                self._allocate(op.output, Bank.RESULT if is_product else Bank.ACTIVATION)
        self._check_sizes()

    def parts(self, tensor: str) -> Sequence[tuple[Part, int]]:
        """Parts of a product, each with the offset of its padded rows."""
        placed, offset = [], 0
        for part in parts_of(self.model, tensor):
            placed.append((part, offset))
            offset += padded(part.length, self.config)
        return placed

    def _allocate(self, tensor: str, bank: Bank) -> None:
        size = sum(padded(part.length, self.config) for part, _ in self.parts(tensor))
        self.buffers[tensor] = Buffer(bank, self._next[bank], size)
        self._next[bank] += size

    def _place_slice(self, op: Slice) -> None:
        parent = self.buffers[op.inputs[0]]
        length = self.model.tensors[op.output].length
        for part, offset in self.parts(op.inputs[0]):
            if (part.start, part.length) == (op.start, length):
                size = padded(length, self.config)
                self.buffers[op.output] = Buffer(parent.bank, parent.address + offset, size)

    def _check_sizes(self) -> None:
        sizes = {
            Bank.ACTIVATION: self.config.activation_bytes,
            Bank.RESULT: self.config.result_bytes,
        }
        for bank, size in sizes.items():
            if self._next[bank] > size:
                raise InputError(
                    f"{bank.name.lower()} memory: {self._next[bank]} bytes needed, configuration "
                    f"{self.config.name} holds {size}; choose a larger configuration"
                )
