"""The plan of operations: each bound once to the arrays that it reads and writes."""

from collections.abc import Container, Mapping, Sequence

import numpy as np

from golden.attention import AttentionClamps, AttentionSpec, Memory, attend
from golden.batched import BatchedMatVec
from golden.elementwise import minimum, one_minus
from golden.fixed import ClampCount
from golden.kernels import (
    Codes,
    Kernel,
    RowClamps,
    Rows,
    Scratch,
    Spec,
    elementwise,
    embedded_product,
    rows_of,
)
from golden.linear import MatVecSpec
from golden.madnorm import MadNormClamps, MadNormSpec, madnorm
from golden.model import IntModel
from golden.operations import (
    Attend,
    Concatenate,
    Embedding,
    LookUp,
    MadNorm,
    MatVec,
    Minimum,
    OneMinus,
    Operation,
    Pwl,
    Slice,
    stepwise,
    written,
)

DTYPES = {8: np.uint8, 16: np.uint16, 32: np.int32}


class Plan:
    """Operations for `rows` independent vectors a tensor.

    given: arrays (rows, length) that other plans own. arrays[tensor]: (rows, length), what it holds
    after `run`. clamps: by tensor. hidden: tensors that nobody but the one operation that
    reads them sees, so that they need not be there. memories: of each attention, by its output.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        model: IntModel,
        rows: int,
        clamps: Mapping[str, ClampCount],
        given: Mapping[str, Codes],
        hidden: Container[str] = (),
    ):
        self.rows, self.arrays = Rows(), dict(given)
        self.tokens = np.zeros(rows, np.int64)
        self.memories: dict[str, Memory] = {}
        self._spec, self._hidden = model.spec, hidden
        self._totals = clamps
        self._clamps = {name: RowClamps(clamps[name], self.rows) for name in clamps}
        self._producers: dict[str, Operation] = {op.output: op for op in operations}
        self._scratch: dict[tuple[int, ...], Scratch] = {}
        for op in operations:
            for name in stepwise(op):
                t = model.tensors[name]
                self.arrays[name] = np.zeros((rows, t.length), DTYPES[t.bits])
        kernels = [self._kernel(op) for op in operations]
        self._kernels = [kernel for kernel in kernels if kernel is not None]

    def run(self) -> None:
        """Every operation once, on what the arrays hold."""
        for kernel in self._kernels:
            kernel()

    def _kernel(self, op: Operation) -> Kernel | None:
        out, spec = self.arrays[op.output], self._spec(op.output)
        inputs = [self.arrays[name] for name in op.inputs if name in self.arrays]
        match op:
            case Embedding():
                return lambda: rows_of(op.table, self.tokens, out)
            case Slice():  # a view, which costs nothing
                self.arrays[op.output] = inputs[0][:, op.start : op.start + out.shape[1]]
                return None
            case MatVec():
                return self._product(op, spec, inputs[0], out)
            case MadNorm():
                return self._madnorm(op, spec, inputs[0], out)
            case Attend():
                return self._attend(op, spec, inputs[0], out)
            case Concatenate():
                return lambda: _joined(inputs, out)
            case Minimum():
                return lambda: np.copyto(out, minimum(*inputs), casting="unsafe")
            case OneMinus():
                bits, clamps = 8 * inputs[0].itemsize, self._clamps[op.output]
                return lambda: np.copyto(
                    out, one_minus(spec, inputs[0], bits, clamps), casting="unsafe"
                )
        return self._elementwise(op, spec, inputs, out)

    def _product(self, op: MatVec, spec: MatVecSpec, x: Codes, out: Codes) -> Kernel:
        clamps = self._clamps.get(op.output)
        source = self._producers.get(op.inputs[0])
        if isinstance(source, Embedding):
            return embedded_product(spec, source.table, self.tokens, out, clamps)
        batched = BatchedMatVec(spec, len(x))
        return lambda: batched(x, out, clamps)

    def _elementwise(
        self, op: Operation, spec: Spec, inputs: list[Codes], out: Codes
    ) -> Kernel | None:
        """One operation, or, where its operand is hidden, that one's and its own."""
        if op.output in self._hidden:
            return None
        chain: tuple[Spec, ...] = (spec,)
        clamps = [self._totals.get(op.output)]
        if isinstance(op, Pwl | LookUp) and op.inputs[0] in self._hidden:
            first = self._producers[op.inputs[0]]
            inputs = [self.arrays[name] for name in first.inputs]
            chain = (self._spec(first.output), spec)
            clamps = [self._totals.get(first.output), *clamps]
        scratch = self._scratch.setdefault(out.shape, Scratch(out.shape))
        return elementwise(chain, inputs, out, clamps, scratch, self.rows)

    def _madnorm(self, op: MadNorm, spec: MadNormSpec, x: Codes, out: Codes) -> Kernel:
        names = (op.mean, op.centred, op.deviation, op.output)
        clamps = MadNormClamps(*(self._clamps[name] for name in names))
        targets = [self.arrays[name] for name in names]

        def kernel() -> None:
            for target, codes in zip(targets, madnorm(spec, x, clamps), strict=True):
                np.copyto(target, codes.reshape(target.shape), casting="unsafe")

        return kernel

    def _attend(self, op: Attend, spec: AttentionSpec, query: Codes, out: Codes) -> Kernel:
        """Over the memory of the rows that count; the others keep what they hold."""
        counts = [self._totals[name] for name in written(op)]
        clamps = AttentionClamps(*counts)

        def kernel() -> None:
            mask = self.rows.mask
            if mask is None or mask.all():
                out[:] = attend(spec, query, self.memories[op.output], clamps).context
            elif mask.any():
                memory = self.memories[op.output].of(mask)
                out[mask] = attend(spec, query[mask], memory, clamps).context

        return kernel


def _joined(inputs: list[Codes], out: Codes) -> None:
    np.concatenate(inputs, axis=1, out=out)
