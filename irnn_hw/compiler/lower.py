"""One time step as a list of instructions in an order that one engine alone could follow.

Levels: a matrix-vector product is one level above what it reads; the element-wise operations that
follow share its level. The element-wise work of a level is cut into blocks of hidden units, and so
is the last product before it: while the MAC engine computes a block, the vector engine finishes the
one before.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.isa import Bank, Opcode
from golden.model import IntModel
from golden.npu_config import NpuConfig
from golden.operations import Add, Embedding, MatVec, Multiply, Operation, Pwl, Slice
from irnn_hw.compiler.images import Images
from irnn_hw.compiler.layout import Layout, padded
from irnn_hw.compiler.lowered import Lowered, Span, span
from irnn_hw.compiler.support import check_supported

# Beats of a block: fewer, and the vector engine waits for its own results (write latency).
BLOCK_BEATS = 8
# More blocks cost program words, and hide no more than this.
MAX_BLOCKS = 4


class Lowering:
    """Lowers a model for a configuration; images grow as instructions are made."""

    def __init__(self, model: IntModel, config: NpuConfig):
        check_supported(model)
        self.model, self.config = model, config
        self.layout = Layout(model, config)
        self.images = Images(config)
        self._level = _levels(model)
        self._specs = dict(zip((op.output for op in model.operations), model.specs, strict=True))

    def initial(self) -> list[Lowered]:
        """Each state at its zero point."""
        return [
            self._vector(s.name, Opcode.FILL, (), 0, self.layout.buffers[s.name].length,
                         z_out=self.model.tensors[s.name].zero_point)
            for s in self.model.states
        ]  # fmt: skip

    def step(self) -> list[Lowered]:
        """One time step, in sequential order."""
        lowered: list[Lowered] = []
        for level in range(max(self._level.values()) + 1):
            ops = [op for op in self.model.operations if self._level[op.output] == level]
            products = [op for op in ops if isinstance(op, MatVec)]
            element = [op for op in ops if not isinstance(op, MatVec | Slice)]
            # What states feed can start before the step's input is there.
            states = {s.name for s in self.model.states}
            products.sort(key=lambda op: op.inputs[0] not in states)
            lowered += self._lower_level(products, element)
        lowered = self._states_first(lowered)
        self._check_states(lowered)
        return lowered

    def _lower_level(
        self, products: Sequence[MatVec], element: Sequence[Operation]
    ) -> list[Lowered]:
        embeddings = [op for op in element if isinstance(op, Embedding)]
        element = [op for op in element if not isinstance(op, Embedding)]
        lowered = [self._embed(op) for op in embeddings]
        lowered += [i for op in products[:-1] for i in self._product(op, 0, None)]
        last = products[-1:]
        blocks = self._blocks(last, element)
        chunks = [[i for op in last for i in self._product(op, *b)] for b in blocks]
        work = [[self._element(op, *b) for op in element] for b in blocks]
        # The product runs one block ahead of the element-wise work in the instruction stream.
        lowered += chunks[0]
        for n in range(len(blocks)):
            lowered += (chunks[n + 1] if n + 1 < len(blocks) else []) + work[n]
        return lowered

    def _blocks(
        self, products: Sequence[MatVec], element: Sequence[Operation]
    ) -> list[tuple[int, int | None]]:
        """(start, length) of blocks that every operation of the level can be cut into."""
        lengths = {padded(self.model.tensors[op.output].length, self.config) for op in element}
        for op in products:
            lengths |= {padded(p.length, self.config) for p, _ in self.layout.parts(op.output)}
        if len(lengths) != 1 or not element:
            return [(0, None)]
        (length,) = lengths
        block = padded(max(BLOCK_BEATS * self.config.lanes, -(-length // MAX_BLOCKS)), self.config)
        starts = range(0, max(length - block, 0) + 1, block)
        return [(s, block if s != starts[-1] else length - s) for s in starts]

    def _states_first(self, lowered: list[Lowered]) -> list[Lowered]:
        """Products of states alone come first: they fill the wait for the step's input."""
        states = {s.name for s in self.model.states}
        early = [
            i for i in lowered
            if i.opcode == Opcode.MATVEC and self._input_of(i.label) in states
        ]  # fmt: skip
        return early + [i for i in lowered if i not in early]

    def _check_states(self, lowered: Sequence[Lowered]) -> None:
        """A state shares the memory of its source: nobody may read it once that is overwritten."""
        inputs = {op.output: op.inputs for op in self.model.operations}
        for state in self.model.states:
            gone: list[Span] = []
            for i in lowered:
                if state.name in inputs[i.label] and any(
                    read.overlaps(write) for read in i.reads for write in gone
                ):
                    raise InputError(
                        f"{i.label}: reads the state {state.name} after {state.source} has "
                        "replaced it; the NPU keeps one of the two"
                    )
                if i.label == state.source:
                    gone += i.writes

    def _input_of(self, label: str) -> str:
        return next(op.inputs[0] for op in self.model.operations if op.output == label)

    # --- operations -----------------------------------------------------------------------------

    def _product(self, op: MatVec, start: int, length: int | None) -> Iterator[Lowered]:
        """Rows [start, start + length) of each part; the whole product where length is None."""
        if self.model.tensors[op.output].bits == 32:
            yield self._matvec(op, np.arange(len(op.weights)), None)
            return
        out = self.layout.buffers[op.output]
        rows = [self._padded_rows(part.start, part.length) for part, _ in
                self.layout.parts(op.output)]  # fmt: skip
        if length is None:
            yield self._matvec(op, np.concatenate(rows), out.address)
            return
        for part, (_, offset) in zip(rows, self.layout.parts(op.output), strict=True):
            yield self._matvec(op, part[start : start + length], out.address + offset + start)

    def _padded_rows(self, start: int, length: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        rows = np.full(padded(length, self.config), -1, np.int64)
        rows[:length] = np.arange(start, start + length)
        return rows

    def _matvec(
        self, op: MatVec, rows: np.ndarray[tuple[int], np.dtype[np.int64]], dst: int | None
    ) -> Lowered:
        x = self.layout.buffers[op.inputs[0]]
        weights, bias, beats = self.images.product(self._specs[op.output], rows)
        fields = {
            "x": x.address,
            "beats": beats,
            "rows": len(rows),
            "weights": weights,
            "bias": bias,
        }
        writes: tuple[Span, ...] = ()
        if dst is None or op.multiplier is None:
            fields |= {"stream": 1}
        else:
            out = self.model.tensors[op.output]
            m = op.multiplier
            assert isinstance(m, FixedPoint)  # as `check_supported` has made sure
            self._check_multiplier(op.output, m.mantissa)
            fields |= {"dst": dst, "mantissa": m.mantissa, "shift": m.shift}
            fields |= {"z_out": out.zero_point}
            writes = (Span(Bank.RESULT, dst, dst + len(rows)),)
        return Lowered(op.output, Opcode.MATVEC, fields, (span(x),), writes)

    def _embed(self, op: Embedding) -> Lowered:
        length = self.layout.buffers[op.output].length
        address = self.images.embedding(op)
        fields = {"a": address, "a_bank": Bank.CONSTANT, "b": len(op.table), "m_a": 1}
        return self._vector(op.output, Opcode.EMBED, (), 0, length, **fields)

    def _element(self, op: Operation, start: int, length: int | None) -> Lowered:
        """One block of an element-wise operation; the whole where length is None."""
        length = self.layout.buffers[op.output].length if length is None else length
        z = [self.model.tensors[name].zero_point for name in op.inputs]
        z_out = self.model.tensors[op.output].zero_point
        match op:
            case Add():
                for mantissa in op.mantissas:
                    self._check_multiplier(op.output, abs(mantissa))
                m_a, m_b = op.mantissas
                fields = {"z_a": z[0], "z_b": z[1], "m_a": m_a, "m_b": m_b, "shift": op.shift}
                opcode = Opcode.ADD
            case Multiply():
                self._check_multiplier(op.output, op.multiplier.mantissa)
                m = op.multiplier
                fields = {"z_a": z[0], "z_b": z[1], "m_a": m.mantissa, "shift": m.shift}
                opcode = Opcode.MULTIPLY
            case Pwl():
                self._check_pwl(op)
                fields = {"table": self.images.table(op), "shift": op.shift}
                opcode = Opcode.PWL
            case _:
                raise AssertionError(f"{op.output}: not an element-wise operation")
        return self._vector(op.output, opcode, op.inputs, start, length, z_out=z_out, **fields)

    def _vector(
        self,
        out: str,
        opcode: Opcode,
        inputs: Sequence[str],
        start: int,
        length: int,
        **fields: int,
    ) -> Lowered:
        buffers = [self.layout.buffers[name] for name in inputs]
        dst = self.layout.buffers[out].address + start
        for name, buffer in zip("ab", buffers, strict=False):
            fields |= {name: buffer.address + start, f"{name}_bank": buffer.bank}
        fields |= {"dst": dst, "beats": length // self.config.lanes}
        reads = tuple(span(b, start, length) for b in buffers)
        writes = (Span(Bank.ACTIVATION, dst, dst + length),)
        return Lowered(out, opcode, {k: int(v) for k, v in fields.items()}, reads, writes)

    def _check_multiplier(self, name: str, mantissa: int) -> None:
        width = self.config.multiplier_width
        if mantissa >> width:
            raise InputError(f"{name}: multiplier {mantissa} exceeds the {width} bits of the NPU")

    def _check_pwl(self, op: Pwl) -> None:
        slope, intercept = self.config.slope_bits - 1, self.config.intercept_bits - 1
        if max(map(abs, op.slopes)) >> slope or max(map(abs, op.intercepts)) >> intercept:
            raise InputError(f"{op.output}: PWL constants exceed the widths of the NPU")


def _levels(model: IntModel) -> dict[str, int]:
    """Matrix-vector products between each tensor and the step's inputs."""
    levels = {state.name: 0 for state in model.states}
    for op in model.operations:
        below = max((levels[name] for name in op.inputs), default=0)
        levels[op.output] = below + isinstance(op, MatVec)
    return levels
