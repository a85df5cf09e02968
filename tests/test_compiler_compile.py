"""irnn_hw.compiler: every model of the zoo on every configuration, and what it refuses."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from models import variant
from test_golden_machine import stalled

from golden.errors import InputError
from golden.executor import Executor
from golden.fixed import FixedPoint
from golden.isa import Bank, Opcode
from golden.machine import Host, Machine
from golden.model import IntModel
from golden.npu_config import CONFIGS
from golden.operations import Add, Embedding, LookUp, MatVec, Multiply, Slice, State, Tensor
from golden.program import Program
from golden.zoo import lstm
from irnn_hw.compiler import compile_model

TOKENS = [3, 1, 4, 1, 5, 0]
TINY, BASE = CONFIGS["tiny"], CONFIGS["base"]
MODEL = lstm(2, 7, 6, 5, 4)
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))


def logits_of(program: Program, host: Host) -> np.ndarray:
    trace = Machine(program, len(TOKENS), host).run()
    return trace.output.data.reshape(len(TOKENS), -1)


@configs
@pytest.mark.parametrize(
    ("embedding", "hidden", "symbols", "pieces"),
    [(12, 10, 7, 16), (20, 36, 6, 2), (12, 50, 33, 5), (1, 1, 6, 1), (16, 64, 8, 16)],
)
def test_the_machine_equals_the_executor(config, embedding, hidden, symbols, pieces):
    """Sizes that fill no word, no tile and no lane group among them."""
    model = lstm(hidden, symbols, embedding, hidden, pieces)
    program = compile_model(model, config)
    golden = Executor(model).run([TOKENS])["logits"][0]
    assert np.array_equal(logits_of(program, Host(TOKENS)), golden)
    cycles = Machine(program, len(TOKENS), Host(TOKENS)).run().cycles
    for seed in range(3):
        host = replace(stalled(seed, len(TOKENS), symbols, cycles), symbols=TOKENS)
        assert np.array_equal(logits_of(program, host), golden)


@configs
def test_two_compilations_give_the_same_bytes(config):
    program = compile_model(MODEL, config)
    assert compile_model(lstm(2, 7, 6, 5, 4), config).to_bytes() == program.to_bytes()
    assert Program.from_bytes(program.to_bytes()).to_bytes() == program.to_bytes()


def test_equal_tables_are_held_once():
    first = next(op for op in MODEL.operations if op.output == "i")
    constants = {name: getattr(first, name) for name in ("knots", "slopes", "intercepts", "shift")}
    shared = variant(
        MODEL,
        operations=tuple(
            replace(op, **constants) if op.output in ("f", "o") else op for op in MODEL.operations
        ),
    )
    assert len(compile_model(MODEL, TINY).knots) == 5
    program = compile_model(shared, TINY)
    assert len(program.knots) == 3
    golden = Executor(shared).run([TOKENS])["logits"][0]
    assert np.array_equal(logits_of(program, Host(TOKENS)), golden)


def test_products_are_cut_into_blocks_that_overlap_the_tail():
    """Hidden 64 on `base`: two blocks; the next product runs while the last block is finished."""
    program = compile_model(lstm(1, 8, 8, 64), BASE)
    blocks = [i for i, label in zip(program.instructions, program.labels, strict=True)
              if label == "i.pre"]  # fmt: skip
    assert len(blocks) == 2
    assert sum(i["beats"] for i in blocks) * BASE.lanes == 64
    assert len(compile_model(lstm(1, 8, 8, 20), BASE).instructions) < len(program.instructions)


def test_buffers_do_not_meet():
    program = compile_model(lstm(1, 9, 12, 36), BASE)
    aliases = {"h.next", "c.next"}
    for bank in (Bank.ACTIVATION, Bank.RESULT):
        spans = sorted(
            (b.address, b.address + b.length)
            for name, b in program.buffers.items()
            if b.bank == bank and name not in aliases | {"px", "ph"}
        )
        assert all(a[1] <= b[0] for a, b in pairwise(spans))
        assert all(start % BASE.word_bytes == 0 for start, _ in spans)
    for state in "hc":
        assert program.buffers[f"{state}.next"] == program.buffers[state]


def refused(message: str):
    return pytest.raises(InputError, match=message)


@pytest.mark.parametrize(
    ("model", "sizes", "message"),
    [
        (lstm(1, 7, 300, 300), {}, r"^activation memory: \d+ bytes needed, configuration c holds"),
        (lstm(1, 7, 4, 40), {"result_bytes": 256}, "^result memory: 320 bytes needed, .* choose a"),
        (
            lstm(1, 7, 4, 40),
            {"weight_words": 512},
            r"^weights: \d+ needed, configuration c holds 5",
        ),
        (lstm(1, 7, 4, 40), {"bias_words": 256}, r"^bias: \d+ needed, configuration c holds 256; "),
        (lstm(1, 700, 8, 4), {}, r"^constants: 5600 needed, configuration c holds 4096; choose a"),
        (MODEL, {"program_words": 16}, "^program: 26 needed, configuration c holds 16; choose a"),
        (MODEL, {"tables": 4}, r"^c\.tanh: more than 4 PWL tables; choose a larger configuration"),
        (MODEL, {"pieces": 2}, "^i: 4 pieces, configuration c holds 2$"),
        (MODEL, {"multiplier_width": 8}, "^p[xh]: multiplier 40000 exceeds the 8 bits of the NPU$"),
        (MODEL, {"slope_bits": 17, "intercept_bits": 25}, "^i: PWL constants exceed the widths"),
    ],
)
def test_a_model_too_large_names_the_memory_and_the_remedy(model, sizes, message):
    with refused(message):
        compile_model(model, TINY.resized("c", **sizes))


def altered(output: str, *new, **fields) -> IntModel:
    """MODEL with one operation altered, or replaced by others."""
    operations = []
    for op in MODEL.operations:
        operations += ([replace(op, **fields)] if fields else new) if op.output == output else [op]
    return variant(MODEL, operations=tuple(operations))


def with_tensors(model: IntModel, *tensors: Tensor, **fields) -> IntModel:
    return variant(model, tensors={**model.tensors, **{t.name: t for t in tensors}}, **fields)


def appended(*operations, tensors=(), **fields) -> IntModel:
    return with_tensors(MODEL, *tensors, operations=(*MODEL.operations, *operations), **fields)


def z(name: str) -> int:
    return MODEL.tensors[name].zero_point


EMBEDDING = next(op for op in MODEL.operations if isinstance(op, Embedding))
ONE = FixedPoint(1, 0)


def product(output: str, source: str, rows: int, multiplier=ONE) -> MatVec:
    weights = np.ones((rows, MODEL.tensors[source].length), np.int8)
    return MatVec(output, (source,), weights, np.zeros(rows, np.int32), multiplier)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: altered("i", LookUp("i", ("i.pre",), np.arange(256, dtype=np.uint8))),
         "^i: the NPU has no look-up unit; export PWL activations$"),
        (lambda: altered("c.next", Add("c.next", ("fc", "ij", "fc"), (1, 2, 3), 4)),
         "^c.next: 3 terms; the NPU adds two, chain the additions$"),
        (lambda: altered("c.next", Add("c.next", ("fc",), (1,), 0)) and appended(
            Add("one", ("fc",), (1,), 0), tensors=[Tensor("one", 5)]), "^one: 1 terms; the NPU"),
        (lambda: appended(Add("wide", ("fc", "ij"), (1, 1), 0), tensors=[Tensor("wide", 5, 16)]),
         "^wide: 16 bits; the NPU holds 8-bit codes, export the model so$"),
        (lambda: appended(Embedding("x2", EMBEDDING.table), tensors=[Tensor("x2", 6)]),
         "^model: 2 embeddings; the NPU takes its input as one symbol a step$"),
        (lambda: appended(product("more", "h.next", 3, None), tensors=[Tensor("more", 3, 32)]),
         "^more: 32 bits; only the model's output leaves as accumulators$"),
        (lambda: variant(MODEL, output="h.next"), "^logits: 32 bits; only the model's output"),
        (lambda: altered("logits", product("logits", "px.i", 7, None)),
         "^logits: reads the product px.i directly; the NPU needs an element-wise operation"),
        (lambda: appended(product("p", "h.next", 5),
                          replace(product("q", "h.next", 5), inputs=("p",)),
                          tensors=[Tensor("p", 5), Tensor("q", 5)]),
         "^q: reads the product p directly"),
        (lambda: appended(Slice("s", ("fc",), 1), tensors=[Tensor("s", 2, 8, z("fc"))]),
         "^s: a slice of fc; the NPU slices products only$"),
        (lambda: appended(Add("whole", ("px", "ph"), (1, 1), 0), tensors=[Tensor("whole", 20)]),
         "^whole: reads px whole, which is also read in slices$"),
        (lambda: appended(product("s.next", "h", 5),
                          tensors=[Tensor("s.next", 5), Tensor("s", 5)],
                          states=(*MODEL.states, State("s", "s.next"))),
         "^s: its source s.next is no element-wise result, the only kind that the NPU keeps$"),
        (lambda: with_tensors(MODEL, Tensor("h2", 5, 8, z("h")),
                              states=(*MODEL.states, State("h2", "h"))),
         "^h2: its source h is no element-wise result"),
        (lambda: with_tensors(MODEL, Tensor("h2", 5, 8, z("h")),
                              states=(*MODEL.states, State("h2", "h.next"))),
         "^h2: h has the source h.next too$"),
        (lambda: appended(Add("late", ("c", "fc"), (1, 1), 0), tensors=[Tensor("late", 5)]),
         "^late: reads the state c after c.next has replaced it; the NPU keeps one of the two$"),
    ],
)  # fmt: skip
def test_what_the_npu_cannot_run_is_refused_by_name(build, message):
    with refused(message):
        compile_model(build(), TINY)


def test_a_model_without_symbols_is_refused():
    kept = ("h.next", "c.next", "fc", "ij", "logits")
    tensors = {n: MODEL.tensors[n] for n in ("h", "c", *kept)}
    operations = (
        Multiply("fc", ("h", "c"), ONE),
        Multiply("ij", ("c", "h"), ONE),
        Add("c.next", ("fc", "ij"), (1, 1), 0),
        Add("h.next", ("fc", "ij"), (1, 1), 0),
        product("logits", "h.next", 7, None),
    )
    model = variant(MODEL, tensors=tensors, operations=operations)
    with refused(r"^model: 0 embeddings; the NPU takes its input as one symbol a step$"):
        compile_model(model, TINY)


def test_fields_too_narrow_for_the_model():
    """4,096 beats do not fit the field of 12 bits, whatever the memories hold."""
    config = TINY.resized("c", activation_bytes=65536, result_bytes=65536, weight_words=1 << 20)
    model = replace(lstm(1, 7, 1, 2, 1))
    table = np.zeros((7, 4096), np.uint8)
    tensors = {**model.tensors, "x": replace(model.tensors["x"], length=4096)}
    operations = tuple(
        replace(op, table=table) if op.output == "x"
        else replace(op, weights=np.ones((8, 4096), np.int8)) if op.output == "px" else op
        for op in model.operations
    )  # fmt: skip
    model = variant(model, tensors=tensors, operations=operations)
    config = config.resized("c", constant_bytes=1 << 16)
    with refused(r"^x: EMBED: beats = 4096 is not in 0\.\.4095; the model is too large$"):
        compile_model(model, config)


def test_counters_too_small_are_the_configurations_fault():
    with refused(r"^configuration c: vector: \d+ tokens at once, token_bits is 1; give it more$"):
        compile_model(lstm(1, 8, 8, 30), TINY.resized("c", token_bits=1))


def test_states_start_at_their_zero_points():
    program = compile_model(MODEL, TINY)
    fills = [i for i in program.instructions if i.opcode == Opcode.FILL]
    assert [i["z_out"] for i in fills] == [z("h"), z("c")]
