"""The order of a stream, followed word by word."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

WIDTH = 4  # of a payload: no handshake looks at it


class InOrder(wiring.Component):
    """Follows one word, whichever `follow` picks, past those that entered before it.

    ok: words leave only where one is inside, at most `capacity` are, and the one followed leaves
    when its turn has come, with the payload it entered with. As any word may be picked, none is
    lost, doubled, altered or overtaken.

    Members: enters, word: In; leaves, leaving: In; follow: In; inside: Out, how many words are;
    following: Out; ahead: Out, how many of them leave before the one followed; followed: Out, its
    payload; ok: Out.
    """

    def __init__(self, *, width: int, capacity: int):
        self._capacity = capacity
        count = range(2 * capacity + 1)  # one too many is seen as such
        super().__init__(
            {
                "enters": In(1),
                "word": In(width),
                "leaves": In(1),
                "leaving": In(width),
                "follow": In(1),
                "inside": Out(count),
                "following": Out(1),
                "ahead": Out(count),
                "followed": Out(width),
                "ok": Out(1),
            }
        )

    def observe(self, m: Module, i, o, follow) -> None:
        """Watch the words that a unit takes from a stream and gives to another."""
        m.d.comb += [
            self.enters.eq(i.valid & i.ready),
            self.word.eq(i.payload),
            self.leaves.eq(o.valid & o.ready),
            self.leaving.eq(o.payload),
            self.follow.eq(follow),
        ]

    def elaborate(self, platform):
        m = Module()
        its_turn = self.following & self.leaves & (self.ahead == 0)
        m.d.sync += self.inside.eq(self.inside + self.enters - self.leaves)
        with m.If(self.following):
            m.d.sync += [self.ahead.eq(self.ahead - self.leaves), self.following.eq(~its_turn)]
        with m.Elif(self.follow & self.enters):
            m.d.sync += [self.following.eq(1), self.followed.eq(self.word)]
            m.d.sync += self.ahead.eq(self.inside - self.leaves)
        m.d.comb += self.ok.eq(
            ~(self.leaves & (self.inside == 0))
            & (self.inside <= self._capacity)
            & (~its_turn | (self.leaving == self.followed))
        )
        return m


def stable(m: Module, o) -> Signal:
    """A word that is offered and not taken is offered again in the next cycle, unchanged."""
    waits, offered, kept = Signal(), Signal.like(o.payload), Signal()
    m.d.sync += [waits.eq(o.valid & ~o.ready), offered.eq(o.payload)]
    m.d.comb += kept.eq(~waits | (o.valid & (o.payload == offered)))
    return kept


def ones(bits):
    """How many bits are 1."""
    return sum(bits[n] for n in range(len(bits)))
