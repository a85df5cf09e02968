"""MadNorm: normalization by the mean absolute deviation (Eq. 25-30), rows of codes streamed."""

from collections.abc import Callable
from typing import NamedTuple

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib.memory import Memory

from golden.elementwise import AffineSpec
from golden.madnorm import MadNormSpec
from golden.npu_config import REQUANTIZER, ROUNDER
from rtl.affine import Affine
from rtl.constant_requantizer import ConstantRequantizer, ConstantRounder
from rtl.divider import Divider, PipelinedDivider, ZeroPoint, divider_layout
from rtl.pipeline import Pipeline, chain, delayed

# Cycles from the address of a code to m_x (x - Z_x), to x_hat, and to |x_hat - Z_xh| summed.
X_SCALED, X_HAT = 3, 4 + ROUNDER
SUMMED = X_HAT + 2
# From the address of an x_hat to its numerator.
NUMERATOR = 4
# From a sum to m_mu (mu - Z_mu), and from a sum to d.
MEAN, DEVIATION = REQUANTIZER + 2, REQUANTIZER + 1
# From the last code of a row to the address of its first.
FIRST_ADDRESS = 1 + MEAN - X_SCALED


def division(spec: MadNormSpec) -> dict[str, int]:
    """Widths and shift of the division of Eq. 30: parameters of a Divider."""
    return {
        "n_bits": spec.centre.out_bits + 1 + spec.quotient.mantissa.bit_length(),
        "d_bits": spec.deviation_bits,
        "bits": spec.out_bits,
        "shift": spec.quotient.shift,
    }


class _Walk(NamedTuple):
    """A row read from its ring: the word's address, and which word of the row, if any, it is."""

    address: Value
    running: Value
    first: Value
    last: Value


def _walk(m: Module, start, length: int, depth: int, name: str) -> _Walk:
    """The next row, one word a cycle from the cycle after start; starts are a row apart."""
    index = Signal(range(max(length, 2)), name=f"{name}_index")
    address = Signal(range(depth), name=f"{name}_address")
    running = Signal(name=f"{name}_running")
    last = running & (index == length - 1)
    m.d.sync += [
        running.eq(start | (running & ~last)),
        index.eq(Mux(running & ~last, index + 1, 0)),
        address.eq(address + running),
    ]
    return _Walk(address, running, running & (index == 0), last)


def _ring(m: Module, name: str, depth: int, enable, data, address):
    """The word at `address`, a cycle later, of those written one after the other."""
    memory = Memory(shape=data.shape(), depth=depth, init=[])
    m.submodules[name] = memory
    write, read = memory.write_port(), memory.read_port()
    m.d.sync += write.addr.eq(write.addr + enable)
    m.d.comb += [write.en.eq(enable), write.data.eq(data), read.addr.eq(address)]
    return read.data


class MadNormDivisions(Pipeline):
    """Eq. 27-29: ``m (x_hat - Z_xh)`` and d of golden/madnorm.py, for a Divider.

    Takes one code a cycle, row after row; a row's divisions leave one a cycle, the last of them
    LATENCY = 2 length + 18 cycles after its last code. Meanwhile the next rows are taken: one is
    summed, one waits in a ring for its mean, one, as x_hat, for its deviation.

    Parameters: the MadNormSpec.
    Members: i: In(stream of x_bits), o: Out(stream of divider_layout).
    """

    def __init__(self, *, spec: MadNormSpec):
        self._spec, sizes = spec, division(spec)
        second_pass = FIRST_ADDRESS + spec.length - 1 + SUMMED + DEVIATION - NUMERATOR
        self.LATENCY = second_pass + spec.length - 1 + NUMERATOR
        # A row, and what arrives before its first code is read.
        self._depth = 1 << (spec.length + FIRST_ADDRESS - 1).bit_length()
        super().__init__(spec.x_bits, divider_layout(sizes["n_bits"], sizes["d_bits"], True))

    def datapath(self, m, valid):
        spec, o = self._spec, self.o.payload
        walk, x_hat = self._centre(m, valid[0])
        deviation, summed = self._deviation(m, walk, x_hat)
        start = delayed(m, summed, DEVIATION - NUMERATOR - 1, "second_pass")
        again = _walk(m, start, spec.length, self._depth, "x_hat")
        written = delayed(m, walk.running, X_HAT, "written")
        word = _ring(m, "x_hats", self._depth, written, x_hat, again.address)
        # Cycle 2 from the address: the distance from Z_xh.
        c = Signal(signed(spec.centre.out_bits + 1))
        m.d.sync += c.eq(word - spec.centre.out_zero_point)
        # Cycles 3-4: multiply; the second register moves into the multiplier.
        numerator = Signal.like(o.n)
        m.d.sync += numerator.eq(c * Const(spec.quotient.mantissa))
        m.d.comb += [
            o.n.eq(delayed(m, numerator, 1, "numerator")),
            o.d.eq(deviation),
            self.o.valid.eq(delayed(m, again.running, NUMERATOR, "divide")),
        ]

    def _centre(self, m: Module, taken):
        """x_hat of the row that was taken last, X_HAT cycles behind the walk over its codes."""
        spec = self._spec
        (z_x, z_mu), (m_x, m_mu) = spec.centre.zero_points, spec.centre.mantissas
        mean, done = self._mean(m, taken)
        start = delayed(m, done, MEAN - X_SCALED - 1, "first_pass")
        walk = _walk(m, start, spec.length, self._depth, "x")
        word = _ring(m, "codes", self._depth, taken, self.i.payload, walk.address)
        # Cycle 2 from the address: the distance from Z_x. Cycle 3: scaled, as the mean is by then.
        x = Signal(signed(spec.x_bits + 1))
        scaled_x = Signal((x * m_x).shape())
        m.d.sync += [x.eq(word - z_x), scaled_x.eq(x * m_x)]
        mu = Signal(signed(spec.mean_bits + 1))
        scaled_mu = Signal((mu * m_mu).shape())
        m.d.sync += mu.eq(mean.o.payload - z_mu)
        with m.If(delayed(m, mean.o.valid, 1, "mean")):
            m.d.sync += scaled_mu.eq(mu * m_mu)
        # Cycle 4: one sum, so that there is one rounding. Cycles 5-7: round, zero point, saturate.
        total = Signal((scaled_x + scaled_mu).shape())
        m.d.sync += total.eq(scaled_x + scaled_mu)
        m.submodules.rounder = rounder = ConstantRounder(
            width=len(total),
            bits=spec.centre.out_bits,
            shift=spec.centre.shift,
            zero_point=spec.centre.out_zero_point,
        )
        m.d.comb += rounder.p.eq(total)
        return walk, rounder.q

    def _mean(self, m: Module, taken):
        """The requantizer of the mean, and whether a row's sum enters it."""
        spec = self._spec
        count = Signal(range(max(spec.length, 2)))
        last = count == spec.length - 1
        # |sum| <= length (2^x_bits - 1).
        total = Signal(signed((spec.length * ((1 << spec.x_bits) - 1)).bit_length() + 1))
        done = Signal()
        m.d.sync += done.eq(taken & last)
        with m.If(taken):
            rest = Mux(count == 0, 0, total)
            m.d.sync += total.eq(rest + self.i.payload - spec.centre.zero_points[0])
            m.d.sync += count.eq(Mux(last, 0, count + 1))
        m.submodules.mean = mean = ConstantRequantizer(
            acc_width=len(total),
            multiplier=spec.mean,
            zero_point=spec.centre.zero_points[1],
            bits=spec.mean_bits,
        )
        _feed(m, mean, total, done)
        return mean, done

    def _deviation(self, m: Module, walk: _Walk, x_hat):
        """d, held from DEVIATION cycles after its sum for a row's time; whether a sum is there."""
        spec = self._spec
        # Cycles 8-9 from the address: the distance from Z_xh, its magnitude summed.
        c = Signal(signed(spec.centre.out_bits + 1))
        m.d.sync += c.eq(x_hat - spec.centre.out_zero_point)
        total = Signal(signed((spec.length * ((1 << spec.centre.out_bits) - 1)).bit_length() + 1))
        rest = Mux(delayed(m, walk.first, SUMMED - 1, "first"), 0, total)
        m.d.sync += total.eq(rest + abs(c))
        summed = delayed(m, walk.last, SUMMED, "summed")
        m.submodules.deviation = unit = ConstantRequantizer(
            acc_width=len(total),
            multiplier=spec.deviation,
            zero_point=0,
            bits=spec.deviation_bits,
        )
        _feed(m, unit, total, summed)
        d = Signal(spec.deviation_bits)
        with m.If(unit.o.valid):
            m.d.sync += d.eq(unit.o.payload)
        return d, summed


def _feed(m: Module, unit: ConstantRequantizer, total, valid) -> None:
    """total into the unit, which never waits."""
    m.d.comb += [unit.i.payload.eq(total), unit.i.valid.eq(valid), unit.o.ready.eq(1)]


class MadNorm(Pipeline):
    """``madnorm(spec, x).y`` of golden/madnorm.py; jointly or each gate apart: as long as a row is.

    With `affine`, ``affine(affine, y)`` of golden/elementwise.py behind it, whose gamma may span
    several rows. All constants are the specs', fixed when the unit is generated. Rows follow one
    another without a gap, a code out every SPACING cycles, which are those of a division.
    LATENCY: from the last code of x to the last of y, of a single row unless SPACING is 1.

    Parameters: the MadNormSpec; divider: a variant of Divider, called with widths and shift;
    affine: an AffineSpec or None.
    Members: i: In(stream of x_bits), o: Out(stream of out_bits, those of affine if there is one).
    """

    def __init__(
        self,
        *,
        spec: MadNormSpec,
        divider: Callable[..., Divider] = PipelinedDivider,
        affine: AffineSpec | None = None,
    ):
        if affine is not None and len(affine.gamma) % spec.length:
            raise ValueError(f"madnorm: {len(affine.gamma)} of gamma for rows of {spec.length}")
        super().__init__(spec.x_bits, spec.out_bits if affine is None else affine.out_bits)
        self._chain: dict[str, Pipeline] = {
            "divisions": MadNormDivisions(spec=spec),
            "divider": divider(**division(spec)),
            "zero_point": ZeroPoint(zero_point=spec.out_zero_point, bits=spec.out_bits),
        }
        self.SPACING = self._chain["divider"].INTERVAL
        if affine is not None:
            self._chain["affine"] = Affine(spec=affine, bits=spec.out_bits)
        waiting = (spec.length - 1) * (self.SPACING - 1)
        self.LATENCY = sum(unit.LATENCY for unit in self._chain.values()) + waiting

    def elaborate(self, platform):
        m = Module()
        chain(m, self, self._chain)
        return m
