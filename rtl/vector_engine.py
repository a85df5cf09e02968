"""The vector engine: L lanes of multiply, add, PWL and copies between memories."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.isa import WORD_BITS, Bank, Opcode
from golden.npu_config import MEMORY_READ, OPERAND_REGISTER, VECTOR_WRITE_LATENCY, NpuConfig
from rtl.front_end import FrontEnd
from rtl.pipeline import delayed
from rtl.pwl import PwlBank
from rtl.vector_lane import VectorLane

OPERANDS = MEMORY_READ + OPERAND_REGISTER


class VectorEngine(wiring.Component):
    """Executes the vector instructions of golden/isa.py in order; golden/machine.py gives cycles.

    L elements a cycle, the result written WRITE_LATENCY cycles after its operands are addressed.
    FILL and EMBED are ADDs: of nothing, and of one row with multiplier 1 at shift 0.

    Parameters: config.
    Members: i: In(stream of instructions); token, token_out: tokens from and to the MAC engine;
    symbol: In(stream of table rows for EMBED); symbol_bad: Out (a row outside the table, taken as
    row 0); a_address, b_address: byte addresses; *_data: words of the memories; knots, segments:
    table memories, a segment reader a lane; result_*: activation memory write; idle: Out.
    """

    WRITE_LATENCY = VECTOR_WRITE_LATENCY

    def __init__(self, *, config: NpuConfig):
        self._config = config
        lanes = range(config.lanes)
        segment = range(config.tables * config.pieces)
        super().__init__(
            {
                "i": In(stream.Signature(WORD_BITS)),
                "token": In(1),
                "token_out": Out(1),
                "symbol": In(stream.Signature(32)),
                "symbol_bad": Out(1),
                "a_address": Out(24),
                "b_address": Out(16),
                "a_activation": In(8 * config.word_bytes),
                "b_activation": In(8 * config.word_bytes),
                "a_result": In(8 * config.word_bytes),
                "b_result": In(8 * config.word_bytes),
                "a_constant": In(8 * config.constant_word_bytes),
                "knots_address": Out(range(config.tables)),
                "knots_data": In(8 * (config.pieces - 1)),
                **{f"segment_address_{n}": Out(segment) for n in lanes},
                **{f"segment_data_{n}": In(64) for n in lanes},
                "result_enable": Out(1),
                "result_address": Out(range(config.activation_bytes)),
                "result_data": Out(8 * config.lanes),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.front = front = FrontEnd(config=self._config, engine="vector")
        wiring.connect(m, wiring.flipped(self.i), front.i)
        m.d.comb += front.token.eq(self.token)
        now, issue, last = self._issue(m, front)
        a, b = self._operands(m, now)
        results = self._lanes(m, now, issue, a, b)
        written = delayed(m, Cat(issue, last & now.signal), self.WRITE_LATENCY, "written")
        m.d.comb += [
            self.result_enable.eq(written[0]),
            self.result_address.eq(delayed(m, now.dst, self.WRITE_LATENCY, "dst")),
            self.result_data.eq(Cat(*results)),
            self.token_out.eq(written[1]),
        ]
        return m

    def _issue(self, m: Module, front: FrontEnd):
        """Beats of the current instruction: addresses of both operands and of the result."""
        config, head = self._config, front.head
        now = Signal.like(head, name="instruction")
        busy = Signal()
        last = busy & (now.beats == 1)
        # Beats whose result will not be written before the next cycle's read.
        in_flight = Signal(self.WRITE_LATENCY)
        m.d.sync += in_flight.eq(Cat(busy, in_flight))
        landed = ~in_flight[:-1].any() & ~busy
        embed = head.opcode == Opcode.EMBED
        m.d.comb += [
            front.accept.eq(
                front.available
                & (~busy | last)
                & (~head.fence | landed)
                & (~embed | self.symbol.valid)
            ),
            self.symbol.ready.eq(front.accept & embed),
            self.symbol_bad.eq(self.symbol.ready & (self.symbol.payload >= head.b)),
            self.a_address.eq(now.a),
            self.b_address.eq(now.b),
            self.idle.eq(front.empty & ~busy & ~in_flight.any()),
        ]
        row = Mux(self.symbol_bad, 0, self.symbol.payload[:16])
        with m.If(busy):
            m.d.sync += [
                now.a.eq(now.a + config.lanes),
                now.b.eq(now.b + config.lanes),
                now.dst.eq(now.dst + config.lanes),
                now.beats.eq(now.beats - 1),
                busy.eq(~last),
            ]
        with m.If(front.accept & (head.opcode != Opcode.VECTOR_SYNC)):
            m.d.sync += [now.eq(head), busy.eq(1)]
            with m.If(embed):
                m.d.sync += now.a.eq(head.a + row * head.beats * config.lanes)
        return now, busy, last

    def _operands(self, m: Module, now):
        """Cycles 1-2: the memories answer; L bytes of the named one are registered."""
        config = self._config
        offset_bits = (max(config.word_bytes, config.constant_word_bytes) - 1).bit_length()
        operands = []
        for name, address, bank in (
            ("a", self.a_address, now.a_bank),
            ("b", self.b_address, now.b_bank),
        ):
            offset = delayed(m, address[:offset_bits], MEMORY_READ, f"{name}_offset")
            bank = delayed(m, bank, MEMORY_READ, f"{name}_bank")
            operand = Signal(8 * config.lanes, name=f"{name}_operand")
            with m.Switch(bank):
                for which in Bank:
                    port = getattr(self, f"{name}_{which.name.lower()}", None)
                    if port is not None:
                        with m.Case(which):
                            m.d.sync += operand.eq(self._lane_group(port, offset))
            operands.append(operand)
        return operands

    def _lane_group(self, word, offset):
        """The L bytes of a word at a byte offset aligned to L."""
        lanes = self._config.lanes
        groups = [word[8 * n : 8 * (n + lanes)] for n in range(0, len(word) // 8, lanes)]
        low = (lanes - 1).bit_length()
        return Array(groups)[offset[low : low + (len(groups) - 1).bit_length()]]

    def _lanes(self, m: Module, now, issue, a, b):
        """The lanes, their comparator banks, and the constants that travel with the beat."""
        config = self._config
        constants = ("z_a", "z_b", "z_out", "m_a", "m_b", "shift")
        multiply, is_pwl = now.opcode == Opcode.MULTIPLY, now.opcode == Opcode.PWL
        flags = delayed(m, Cat(multiply, is_pwl, issue), OPERANDS, "flags")
        held = {name: delayed(m, now[name], OPERANDS, name) for name in constants}
        knots = Signal.like(self.knots_data)
        m.d.comb += self.knots_address.eq(now.table)
        m.d.sync += knots.eq(self.knots_data)
        table = delayed(m, now.table, OPERANDS + PwlBank.LATENCY, "table")
        results = []
        for n in range(config.lanes):
            lane = VectorLane(scale_bits=config.slope_bits, late_segment=True)
            bank = PwlBank(bits=8, pieces=config.pieces)
            m.submodules[f"lane_{n}"], m.submodules[f"bank_{n}"] = lane, bank
            payload, segment = lane.i.payload, getattr(self, f"segment_data_{n}")
            m.d.comb += [
                bank.q.eq(a.word_select(n, 8)),
                bank.knots.as_value().eq(knots),
                getattr(self, f"segment_address_{n}").eq(Cat(bank.index, table)),
                payload.a.eq(a.word_select(n, 8)),
                payload.b.eq(b.word_select(n, 8)),
                *(payload[name].eq(value) for name, value in held.items()),
                Cat(payload.multiply, payload.pwl, lane.i.valid).eq(flags),
                payload.slope.eq(segment[:32]),
                payload.offset.eq(segment[32:]),
                lane.o.ready.eq(1),
            ]
            results.append(lane.o.payload)
        return results
