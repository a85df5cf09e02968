"""The recurrence of a walk in C++ (`irnn_hw.engine`): the same codes as step by step in torch, and
the same gradients but for the order of their sums.

Attention, and activations that the engine lacks, stay in torch.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from golden.errors import InputError
from golden.model import IntModel
from golden.operations import Affine, Embedding, Input, LookUp, MatVec, Pwl, written
from irnn_hw.engine.integers import integer_lines, load_integers
from irnn_hw.engine.library import library
from irnn_hw.engine.matmul import matmul
from irnn_hw.engine.reals import load_reals, real_lines
from irnn_hw.engine.tape import Line, Tape
from irnn_hw.qat.batch import kept_by
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.scans import Values, Walk
from irnn_hw.qat.twins import Table, value_of
from irnn_hw.quant import nodes
from irnn_hw.quant.nodes import Dropout, Node
from sim.build_cache import BuildError

# What is better computed for all time steps at once, in torch, where no state is needed.
WIDE = (Input, Embedding, MatVec)
WIDE_NODES = (nodes.Input, nodes.Embedding, nodes.Product)


@dataclass(frozen=True)
class Constant:
    """An array that gradients go to: `field` of the instruction that writes `output`."""

    output: str
    field: str
    unit: float = 1.0  # of a sum of its gradients: what the instruction multiplies it by


def available() -> "Tapes | None":
    """Tapes, or None where the engine cannot be compiled, or where torch's default device is not
    the CPU: then all is computed in torch."""
    if torch.get_default_device().type != "cpu":
        return None
    try:
        library()
    except (BuildError, InputError):
        return None
    return Tapes()


class Tapes:
    """Tapes to use again: their arrays are large. One is in use from a forward to its backward."""

    def __init__(self) -> None:
        self._free: dict[Hashable, list[Tape]] = {}

    def take(self, key: Hashable, make: Callable[[], Tape]) -> Tape:
        free = self._free.get(key)
        return free.pop() if free else make()

    def give(self, key: Hashable, tape: Tape) -> None:
        self._free.setdefault(key, []).append(tape)


class Recurrence:
    """What `Walk.recur` computes, as a tape.

    lines: of the recurrence. lengths: of tensors. constants: where gradients go. load: sets the
    constants of a tape. tapes: of networks of this structure.
    """

    def __init__(
        self,
        walk: Walk,
        lines: Sequence[Line],
        lengths: Mapping[str, int],
        constants: Mapping[Constant, Tensor],
        load: Callable[[Tape], None],
        tapes: Tapes,
    ):
        self.lines, self.lengths, self.states = lines, lengths, walk.states
        self.fed, self.kept, self.constants, self.load = walk.fed, walk.kept, list(constants), load
        self._tensors = list(constants.values())
        self._inputs = {line.output: line.inputs[0] for line in lines}
        self.tapes = tapes
        self._structure = tuple(lines), tuple(sorted(lengths.items()))

    def __call__(
        self, values: Values, held: dict[str, Tensor], live: Tensor | None, steps: int
    ) -> None:
        """As `Walk.recur`."""
        fed = [values[name] for name in self.fed]
        first = [held[name] for name, _ in self.states]
        batch = first[0].shape[0] if first else fed[0].shape[1]
        tensors = [*fed, *first, *self._tensors]
        training = torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
        key = self._structure, steps, batch, training
        tape = self.tapes.take(key, lambda: self._tape(steps, batch, training))
        self.load(tape)
        results = _Run.apply(self, tape, key, live, *tensors)
        values.update(zip(self.kept, results, strict=False))
        last = results[len(self.kept) :]
        held.update({name: x for (name, _), x in zip(self.states, last, strict=True)})
        if not training:
            self.tapes.give(key, tape)

    def _tape(self, steps: int, batch: int, training: bool) -> Tape:
        return Tape(self.lines, self.lengths, self.states, self.fed, steps, batch, training)

    def gradient(self, tape: Tape, constant: Constant) -> Tensor:
        """Of the codes, or values, of a constant."""
        sums = torch.from_numpy(tape.sums[constant.output]).flatten(0, 1)
        if constant.field in ("bias", "beta"):
            return sums.sum(0) * constant.unit
        x = torch.from_numpy(np.ascontiguousarray(tape.values[self._inputs[constant.output]]))
        x = x[: tape.steps].flatten(0, 1)
        if constant.field == "gamma":
            return (sums * x).sum(0) * constant.unit
        return torch.from_numpy(matmul(sums.numpy().T, x.numpy()))


class _Run(Function):
    @staticmethod
    def forward(
        ctx: Any, of: Recurrence, tape: Tape, key: Hashable, live: Tensor | None, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.of, ctx.tape, ctx.key = of, tape, key
        ctx.live = None if live is None else live.to(torch.uint8).numpy()
        for name, x in zip(of.fed, tensors, strict=False):
            tape.values[name][:] = x.detach().numpy()
        for (name, _), x in zip(of.states, tensors[len(of.fed) :], strict=False):
            tape.values[name][0] = x.detach().numpy()
        tape.forward(ctx.live)
        kept = [torch.from_numpy(tape.values[name][: tape.steps].copy()) for name in of.kept]
        last = [torch.from_numpy(tape.values[name][tape.steps].copy()) for name, _ in of.states]
        return *kept, *last

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        of, tape = ctx.of, ctx.tape
        arrays = [None if g is None else g.contiguous().numpy() for g in grads]
        given = {n: g for n, g in zip(of.kept, arrays, strict=False) if g is not None}
        names = [name for name, _ in of.states]
        last = zip(names, arrays[len(of.kept) :], strict=True)
        tape.backward(given, {n: g for n, g in last if g is not None}, ctx.live)
        found = [torch.from_numpy(tape.grads[name].copy()) for name in of.fed]
        found += [torch.from_numpy(tape.grads[name][0].copy()) for name in names]
        needed = ctx.needs_input_grad[-len(of.constants) :] if of.constants else ()
        pairs = zip(of.constants, needed, strict=True)
        found += [of.gradient(tape, constant) if need else None for constant, need in pairs]
        of.tapes.give(ctx.key, tape)
        return None, None, None, None, *found


def compile_integers(
    walks: Sequence[Walk],
    model: IntModel,
    constants: Mapping[str, Tensor],
    table: Callable[[Pwl | LookUp], Table],
    dropouts: Collection[str],
    tapes: Tapes,
) -> None:
    """Replace the recurrences of a model, one walk a scan, where the engine has what they need.

    constants: by `operation.field`. table: of an activation. dropouts: slices that drop what the
    feed says.
    """
    lengths = {name: t.length for name, t in model.tensors.items()}
    masks = {name: kept_by(name) for name in dropouts}
    for walk, scan in zip(walks, model.scans, strict=True):
        cheap = [op for op in scan.operations if not isinstance(op, WIDE)]
        inside = _inside(walk, [*map(written, cheap)], integer_lines(cheap, model, masks))
        operations = [op for op in scan.operations if op.output in inside]
        found: dict[Constant, Tensor] = {}
        slopes = {}
        for op in operations:
            name = op.output
            if isinstance(op, MatVec):
                for field in ("weights", "bias"):
                    found[Constant(name, field)] = constants[f"{name}.{field}"]
            elif isinstance(op, Affine):
                m = op.multiplier
                found[Constant(name, "gamma", value_of(m))] = constants[f"{name}.gamma"]
                found[Constant(name, "beta", 2.0**-m.shift)] = constants[f"{name}.beta"]
            elif isinstance(op, Pwl | LookUp):
                slopes[name] = table(op).slopes.numpy()
        load = partial(load_integers, model=model, slopes=slopes)
        _replace(walk, integer_lines(operations, model, masks), lengths, masks, found, load, tapes)


def compile_reals(walks: Sequence[Walk], masters: Masters, dropping: bool, tapes: Tapes) -> None:
    """As `compile_integers`, of a network in real numbers."""
    network = masters.template
    lengths = network.scans[-1].lengths
    dropouts = [n.name for n in network.nodes if isinstance(n, Dropout) and dropping]
    masks = {name: kept_by(name) for name in dropouts}
    for walk, scan in zip(walks, network.scans, strict=True):
        cheap = [node for node in scan.nodes if not isinstance(node, WIDE_NODES)]
        writes = [[t.name for t in node.tensors] for node in cheap]
        inside = _inside(walk, writes, real_lines(cheap, masks))
        computed = [node for node in scan.nodes if node.name in inside]
        found: dict[Constant, Tensor] = {
            Constant(node.name, field): p
            for node in computed
            for field, p in masters.of(node).items()
        }

        def load(tape: Tape, computed: Sequence[Node] = computed) -> None:
            arrays = {
                node.name: {f: p.detach().numpy() for f, p in masters.of(node).items()}
                for node in computed
            }
            load_reals(tape, computed, arrays)

        _replace(walk, real_lines(computed, masks), lengths, masks, found, load, tapes)


def _inside(walk: Walk, writes: Iterable[Sequence[str]], lines: Sequence[Line] | None) -> set[str]:
    """What the recurrence writes, once it has taken in what is cheap: whose tensors these are, and
    whose lines, if the engine has all of it."""
    if lines:
        walk.pull([name for names in writes for name in names])
    return {name for step in walk.loop for name in step.writes}


def _replace(
    walk: Walk,
    lines: Sequence[Line] | None,
    lengths: Mapping[str, int],
    masks: Mapping[str, str],
    constants: Mapping[Constant, Tensor],
    load: Callable[[Tape], None],
    tapes: Tapes,
) -> None:
    """The recurrence of a walk by a tape, where there are lines. masks: of dropouts."""
    if lines:
        sizes = {**lengths, **{mask: lengths[name] for name, mask in masks.items()}}
        walk.compiled = Recurrence(walk, lines, sizes, constants, load, tapes)
