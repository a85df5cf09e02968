"""Attention from its scores on (section 4.3): shifted softmax, and the context it weighs."""

from collections.abc import Callable

from amaranth.hdl import Cat, EnableInserter, Module, Mux, Signal
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.memory import Memory

from golden.activation import PwlSpec
from golden.attention import SCORE_MAX, ContextSpec
from rtl.context import Context, ContextSizes
from rtl.divider import Divider, PipelinedDivider
from rtl.pipeline import Pipeline, chain, delayed
from rtl.pwl import ConstantPwl, Pwl

SCORE_BITS = SCORE_MAX.bit_length()


def score_layout(sizes: ContextSizes, name: str = "score") -> StructLayout:
    """A beat: the score of an encoder step, or u, `lanes` of its codes, whether it is the last."""
    h = ArrayLayout(sizes.spec.h_bits, sizes.lanes)
    return StructLayout({name: SCORE_BITS, "h": h, "last": 1})


class ShiftedScores(Pipeline):
    """``shifted_scores(score, lengths)`` of golden/attention.py: u = score - largest + 65535.

    A sequence is kept in one half of a memory and its largest score found meanwhile; then it is
    sent again as u, a beat a cycle, while the next one fills the other half. The first u comes
    LATENCY cycles after the last score. A sequence starts max(n, n') cycles after the one before
    it, of n beats, which itself follows one of n': so long, its input waits. A sequence of more
    than max_steps beats is outside the domain.

    Parameters: sizes.
    Members: i: In(stream of score_layout), o: Out(stream of score_layout of u).
    """

    LATENCY = 3

    def __init__(self, *, sizes: ContextSizes):
        self._index_bits = max((sizes.steps - 1).bit_length(), 1)
        super().__init__(score_layout(sizes), score_layout(sizes, "u"))

    def elaborate(self, platform):
        stages, m = Module(), Module()
        advance = Signal()
        complete = self._stages(stages)
        m.d.comb += [
            advance.eq(self.o.ready | ~self.o.valid),
            self.i.ready.eq(advance & ~complete),
        ]
        m.submodules.stages = EnableInserter(advance)(stages)
        return m

    def _stages(self, m: Module):
        """All that advances together; whether a sequence waits until the one before it is sent."""
        i, o = self.i.payload, self.o.payload
        bank, complete, sending = Signal(), Signal(), Signal()
        index, address, end = (
            Signal(self._index_bits, name=n) for n in ("index", "address", "end")
        )
        taken = self.i.valid & ~complete
        whole, last = complete | (taken & i.last), address == end
        swap = whole & (~sending | last)
        m.d.sync += [
            complete.eq(whole & ~swap),
            sending.eq(swap | (sending & ~last)),
            bank.eq(bank ^ swap),
            index.eq(Mux(swap, 0, index + (taken & ~i.last))),
            address.eq(Mux(swap, 0, address + 1)),
        ]
        with m.If(swap):
            m.d.sync += end.eq(index)
        word = self._memory(m, taken, Cat(index, bank), Cat(address, ~bank))
        # Cycle 1: the last score is compared. Cycle 2: the word is read; its largest score stands
        # still, as another sequence has begun. Cycle 3: u, which is at most 65535.
        largest = self._largest(m, taken, index == 0, delayed(m, swap, 1, "swapped"))
        m.d.sync += [o.u.eq(word[:SCORE_BITS] + ~largest), o.h.as_value().eq(word[SCORE_BITS:])]
        m.d.comb += [
            o.last.eq(delayed(m, last, 2, "last")),
            self.o.valid.eq(delayed(m, sending, 2, "sent")),
        ]
        return complete

    def _memory(self, m: Module, enable, write_address, read_address):
        """Score and codes of the beat at an address, a cycle later."""
        i = self.i.payload
        beat = Cat(i.score, i.h)
        m.submodules.beats = memory = Memory(
            shape=len(beat), depth=2 << self._index_bits, init=[], attrs={"no_rw_check": True}
        )
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(enable),
            write.addr.eq(write_address),
            write.data.eq(beat),
            read.addr.eq(read_address),
        ]
        return read.data

    def _largest(self, m: Module, taken, first, swapped):
        """The largest score of the sequence that is sent, from 2 cycles after its last beat."""
        score = self.i.payload.score
        so_far, held = Signal(SCORE_BITS, name="largest"), Signal(SCORE_BITS, name="largest_sent")
        with m.If(taken & (first | (score > so_far))):
            m.d.sync += so_far.eq(score)
        with m.If(swapped):
            m.d.sync += held.eq(so_far)
        return held


class Exp(Pipeline):
    """``pwl(exp, u)`` of golden/activation.py, 16 bits to 8; a beat's codes wait beside it.

    LATENCY: that of the PWL unit; one beat a cycle.

    Parameters: exp; sizes; activation: a variant of ConstantPwl, called with spec=exp.
    Members: i: In(stream of score_layout of u), o: Out(stream of the context's beats).
    """

    def __init__(
        self, *, exp: PwlSpec, sizes: ContextSizes, activation: Callable[..., ConstantPwl]
    ):
        self._pwl = activation(spec=exp)
        self.LATENCY = self._pwl.LATENCY
        super().__init__(score_layout(sizes, "u"), sizes.beat())

    def datapath(self, m, valid):
        i, o = self.i.payload, self.o.payload
        m.submodules.pwl = unit = self._pwl
        beside = delayed(m, Cat(i.h, i.last), self.LATENCY, "beside")
        m.d.comb += [
            unit.i.payload.eq(i.u),
            unit.i.valid.eq(valid[0]),
            unit.o.ready.eq(1),
            o.e.eq(unit.o.payload),
            Cat(o.h, o.last).eq(beside),
        ]


class Softmax(Pipeline):
    """Context of a sequence's scores: what `attend` of golden/attention.py does after them.

    ``context(spec, pwl(exp, shifted_scores(score, lengths)), h, lengths)``, `lanes` elements of
    it at once. A beat is an encoder step, a code out an element, one every SPACING cycles. The
    last of them comes LATENCY + n cycles after the last of the n beats of a sequence, if no other
    is still being sent. Sequences follow one another as ShiftedScores says, those of equal length
    at a beat a cycle, where they have lanes * SPACING beats or more.

    Parameters: exp: a PWL from 16 bits to exp_bits, zero point 0; spec; lanes; max_steps: of a
    sequence; activation: a variant of ConstantPwl, called with spec=exp; divider: a variant of
    Divider, called with widths and shift. Raises ValueError where exp or a size does not fit.
    Members: i: In(stream of score_layout), o: Out(stream of out_bits).
    """

    def __init__(
        self,
        *,
        exp: PwlSpec,
        spec: ContextSpec,
        lanes: int = 1,
        max_steps: int = 64,
        activation: Callable[..., ConstantPwl] = Pwl,
        divider: Callable[..., Divider] = PipelinedDivider,
    ):
        given = exp.in_bits, exp.out_bits, exp.out_zero_point
        if given != (SCORE_BITS, spec.exp_bits, 0):
            raise ValueError(
                f"softmax: exp of {given[0]} to {given[1]} bits, zero point {given[2]}; "
                f"{SCORE_BITS} to {spec.exp_bits}, 0"
            )
        sizes = ContextSizes(spec, lanes, max_steps)
        super().__init__(score_layout(sizes), spec.out_bits)
        context = Context(sizes=sizes, divider=divider)
        self._chain = {
            "shifted": ShiftedScores(sizes=sizes),
            "exp": Exp(exp=exp, sizes=sizes, activation=activation),
            "context": context,
        }
        self.SPACING = context.SPACING
        # A beat a cycle is sent again: n - 1 cycles from the first u to the last.
        self.LATENCY = sum(unit.LATENCY for unit in self._chain.values()) - 1

    def elaborate(self, platform):
        m = Module()
        chain(m, self, self._chain)
        return m
