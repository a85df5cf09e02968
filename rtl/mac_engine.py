"""The MAC engine: matrix-vector products, tile after tile, drained while the next one runs."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.data import ArrayLayout, StructLayout
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from golden.isa import WORD_BITS, Opcode
from golden.npu_config import MAC_STREAM_LATENCY, MAC_WRITE_LATENCY, MEMORY_READ, NpuConfig
from rtl.front_end import FrontEnd
from rtl.mac_array import ACCUMULATOR_BITS, MacArray
from rtl.pipeline import delayed
from rtl.requantizer import Requantizer

# Tags in flight: a tile takes at least two cycles, and its tag waits for the array and two reads.
TAG_DEPTH = 4


class MacEngine(wiring.Component):
    """Executes the MAC instructions of golden/isa.py in order; golden/machine.py gives its cycles.

    A tile of R rows takes max(beats, R) cycles: one accumulator leaves a cycle, `bias` is added,
    and it is requantized to the result memory or sent to the output stream as it is. A tile for the
    stream starts only when the output queue has room for R words, so nothing stalls once started.

    Parameters: config.
    Members: i: In(stream of instructions); token, token_out: tokens from and to the vector engine;
    x, weights, bias: memory addresses and data; result_*: memory write; output: Out(stream of
    accumulators, always taken); output_last; output_popped: In; beat: Out (the array takes one);
    idle: Out.
    """

    STREAM_LATENCY = MAC_STREAM_LATENCY
    WRITE_LATENCY = MAC_WRITE_LATENCY

    def __init__(self, *, config: NpuConfig):
        self._config = config
        word_bits = (config.activation_bytes // config.word_bytes - 1).bit_length()
        super().__init__(
            {
                "i": In(stream.Signature(WORD_BITS)),
                "token": In(1),
                "token_out": Out(1),
                "x_address": Out(word_bits),
                "x_data": In(8 * config.columns),
                "weights_address": Out(range(config.weight_words)),
                "weights_data": In(8 * config.macs),
                "bias_address": Out(range(config.bias_words)),
                "bias_data": In(signed(32)),
                "result_enable": Out(1),
                "result_address": Out(range(config.result_bytes)),
                "result_data": Out(8),
                "output": Out(stream.Signature(ACCUMULATOR_BITS, always_ready=True)),
                "output_last": Out(1),
                "output_popped": In(1),
                "beat": Out(1),
                "idle": Out(1),
            }
        )
        self._tag = StructLayout(
            {
                "rows": range(config.rows + 1),
                "final": 1,
                "signal": 1,
                "stream": 1,
                "bias": self.bias_address.shape(),
                "dst": self.result_address.shape(),
                "mantissa": config.multiplier_width,
                "shift": 6,
                "z_out": 8,
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.front = front = FrontEnd(config=self._config, engine="mac")
        m.submodules.tags = tags = SyncFIFO(width=self._tag.size, depth=TAG_DEPTH)
        wiring.connect(m, wiring.flipped(self.i), front.i)
        m.d.comb += front.token.eq(self.token)
        first, last = self._issue(m, front, tags)
        finished = self._drain(m, self._array(m, first, last), tags)
        pending = Signal(4)  # instructions accepted whose last row is not out
        started = front.accept & (front.head.opcode == Opcode.MATVEC)
        m.d.sync += pending.eq(pending + started - finished)
        m.d.comb += self.idle.eq(front.empty & (pending == 0))
        return m

    def _issue(self, m: Module, front: FrontEnd, tags: SyncFIFO):
        """Beats of the current instruction; returns the first and last beat of a tile."""
        config, head = self._config, front.head
        rows = config.rows
        now = Signal.like(head, name="instruction")
        busy, hold = Signal(), Signal()
        t = Signal(13)  # cycle within the tile
        period, skip = Signal(13), Signal(13)  # cycles a tile; of those before its first beat
        left = Signal.like(head.rows)
        x, weights = Signal.like(self.x_address), Signal.like(self.weights_address)
        credit = Signal(range(config.output_depth + 1), init=config.output_depth)

        step = Signal()
        last = Signal()
        m.d.comb += [
            hold.eq((t == 0) & now.stream & (credit < rows)),
            step.eq(busy & ~hold),
            self.beat.eq(step & (t >= skip)),
            last.eq(step & (t == period - 1)),
            self.x_address.eq(x),
            self.weights_address.eq(weights),
        ]
        finishing = last & (left <= rows)
        m.d.comb += front.accept.eq(front.available & (~busy | finishing))
        in_tile = Mux(left <= rows, left, rows)
        starting = step & (t == 0) & now.stream
        m.d.sync += credit.eq(credit + self.output_popped - Mux(starting, in_tile, 0))

        word_shift = (config.word_bytes - 1).bit_length()
        with m.If(step):
            m.d.sync += t.eq(Mux(last, 0, t + 1))
        with m.If(self.beat):
            m.d.sync += [x.eq(Mux(last, now.x[word_shift:], x + 1)), weights.eq(weights + 1)]
        with m.If(last):
            m.d.sync += [
                left.eq(left - rows),
                now.bias.eq(now.bias + rows),
                now.dst.eq(now.dst + rows),
                busy.eq(left > rows),
            ]
        with m.If(front.accept & (head.opcode == Opcode.MATVEC)):
            wide = head.beats > rows
            m.d.sync += [
                now.eq(head),
                busy.eq(1),
                t.eq(0),
                period.eq(Mux(wide, head.beats, rows)),
                skip.eq(Mux(wide, 0, rows - head.beats)),
                left.eq(head.rows),
                x.eq(head.x[word_shift:]),
                weights.eq(head.weights),
            ]
        self._queue_tag(m, tags, now, last, rows=in_tile, final=finishing)
        return self.beat & (t == skip), last

    def _queue_tag(self, m: Module, tags: SyncFIFO, now, last, **fields):
        """What the drain has to know of the tile whose last beat is issued."""
        tag = Signal(self._tag, name="tag_in")
        names = ("signal", "stream", "bias", "dst", "mantissa", "shift", "z_out")
        m.d.comb += [
            *(tag[name].eq(now[name]) for name in names),
            *(tag[name].eq(value) for name, value in fields.items()),
            tags.w_en.eq(last),
            tags.w_data.eq(tag.as_value()),
        ]

    def _array(self, m: Module, first, last) -> MacArray:
        """Operands: 1 cycle of memory, 1 of register; then the array."""
        config = self._config
        m.submodules.array = array = MacArray(rows=config.rows, columns=config.columns)
        i = array.i
        m.d.sync += [
            i.payload.x.as_value().eq(self.x_data),
            i.payload.w.as_value().eq(self.weights_data),
            i.payload.first.eq(delayed(m, first, MEMORY_READ, "first")),
            i.payload.last.eq(delayed(m, last, MEMORY_READ, "last")),
            i.valid.eq(delayed(m, self.beat, MEMORY_READ, "beat")),
        ]
        m.d.comb += array.o.ready.eq(1)
        return array

    def _drain(self, m: Module, array: MacArray, tags: SyncFIFO):
        """A tile's accumulators, one a cycle, + bias, to memory or stream; the last row's cycle."""
        config = self._config
        load = array.o.valid
        tag_in = Signal(self._tag)
        tag = Signal(self._tag)
        rows = Signal(ArrayLayout(signed(ACCUMULATOR_BITS), config.rows))
        left = Signal(range(config.rows + 1))
        bias_next = Signal.like(self.bias_address)
        m.d.comb += [
            tag_in.as_value().eq(tags.r_data),
            tags.r_en.eq(load),
            self.bias_address.eq(Mux(load, tag_in.bias, bias_next)),
        ]
        m.d.sync += bias_next.eq(self.bias_address + 1)
        # Cycle 1: the tile is copied; afterwards it shifts by a row a cycle.
        with m.If(load):
            m.d.sync += [rows.eq(array.o.payload), tag.eq(tag_in), left.eq(tag_in.rows)]
        with m.Elif(left != 0):
            m.d.sync += [
                rows.as_value().eq(rows.as_value()[ACCUMULATOR_BITS:]),
                left.eq(left - 1),
                tag.dst.eq(tag.dst + 1),
            ]
        # Cycle 2: + bias. Export proves that no accumulator leaves its 32 bits.
        biased = Signal(signed(ACCUMULATOR_BITS))
        valid, final = Signal(), Signal()
        held = Signal(self._tag)
        m.d.sync += [
            biased.eq(rows[0] + self.bias_data),
            valid.eq(left != 0),
            final.eq(tag.final & (left == 1)),
            held.eq(tag),
        ]
        m.d.comb += [
            self.output.payload.eq(biased),
            self.output.valid.eq(valid & held.stream),
            self.output_last.eq(final),
        ]
        return self._write(m, biased, valid, final, held)

    def _write(self, m: Module, biased, valid, final, held):
        """Cycles 3-7: requantize; then the write, and the token of an instruction's last row."""
        m.submodules.requantizer = requantizer = Requantizer(
            multiplier_width=self._config.multiplier_width
        )
        constants = {name: held[name] for name in ("mantissa", "shift")}
        m.d.comb += [
            requantizer.o.ready.eq(1),
            requantizer.i.valid.eq(valid & ~held.stream),
            requantizer.i.payload.acc.eq(biased),
            requantizer.i.payload.zero_point.eq(held.z_out),
            *(requantizer.i.payload[name].eq(value) for name, value in constants.items()),
        ]
        latency = Requantizer.LATENCY
        # Of streamed rows, too: instructions end in order, and never two in one cycle.
        end = delayed(m, Cat(final & valid, held.signal), latency, "end")
        m.d.comb += [
            self.result_enable.eq(requantizer.o.valid),
            self.result_data.eq(requantizer.o.payload),
            self.result_address.eq(delayed(m, held.dst, latency, "dst")),
            self.token_out.eq(end.all()),
        ]
        return end[0]
