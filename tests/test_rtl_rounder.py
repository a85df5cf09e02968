import itertools

from amaranth.hdl import signed
from amaranth.lib.data import StructLayout
from rtl_cases import complaints
from test_rtl_fixed import exact_round

from golden.npu_config import ROUNDER
from golden.stimulus import corners
from rtl.pipeline import Pipeline
from rtl.rounder import SHIFT_BITS, Rounder

WIDTH, BITS = 40, 16


class Alone(Pipeline):
    """The rounder between two streams."""

    LATENCY = Rounder.LATENCY

    def __init__(self):
        layout = {"p": signed(WIDTH), "shift": SHIFT_BITS, "zero_point": BITS}
        super().__init__(StructLayout(layout), BITS)

    def datapath(self, m, valid):
        m.submodules.rounder = rounder = Rounder(width=WIDTH, bits=BITS)
        i = self.i.payload
        m.d.comb += [
            rounder.p.eq(i.p),
            rounder.shift.eq(i.shift),
            rounder.zero_point.eq(i.zero_point),
            self.o.payload.eq(rounder.q),
        ]


def test_corners_against_rational_arithmetic():
    limit = 1 << (WIDTH - 1)
    cases = list(
        itertools.product(
            corners(1 - limit, limit - 1)[::3], [0, 1, 8, 23, WIDTH, 63], [0, 1, 32768, 65535]
        )
    )
    inputs = [{"p": p, "shift": s, "zero_point": z} for p, s, z in cases]
    outputs = [min(max(exact_round(p, s) + z, 0), (1 << BITS) - 1) for p, s, z in cases]
    assert len(cases) > 1000
    assert complaints(Alone(), inputs, outputs, ["full rate"]) == ""


def test_latency_is_the_named_constant():
    assert Rounder.LATENCY == ROUNDER == 3
