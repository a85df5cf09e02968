import pytest
from amaranth.hdl import Module
from rtl_cases import complaints

from rtl.pipeline import Pipeline, delayed
from sim.streams import patterns

WORDS = [0, 1, 255, 128, *range(40)]


class Delay(Pipeline):
    """Nothing but LATENCY registers."""

    def __init__(self, latency: int):
        self.LATENCY = latency
        super().__init__(8, 8)

    def datapath(self, m: Module, valid):
        m.d.comb += self.o.payload.eq(delayed(m, self.i.payload, self.LATENCY, "word"))


@pytest.mark.parametrize("latency", [1, 2, 7])
def test_words_keep_their_order_and_number_in_every_traffic(latency):
    assert complaints(Delay(latency), WORDS, WORDS, list(patterns(0))) == ""


def test_a_class_constant_that_is_not_true_is_found():
    class Late(Delay):
        def datapath(self, m, valid):
            self.LATENCY = 2
            super().datapath(m, valid)

    assert "word 0" in complaints(Late(3), WORDS, WORDS)
