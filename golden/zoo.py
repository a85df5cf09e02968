"""Integer models made from a seed: no training, every clamp and corner in reach."""

from collections.abc import Iterable

import numpy as np

from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.operations import Add, Embedding, MatVec, Multiply, Operation, Pwl, Slice, State, Tensor
from golden.stimulus import mixed, pwl_spec

GATES = "ifjo"


def lstm(seed: int, symbols: int, embedding: int, hidden: int, pieces: int = 16) -> IntModel:
    """A character LSTM with random constants; the same operations as a trained one.

    Multipliers keep the codes spread over their range, so that a wrong bit travels on.
    """
    rng = np.random.default_rng(seed)
    zero = {name: int(rng.integers(90, 166)) for name in _codes()}
    tensors = {name: Tensor(name, hidden, 8, zero[name]) for name in _codes()}
    tensors["x"] = Tensor("x", embedding, 8, zero["x"])
    for product in ("px", "ph"):
        tensors[product] = Tensor(product, 4 * hidden, 8, zero[product])
        for gate in GATES:
            name = f"{product}.{gate}"
            tensors[name] = Tensor(name, hidden, 8, zero[product])
    for state in "hc":
        tensors[f"{state}.next"] = Tensor(f"{state}.next", hidden, 8, zero[state])
    tensors["logits"] = Tensor("logits", symbols, 32)
    return IntModel.single(
        tensors=tensors,
        states=(State("h", "h.next"), State("c", "c.next")),
        operations=tuple(_operations(rng, symbols, embedding, hidden, pieces)),
        output="logits",
        output_scale=FixedPoint(1 << 15, 26),
        metadata={"task": "random", "seed": seed},
    )


def _codes() -> list[str]:
    gates = [f"{gate}{suffix}" for gate in GATES for suffix in ("", ".pre")]
    return ["x", "h", "c", "px", "ph", "fc", "ij", "c.tanh", *gates]


def _operations(
    rng: np.random.Generator, symbols: int, embedding: int, hidden: int, pieces: int
) -> Iterable[Operation]:
    yield Embedding("x", mixed(rng, 0, 255, symbols * embedding).reshape(symbols, -1).astype("u1"))
    for product, source, columns in (("px", "x", embedding), ("ph", "h", hidden)):
        # About sqrt(columns) * 64 * 40 / gain: a spread of some sixty codes.
        shift = 21 + columns.bit_length() // 2
        yield _product(rng, product, source, 4 * hidden, columns, FixedPoint(40000, shift))
        for n, gate in enumerate(GATES):
            yield Slice(f"{product}.{gate}", (product,), n * hidden)
    for gate in GATES:
        mantissas = (int(rng.integers(30000, 65536)), int(rng.integers(30000, 65536)))
        yield Add(f"{gate}.pre", (f"px.{gate}", f"ph.{gate}"), mantissas, 16)
    for gate in GATES:
        yield _pwl(rng, gate, f"{gate}.pre", pieces)
    for out, operands in (("fc", ("f", "c")), ("ij", ("i", "j"))):
        yield Multiply(out, operands, FixedPoint(int(rng.integers(1 << 15, 1 << 16)), 22))
    yield Add("c.next", ("fc", "ij"), (60000, -50000), 16)
    yield _pwl(rng, "c.tanh", "c.next", pieces)
    yield Multiply("h.next", ("o", "c.tanh"), FixedPoint(50000, 21))
    yield _product(rng, "logits", "h.next", symbols, hidden, None)


def _product(
    rng: np.random.Generator,
    out: str,
    source: str,
    rows: int,
    columns: int,
    multiplier: FixedPoint | None,
) -> MatVec:
    weights = mixed(rng, -127, 127, rows * columns).reshape(rows, columns).astype(np.int8)
    bias = mixed(rng, -20000, 20000, rows).astype(np.int32)
    return MatVec(out, (source,), weights, bias, multiplier)


def _pwl(rng: np.random.Generator, out: str, source: str, pieces: int) -> Pwl:
    spec = pwl_spec(int(rng.integers(1 << 30)), pieces)
    return Pwl(out, (source,), spec.knots, spec.slopes, spec.intercepts, spec.shift)
