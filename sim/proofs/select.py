"""The two ways to find the piece of a PWL table."""

from amaranth.hdl import Module, Signal
from amaranth.lib.wiring import In

from rtl.pipeline import delayed
from rtl.pwl_bank import LoadableBank
from rtl.pwl_load import PwlSizes
from rtl.pwl_search import LoadableSearch, levels
from sim.proof import Proof, Property
from sim.proofs.faults import mutations


class BankAgainstSearch(Property):
    """Loads one sorted table, a knot a cycle, into both selects, then sends codes to both."""

    def __init__(self, sizes: PwlSizes):
        self._sizes = sizes
        super().__init__({"knot": In(sizes.in_bits), "q": In(sizes.in_bits)})

    def elaborate(self, platform):
        m = Module()
        sizes = self._sizes
        m.submodules.bank = bank = LoadableBank(sizes=sizes)
        m.submodules.search = search = LoadableSearch(sizes=sizes)
        address = Signal(range(sizes.pieces + 1))
        last = Signal(sizes.in_bits)
        loading = address < sizes.pieces
        with m.If(loading):
            m.d.sync += [address.eq(address + 1), last.eq(self.knot)]
        for select in (bank, search):
            m.d.comb += [
                select.write.eq(loading),
                select.load.address.eq(address),
                select.load.knot.eq(self.knot),
                select.q.eq(self.q),
            ]
        # An index belongs to the code of LATENCY - 1 cycles before.
        found = delayed(m, bank.index, search.LATENCY - bank.LATENCY, "found")
        sent = delayed(m, ~loading, search.LATENCY - 1, "sent")
        m.d.comb += [
            self.given.eq(~loading | (self.knot >= last)),
            self.ok.eq(~sent | (found == search.index)),
            self.seen.eq(sent & (found == sizes.pieces // 2)),
        ]
        return m


def _select(pieces: int, **how) -> Proof:
    sizes = PwlSizes(pieces)
    return Proof(
        name=f"pwl-select-{pieces}",
        claim="comparator bank and binary search find the same piece",
        inputs=f"every table of {pieces} pieces, every 8-bit code",
        build=lambda: BankAgainstSearch(sizes),
        faults=mutations(
            "loaded knots off by one",
            "knot registers written by every word",
            "search step greater instead of greater or equal",
            "knots written to any level",
        ),
        # Those of loading, and of one code until both have its piece; a later code meets the same.
        cycles=pieces + levels(pieces),
        bounded=True,
        **how,
    )


SELECT_PROOFS = (_select(8), _select(16, slow=True))
