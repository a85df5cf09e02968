"""Walks along batches of sequences in torch, scan after scan: what a network computes is given as
steps, in real numbers (`irnn_hw.qat.real`) or in integers (`irnn_hw.qat.integer`).

Time comes first: a tensor is (T, batch, length). What depends on no state, and what feeds none, is
computed for all time steps at once; the recurrence takes its steps one by one, in `Walk.recur`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor
from torch.nn.functional import embedding

from golden.errors import InputError
from golden.partition import Ties, cut, unwritten
from irnn_hw.qat.batch import Batch, kept_by
from irnn_hw.qat.readout import Outputs, Readout


class Values(dict[str, Tensor]):
    """By tensor: (..., length). What attention reads is (batch, S, length), of a sequence whose
    live[sequence] (batch, S) says which of its steps count (None: all). tokens: (...,)."""

    tokens: Tensor

    def __init__(self, live: Mapping[str, Tensor | None]):
        super().__init__()
        self.live = live


@dataclass(frozen=True)
class Step:
    """One operation. reads: tensors of its own sequence. attends: to these of another one.

    compute: the tensors that it writes, in the order of `writes`, from all values. symbols: of an
    embedding, how many it has. readout: of a product, what it may be left as.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    compute: Callable[[Values], tuple[Tensor, ...]]
    attends: tuple[str, ...] = ()
    symbols: int = 0
    readout: Callable[[Values], Readout] | None = None

    @classmethod
    def product(cls, reads: str, writes: str, readout: Callable[[Tensor], Readout]) -> "Step":
        """That of a readout of one tensor."""
        return cls(
            (reads,),
            (writes,),
            lambda values: (readout(values[reads]).dense(),),
            readout=lambda values: readout(values[reads]),
        )

    @property
    def ties(self) -> Ties:
        return Ties(self.reads, self.writes, bool(self.attends))

    def __call__(self, values: Values) -> None:
        values.update(zip(self.writes, self.compute(values), strict=True))


TIES = attrgetter("ties")


class Walk:
    """The steps of one scan, cut at its recurrence.

    states: (name, source). read: tensors that other scans read. wanted: those to yield. loop: steps
    of the recurrence; fed, kept: what it reads of each time step, and what is read of it later.
    compiled: what computes the recurrence in place of `recur`, as `irnn_hw.qat.compiled` does.
    """

    compiled: Callable[["Values", dict[str, Tensor], Tensor | None, int], None] | None = None

    def __init__(
        self,
        sequence: str,
        reverse: bool,
        steps: Sequence[Step],
        states: Sequence[tuple[str, str]],
        read: Collection[str],
        wanted: Collection[str],
    ):
        self.sequence, self.reverse, self.states = sequence, reverse, states
        leave = set(wanted).difference(read, *(s.reads for s in steps), (s for _, s in states))
        self._left = [s for s in steps if s.readout and not reverse and leave.issuperset(s.writes)]
        done = [step for step in steps if step not in self._left]
        self.own = [*(name for name, _ in states), *(n for step in done for n in step.writes)]
        self.before, self.loop, self.after = cut(done, states, TIES)
        self.reads = unwritten(steps, TIES, (name for name, _ in states))
        self.attended = tuple(name for step in steps for name in step.attends)
        self._visible = {*read, *wanted}.union(*(step.reads for step in self._left))
        self._connect()

    def _connect(self) -> None:
        """What the parts read of each other."""
        written = {n for step in self.loop for n in step.writes} | {n for n, _ in self.states}
        outside = {n for step in self.after for n in step.reads} | self._visible
        self.kept = [name for name in self.own if name in written & outside]
        sources = [source for _, source in self.states if source not in written]
        self.fed = [*dict.fromkeys([*unwritten(self.loop, TIES, written), *sources])]
        self._symbols = _Symbols(self.before, {*outside, *self.fed})

    def pull(self, names: Collection[str]) -> None:
        """Move the steps that write these tensors from before the recurrence into it, but for those
        that others read which stay."""
        if not self.loop:
            return
        stay, moved = list[Step](), list[Step]()
        for step in reversed(self.before):
            read = {name for other in stay for name in other.reads}
            free = set(step.writes) <= set(names) and not read & set(step.writes)
            (moved if free else stay).insert(0, step)
        self.before, self.loop = stay, moved + self.loop
        self._connect()

    def run(self, values: Values, held: dict[str, Tensor], live: Tensor | None, steps: int) -> None:
        """Every tensor, added to values (T, batch, length); held states move to their last."""
        for step in self._symbols.run(values):
            step(values)
        if self.loop or self.states:
            (self.compiled or self.recur)(values, held, live, steps)
        for step in self.after:
            step(values)

    def left(self, values: Values) -> dict[str, Readout]:
        """The last products, of values that have been run."""
        return {step.writes[0]: step.readout(values) for step in self._left if step.readout}

    def recur(
        self, values: Values, held: dict[str, Tensor], live: Tensor | None, steps: int
    ) -> None:
        """The recurrence over all time steps.

        Adds (T, batch, length) of what is read of it later. A state is kept as it was through the
        step; that of a sequence that has ended stays.
        """
        fed = {name: values[name].unbind(0) for name in self.fed}
        attended = {name: values[name] for name in self.attended}
        kept: dict[str, list[Tensor]] = {name: [] for name in self.kept}
        for t in range(steps):
            now = Values(values.live)
            now.update(attended)
            now.update({name: x[t] for name, x in fed.items()})
            now.update({name: held[name] for name, _ in self.states})
            for step in self.loop:
                step(now)
            for name, trace in kept.items():
                trace.append(now[name])
            moved = {name: now[source] for name, source in self.states}
            if live is not None:
                moved = {n: torch.where(live[t][:, None], x, held[n]) for n, x in moved.items()}
            held.update(moved)
        values.update({name: torch.stack(trace) for name, trace in kept.items()})


class _Symbols:
    """What depends on the symbol alone: where there are fewer symbols than steps, it is computed
    once a symbol and then looked up.

    before: steps before the recurrence. seen: tensors that are read elsewhere.
    """

    def __init__(self, before: Sequence[Step], seen: Collection[str]):
        embeddings = [step for step in before if step.symbols]
        self._count = embeddings[0].symbols if len(embeddings) == 1 else 0
        self._steps, known = embeddings, {n for step in embeddings for n in step.writes}
        for step in before:
            if step.reads and known.issuperset(step.reads):
                self._steps.append(step)
                known |= set(step.writes)
        self._all, self._others = before, [s for s in before if s not in self._steps]
        read = {name for step in self._others for name in step.reads}
        self._seen = sorted(known & {*seen, *read})

    def run(self, values: Values) -> Sequence[Step]:
        """The steps that are left to do for every time step."""
        if not self._count or values.tokens.numel() <= self._count:
            return self._all
        rows = Values(values.live)
        rows.tokens = torch.arange(self._count)
        for step in self._steps:
            step(rows)
        values.update({name: embedding(values.tokens, rows[name]) for name in self._seen})
        return self._others


@dataclass(frozen=True)
class Run:
    """traces: (T, batch, length) of what was asked for; padded steps hold no meaning. states: as
    the last step left them (batch, length), to go on from."""

    traces: Outputs
    states: dict[str, Tensor]


class Walks:
    """All scans of a network, in order. wanted: tensors to yield. lengths: of the states."""

    def __init__(
        self,
        scans: Sequence[tuple[str, bool, Sequence[Step], Sequence[tuple[str, str]]]],
        wanted: Collection[str],
        lengths: Mapping[str, int],
    ):
        self._wanted, self._lengths, self.walks = wanted, lengths, list[Walk]()
        read = set[str]()
        for sequence, reverse, steps, states in reversed(scans):
            walk = Walk(sequence, reverse, steps, states, read, wanted)
            read |= {*walk.reads, *walk.attended}
            self.walks.insert(0, walk)

    def run(
        self,
        feeds: Mapping[str, Batch],
        states: Mapping[str, Tensor] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Run:
        """From states, or from zeros; a reverse scan always from zeros.

        Raises InputError for a sequence without a feed.
        """
        held, traces, readouts = dict(states or {}), dict[str, Tensor](), dict[str, Readout]()
        for walk in self.walks:
            if walk.sequence not in feeds:
                raise InputError(f"feeds: sequence {walk.sequence} is missing; give its feed")
            feed = feeds[walk.sequence]
            steps, batch = feed.shape
            for name, _ in walk.states:
                if name not in held or walk.reverse:
                    held[name] = torch.zeros(batch, self._lengths[name], dtype=dtype)
            traces |= feed.inputs
            values = self._values(walk, feeds, traces)
            live = feed.live  # of a walk in reverse too: padding stays at the end
            walk.run(values, held, live, steps)
            own = {name: values[name] for name in walk.own if name in values}
            traces |= {n: feed.flipped(x) for n, x in own.items()} if walk.reverse else own
            readouts |= walk.left(values)
        made = {name: traces[name] for name in self._wanted if name in traces}
        return Run(Outputs(made, readouts), held)

    def _values(
        self, walk: Walk, feeds: Mapping[str, Batch], traces: Mapping[str, Tensor]
    ) -> Values:
        """What a walk reads from outside, in its own direction."""
        feed = feeds[walk.sequence]
        masks = {name: f.live for name, f in feeds.items()}
        values = Values({name: None if m is None else m.T for name, m in masks.items()})
        kept = {kept_by(name): x for name, x in feed.kept.items()}
        for name in walk.reads:
            found = kept[name] if name in kept else traces[name]
            values[name] = feed.flipped(found) if walk.reverse else found
        values |= {name: traces[name].transpose(0, 1) for name in walk.attended}
        if feed.tokens is not None:
            values.tokens = feed.flipped(feed.tokens) if walk.reverse else feed.tokens
        return values
