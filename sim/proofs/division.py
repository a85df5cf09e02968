"""Division by restoring steps: stage after stage, the quotient so far and its remainder.

With q the quotient bits made of the high end of t, and r the remainder::

    q d + r = t >> (bits to come)  and  r < d

holds at every stage, so the last one has ``t // d`` and ``t % d``. q d is Horner's sum of the
digits times d: no multiplier stands beside the divider. What a quotient of `bits` cannot hold
(`big`) shows in the first digits, and saturates.
"""

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from rtl.divider import IterativeDivider, PipelinedDivider
from rtl.pipeline import delayed
from rtl.rounder import SHIFT_BITS
from sim.proof import Proof, Property
from sim.proofs.faults import mutations

Task = Mapping[str, Value]  # t, d, negative, big


class Division(Property):
    """What both dividers have in common: ports, the task, and what holds at a stage.

    Inputs: valid, n, shift, d, of one division. Output: quotient.
    """

    def __init__(self, n_bits: int, d_bits: int, bits: int, step: int, probes: Mapping[str, int]):
        self._bits, self._step, self._stages = bits, step, bits // step + 1
        self._sizes = {"n_bits": n_bits, "d_bits": d_bits, "bits": bits, "step": step}
        super().__init__(
            {
                "valid": In(1),
                "n": In(signed(n_bits)),
                "shift": In(SHIFT_BITS),
                "d": In(d_bits),
                "quotient": Out(signed(bits + 1)),
                **{name: In(width) for name, width in probes.items()},
            }
        )

    def connect(self, m: Module, unit) -> None:
        m.submodules.unit = unit
        m.d.comb += [
            *(unit.i.payload[name].eq(getattr(self, name)) for name in ("n", "shift", "d")),
            unit.i.valid.eq(self.valid),
            self.quotient.eq(unit.o.payload),
            self.seen.eq(unit.o.valid & (self.quotient < 0)),
        ]

    def task(self, m: Module) -> Task:
        """What is to be divided by its definition: t, its low bits where it is not big."""
        d_bits = len(self.d)
        magnitude, divisor = Signal(len(self.n)), Signal(d_bits, name="divisor")
        whole = Signal(max(len(self.n), d_bits) + 2)
        t, big = Signal(self._bits + d_bits, name="t"), Signal(name="big")
        m.d.comb += [
            magnitude.eq(Mux(self.n < 0, -self.n, self.n)),
            divisor.eq(Mux(self.d == 0, 1, self.d)),
            whole.eq((((magnitude << 1) >> self.shift) + divisor) >> 1),
            big.eq(whole >= divisor << self._bits),
            t.eq(whole),
        ]
        return {"t": t, "d": divisor, "negative": self.n < 0, "big": big}

    def product(self, before: Value, rest: Value, d: Value) -> Value:
        """Horner's sum, with the digits of the last step."""
        total = Signal(self._bits + len(d))
        return total, total.eq((before << self._step) + rest[: self._step] * d)

    def begins(self, t: Value, task: Task) -> Value:
        """Whether t is what is to be divided: exactly, or big, too."""
        return (task["big"] | (t == task["t"])) & (task["big"] == (t >= task["d"] << self._bits))

    def holds(self, stage: int, remainder: Value, rest: Value, task: Task, product: Value) -> Value:
        """What is true at a stage: 0 before the first step."""
        if stage == 0:
            return self.begins(Cat(rest, remainder), task)
        t, d, big = task["t"], task["d"], task["big"]
        made, count = stage * self._step, self._stages * self._step
        exact = (
            (rest[made:] == t[: count - made])
            & (product + remainder == t >> (count - made))
            & (remainder < d)
        )
        # The digits that a quotient of `bits` does not have come first.
        return (rest[made - self._step : made].any() == big) & (big | exact)

    def result(self, digits: Value, task: Task, product: Value) -> Value:
        """Whether the quotient is t // d, or the largest there is, with the sign of n."""
        t, d, big = task["t"], task["d"], task["big"]
        magnitude = Mux(big, (1 << self._bits) - 1, digits)
        exact = (product <= t) & (t < product + d)
        return (self.quotient == Mux(task["negative"], -magnitude, magnitude)) & (big | exact)


def later(m: Module, task: Task, cycles: int, name: str) -> Task:
    return {key: delayed(m, value, cycles, f"{key}_{name}") for key, value in task.items()}


class Pipelined(Division):
    """All stages of a PipelinedDivider at once; it never waits (`pipeline` proves that it may).

    Probes: valids, from the input on; t; remainders and rests: stage after stage, low bits first.
    """

    def __init__(self, n_bits: int, d_bits: int, bits: int, step: int):
        stages = bits // step + 2
        probes = {"remainders": d_bits * stages, "rests": (stages - 1) * step * stages}
        probes |= {"valids": PipelinedDivider.PREPARE + stages + 2, "t": bits + d_bits + 1}
        super().__init__(n_bits, d_bits, bits, step, probes)

    def elaborate(self, platform):
        m = Module()
        unit = PipelinedDivider(**self._sizes)
        self.connect(m, unit)
        task = later(m, self.task(m), unit.PREPARE, "task")
        ok, before = ~self.valids[unit.PREPARE] | self.begins(self.t, task), Const(0, 1)
        task, begun = later(m, task, 1, "begun"), unit.PREPARE + 1
        for n in range(self._stages + 1):
            remainder = self.remainders.word_select(n, len(self.d))
            rest = self.rests.word_select(n, self._stages * self._step)
            product = Const(0, 1)
            if n:
                product, is_sum = self.product(before, rest, task["d"])
                m.d.comb += is_sum
            ok &= ~self.valids[begun + n] | self.holds(n, remainder, rest, task, product)
            task = later(m, task, 1, f"{n}")
            before = delayed(m, product, 1, f"product_{n}")
        digits = delayed(m, rest[: self._bits], 1, "digits")
        result = self.result(digits, task, before)
        m.d.comb += [unit.o.ready.eq(1), self.ok.eq(ok & (~unit.o.valid | result))]
        return m


class Iterative(Division):
    """The registers of an IterativeDivider by the age of its division, from a source to a sink
    that do as they like: which is taken when, how long it takes, and what comes out.

    Probes: preparing, left, t, remainder, rest, divisor, negative.
    """

    def __init__(self, n_bits: int, d_bits: int, bits: int, step: int):
        stages = bits // step + 1
        probes = {"preparing": IterativeDivider.PREPARE, "left": (stages).bit_length()}
        probes |= {"remainder": d_bits, "rest": stages * step, "divisor": d_bits, "negative": 1}
        probes |= {"t": bits + d_bits + 1}
        super().__init__(n_bits, d_bits, bits, step, {"ready": 1, **probes})

    def elaborate(self, platform):
        m = Module()
        unit = IterativeDivider(**self._sizes)
        self.connect(m, unit)
        m.d.comb += unit.o.ready.eq(self.ready)
        begun, latency = unit.PREPARE + 1, unit.LATENCY
        age = Signal(range(latency + 1))  # cycles since it was taken; 0: there is none
        takes = self.valid & unit.i.ready
        with m.If(takes):
            m.d.sync += age.eq(1)
        with m.Elif(unit.o.valid):
            m.d.sync += age.eq(Mux(self.ready, 0, age))
        with m.Elif(age != 0):
            m.d.sync += age.eq(age + 1)

        task = {}
        for name, value in self.task(m).items():
            task[name] = Signal.like(value, name=f"{name}_task")
            with m.If(takes):
                m.d.sync += task[name].eq(value)
        before, made = Signal(len(task["t"])), Signal(len(task["t"]))
        product, is_sum = self.product(before, self.rest, task["d"])
        m.d.comb += [is_sum, made.eq(Mux(age > begun, product, 0))]
        with m.If(age != latency):
            m.d.sync += before.eq(made)

        same = (self.divisor == task["d"]) & (self.negative == task["negative"])
        ok = (age <= latency) & ((age < unit.PREPARE) | same)
        ok &= (age != unit.PREPARE) | self.begins(self.t, task)
        for n in range(self._stages + 1):
            held = self.holds(n, self.remainder, self.rest, task, made)
            ok &= (age != begun + n) | held
        stepping = (age >= begun) & (age < latency)
        result = self.result(self.rest[: self._bits], task, made)
        m.d.comb += self.ok.eq(
            ok
            & (unit.o.valid == (age == latency))
            & (unit.i.ready == ((age == 0) | (unit.o.valid & self.ready)))
            & (self.preparing == Mux(age < begun, (1 << age) >> 1, 0))
            & (self.left == Mux(stepping, latency - age, 0))
            & (~unit.o.valid | result)
        )
        return m


def _proof(kind: type[Division], n_bits: int, d_bits: int, step: int, *faults: str, **how) -> Proof:
    bits = 8
    return Proof(
        name=f"divider-{kind.__name__.lower()}-{n_bits}-{d_bits}-{step}",
        claim="each stage: q d + r = t so far, r < d; the result: t // d, saturated, with its sign",
        inputs=f"every {n_bits}-bit n, shift and {d_bits}-bit d; {step} quotient bits at once",
        build=lambda: kind(n_bits, d_bits, bits, step),
        faults=mutations(*faults),
        cycles=bits // step + 6,
        induction=2,
        **how,
    )


def _pipelined(n_bits: int, d_bits: int, step: int, **how) -> Proof:
    stages = range(8 // step + 1, -1, -1)
    probes = {
        f"{name}s": ",".join(f"unit.stages.{name}_{n}" for n in stages)
        for name in ("remainder", "rest")
    }
    probes |= {"valids": "unit.stages.valid", "t": "unit.stages.t"}
    faults = (
        "quotient bit 0 though the divisor fits exactly",
        "half of the divisor not added",
        "dividend saturated a bit early",
    )
    return _proof(Pipelined, n_bits, d_bits, step, *faults, probes=probes, **how)


def _iterative(n_bits: int, d_bits: int, step: int, **how) -> Proof:
    probes = {name: f"unit.{name}" for name in ("preparing", "left", "remainder", "rest")}
    probes |= {"divisor": "unit.prepare.divisor_1", "negative": "unit.prepare.negative_2"}
    probes |= {"t": "unit.prepare.t"}
    faults = "divisor not held", "a cycle too many from one division to the next"
    return _proof(Iterative, n_bits, d_bits, step, *faults, probes=probes, **how)


DIVISION_PROOFS = (
    _pipelined(25, 8, 1),
    _pipelined(25, 8, 2, slow=True),
    _pipelined(25, 8, 4, slow=True),
    _pipelined(48, 24, 1, slow=True),
    _pipelined(48, 24, 2, slow=True),
    _iterative(25, 8, 1),
    _iterative(25, 8, 2, slow=True),
)
