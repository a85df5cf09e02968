"""Run an IntModel, bit for bit, batched over independent sequences."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from golden.attention import Memory, remember
from golden.feed import Feed, Feeder, Feeds, Sequence
from golden.fixed import ClampCount, Int64, integers, within_bits
from golden.kernels import Codes, RangeClamps
from golden.model import IntModel
from golden.operations import (
    Attend,
    Concatenate,
    Embedding,
    Input,
    LookUp,
    Minimum,
    Slice,
    stepwise,
    written,
)
from golden.walk import Walk


class Tensors(Mapping[str, Int64]):
    """Codes (batch, length) by tensor, read as copies; assignment sets what a state holds."""

    def __init__(self, model: IntModel, states: Mapping[str, Codes]):
        self.states, self.last = states, dict[str, Codes]()
        self._model = model

    def __getitem__(self, name: str) -> Int64:
        return (self.states if name in self.states else self.last)[name].astype(np.int64)

    def __setitem__(self, name: str, codes: ArrayLike) -> None:
        """Raises ValueError for codes outside the tensor's bits, or of another shape."""
        self.states[name][:] = within_bits(codes, self._model.tensors[name].bits, name)

    def __iter__(self) -> Iterator[str]:
        return iter({**self.states, **self.last})

    def __len__(self) -> int:
        return len({**self.states, **self.last})


class Executor:
    """The state of `batch` sequences of a model, which each run or step goes on from.

    keep: tensors to read beside the outputs. tensors: the states as they are, and the outputs and
    kept ones as the last step left them. clamps[tensor] counts the values that saturation
    changed, over all steps so far, padding apart. Raises ValueError for a tensor to keep that is
    unknown, or within attention.
    """

    def __init__(self, model: IntModel, batch: int = 1, keep: Iterable[str] = ()):
        self.model, self.batch = model, batch
        self.clamps = saturating(model)
        self._feeder = Feeder(model, batch)
        self._yields = list(dict.fromkeys([*(o.tensor for o in model.outputs), *keep]))
        self._walks = [
            Walk(scan, model, batch, self.clamps, visible)
            for scan, visible in zip(model.scans, _visible(model, self._yields), strict=True)
        ]
        states = {name: a for walk in self._walks for name, a in walk.states.items()}
        self.tensors = Tensors(model, states)
        for name in self._yields:
            if not any(name in walk.visible for walk in self._walks):
                raise ValueError(f"keep: no tensor {name} that has one value a step")
        self.reset()

    def reset(self) -> None:
        """Put every state at its zero point, and forget what was read; clamp counts stay."""
        for walk in self._walks:
            walk.reset()
        self.tensors.last = {}
        self._traces: dict[str, Codes] = {}  # (T, batch, length) of what another scan may read
        self._read: dict[str, Sequence] = {}
        self._memories: dict[str, tuple[Sequence, Memory]] = {}  # of each attention, and of what

    def step(self, token: ArrayLike | None = None, **inputs: ArrayLike) -> Int64:
        """One time step of the last sequence: a token (batch,), or codes (batch, length) of each
        Input -> codes or accumulators (batch, length) of the first output."""
        tokens = None
        if token is not None:
            tokens = np.broadcast_to(integers(token, "token"), (self.batch,))[:, np.newaxis]
        codes = {n: integers(c, n)[:, np.newaxis] for n, c in inputs.items()}
        fed = {self._feeder.names[-1]: Feed(tokens, codes)}
        return self.run(fed)[self.model.output][:, 0]

    def run(self, feeds: Feeds, progress: Callable[[int], None] | None = None) -> dict[str, Int64]:
        """{tensor: (batch, T, length)} of the outputs and the kept tensors.

        feeds: of each sequence, its Feed or tokens (batch, T); of a model of one sequence, that by
        itself. A sequence that is left out stays as it was read before: an encoder while its
        decoder takes steps. Padded steps hold no meaning. A state's codes are those it held
        through the step. progress: called with the steps done of each scan.
        Raises ValueError naming what is missing or does not fit, IndexError for an unknown symbol.
        """
        given = self._feeder.checked(feeds)
        results: dict[str, Int64] = {}
        for walk in self._walks:
            name = walk.scan.sequence
            if name not in given:
                continue
            self._traces |= self._walk(walk, given[name], progress)
            self._read[name] = given[name]
            for tensor in (n for n in self._yields if n in walk.visible):
                results[tensor] = self._traces[tensor].swapaxes(0, 1).astype(np.int64)
        self.tensors.last |= {n: codes[:, -1] for n, codes in results.items() if codes.shape[1]}
        return results

    def _walk(
        self, walk: Walk, sequence: Sequence, progress: Callable[[int], None] | None
    ) -> dict[str, Codes]:
        feeds = {
            n: (sequence.codes if n in sequence.codes else self._traces)[n] for n in walk.reads
        }
        tokens, flip = sequence.tokens, walk.scan.reverse
        if flip:
            walk.reset()
            feeds = {n: sequence.flipped(codes) for n, codes in feeds.items()}
            tokens = None if tokens is None else sequence.flipped(tokens)
        for op in walk.attentions:
            walk.memories[op.output] = self._memory(op)
        traces = walk.run(feeds, tokens, sequence.live, sequence.steps, progress)
        return {n: sequence.flipped(c) for n, c in traces.items()} if flip else traces

    def _memory(self, op: Attend) -> Memory:
        """What attention reads, made anew once its sequence is read anew, not at each step.

        Raises ValueError where it has not been read.
        """
        _, key, encoder = op.inputs
        (sequence,) = {w.scan.sequence for w in self._walks if key in w.visible}
        if sequence not in self._read:
            raise ValueError(f"feeds: sequence {sequence} is attended to; run it first")
        read = self._read[sequence]
        made = self._memories.get(op.output)
        if made is None or made[0] is not read:
            key_codes, codes = (self._traces[n].swapaxes(0, 1) for n in (key, encoder))
            longest = self.model.spec(op.output).context.max_steps
            made = read, remember(key_codes, codes, read.lengths, longest)
            self._memories[op.output] = made
        return made[1]


def saturating(model: IntModel) -> dict[str, ClampCount]:
    """A count for each tensor that a saturation writes, at 0; within attention, of ranges too."""
    moves = Input | Embedding | Slice | Concatenate | Minimum | LookUp
    return {
        name: ClampCount() if name in stepwise(op) else RangeClamps()
        for op in model.operations
        if not isinstance(op, moves)
        for name in written(op)
        if model.tensors[name].bits != 32
    }


def _visible(model: IntModel, yields: Iterable[str]) -> list[list[str]]:
    """Of each scan, the tensors that are yielded or that a later scan reads."""
    visible, seen = [], set(yields)
    for scan in reversed(model.scans):
        own = {s.name for s in scan.states} | {n for op in scan.operations for n in stepwise(op)}
        visible.append([name for name in model.tensors if name in own & seen])
        seen |= {n for op in scan.operations for n in op.inputs}
    return visible[::-1]
