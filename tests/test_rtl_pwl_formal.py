from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.emit import verilog_text
from rtl.pipeline import delayed
from rtl.pwl_bank import LoadableBank
from rtl.pwl_load import PwlSizes
from rtl.pwl_search import LoadableSearch, levels
from rtl.yosys import run_yosys

SIZES = PwlSizes(16, 8, 8)


class BankAgainstSearch(wiring.Component):
    """Loads one sorted table, a knot a cycle, into both selects, then sends codes to both.

    same: at any time, unless the knots were not sorted, the pieces found are the same. broken: the
    bank counts one knot less for codes of 0x80 and above, which a proof must find.
    """

    def __init__(self, *, broken: bool):
        self._broken = broken
        super().__init__({"knot": In(8), "q": In(8), "same": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank = bank = LoadableBank(sizes=SIZES)
        m.submodules.search = search = LoadableSearch(sizes=SIZES)
        address = Signal(range(SIZES.pieces + 1))
        last, unsorted = Signal(8), Signal()
        loading = address < SIZES.pieces
        with m.If(loading):
            m.d.sync += [address.eq(address + 1), last.eq(self.knot)]
            m.d.sync += unsorted.eq(unsorted | (self.knot < last))
        for select in (bank, search):
            m.d.comb += [
                select.write.eq(loading),
                select.load.address.eq(address),
                select.load.knot.eq(self.knot),
                select.q.eq(self.q),
            ]
        # The bank's index belongs to the code at its input, the search's to one LATENCY - 1 before.
        delay = search.LATENCY - bank.LATENCY
        found = delayed(m, bank.index - (self.q[-1] & self._broken), delay, "found")
        sent = delayed(m, ~loading, delay, "sent")
        m.d.comb += self.same.eq(unsorted | ~sent | (found == search.index))
        return m


def proof(broken: bool) -> str:
    """The log of the solver: every table of sorted knots, every code.

    The steps are those of loading, and of one code until both have its piece; a later code meets
    the same memories.
    """
    steps = SIZES.pieces + levels(SIZES.pieces)
    script = f"""
read_verilog -sv design.v
hierarchy -check -top top
proc
flatten
memory
opt -full
sat -seq {steps} -set-init-zero -set rst 0 -prove same 1 -show knot,q top
"""
    design = verilog_text(BankAgainstSearch(broken=broken), "top")
    return run_yosys(script, {"design.v": design})["yosys.log"]


def test_bank_and_search_find_the_same_piece_of_every_table():
    assert "SAT proof finished - no model found: SUCCESS!" in proof(broken=False)


def test_the_proof_finds_a_difference():
    assert "SAT proof finished - model found: FAIL!" in proof(broken=True)
