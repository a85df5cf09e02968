"""Recurrent cells as nodes of a scan: equations 12-22, and those of Mogrifier, GRU and MadNorm.

Each function adds one cell and returns the tensor of its new hidden state. Weights are rows of
gates, one gate after another, in the order that each cell states. Tensors are named `name.part`, or
`part` where the name is empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from golden.errors import InputError
from irnn_hw.quant.compound import LayerNorm, MadNorm
from irnn_hw.quant.network import ScanNodes
from irnn_hw.quant.nodes import (
    Activation,
    Add,
    Affine,
    Concatenate,
    Minimum,
    Multiply,
    OneMinus,
    Product,
    Slice,
)
from irnn_hw.quant.params import Float64

LSTM_GATES = ("i", "f", "j", "o")
GRU_GATES = ("r", "z", "n")
SQRT_2_PI = float(np.sqrt(2 / np.pi))  # a Gaussian's mean absolute deviation over its standard one


@dataclass(frozen=True)
class Weights:
    """Of one product: weights (rows, columns), how they are kept, and an optional bias (rows,)."""

    matrix: Float64
    bias: Float64 | None = None
    weight_format: str = "int8"
    per_row: bool = False


@dataclass(frozen=True)
class Norm:
    """MadNorm's gamma and beta, (length,) each; rows: 1, or one of each gate. standard: LayerNorm
    in its place, by the standard deviation, in real numbers alone.

    `of_layer_norm` takes a LayerNorm's: of Gaussian values it is MadNorm times sqrt(2 / pi).
    """

    gamma: Float64 | None = None
    beta: Float64 | None = None
    rows: int = 1
    standard: bool = False

    @classmethod
    def of_layer_norm(cls, gamma: Float64, beta: Float64 | None = None, rows: int = 1) -> "Norm":
        return cls(gamma * SQRT_2_PI, beta, rows)


@dataclass(frozen=True)
class LstmOptions:
    """gate_bits, cell_bits: 8, or 16 where section 4.4 allows it (sums of gates; c and its terms).

    coupled: the input gate is 1 - f (CIFG), and the weights have the gates f, j, o. capped: it is
    min(1 - f, i) (Mogrifier). projection (P, H): h is its product. norms: of the products of the
    input and of h, and of c; bias: what is added after them (4H,).
    """

    gate_bits: int = 8
    cell_bits: int = 8
    coupled: bool = False
    capped: bool = False
    projection: Weights | None = None
    norms: tuple[Norm, Norm, Norm] | None = None
    bias: Float64 | None = None
    gates: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gates", LSTM_GATES[1:] if self.coupled else LSTM_GATES)
        if self.coupled and self.capped:
            raise InputError("capped: a coupled input gate is 1 - f already; choose one of the two")


def _in(name: str, part: str) -> str:
    return f"{name}.{part}" if name else part


def product(s: ScanNodes, name: str, x: str, w: Weights, bits: int = 8) -> str:
    """name = W x + b."""
    rows, columns = w.matrix.shape
    if columns != s.length(x, name):
        raise InputError(f"{name}: {columns} columns of weights for {s.lengths[x]} of {x}")
    return s.add(
        Product(
            name=name,
            inputs=(x,),
            length=rows,
            bits=bits,
            weights=w.matrix,
            bias=w.bias,
            weight_format=w.weight_format,
            per_row=w.per_row,
        )
    )


def _add(s: ScanNodes, name: str, inputs: Sequence[str], bits: int = 8) -> str:
    return s.add(Add(name=name, inputs=tuple(inputs), length=s.lengths[inputs[0]], bits=bits))


def _multiply(s: ScanNodes, name: str, a: str, b: str, bits: int = 8, factor: int = 1) -> str:
    length = s.lengths[a]
    return s.add(Multiply(name=name, inputs=(a, b), length=length, bits=bits, factor=factor))


def activation(s: ScanNodes, name: str, function: str, x: str) -> str:
    """name = function(x), of `irnn_hw.quant.pwl.FUNCTIONS`."""
    return s.add(Activation(name=name, inputs=(x,), length=s.length(x, name), function=function))


def _slices(s: ScanNodes, x: str, gates: Sequence[str]) -> dict[str, str]:
    """The part of each gate of x."""
    length = s.lengths[x] // len(gates)
    return {
        gate: s.add(Slice(name=f"{x}.{gate}", inputs=(x,), length=length, start=n * length))
        for n, gate in enumerate(gates)
    }


def norm(s: ScanNodes, name: str, x: str, n: Norm, bias: Float64 | None = None) -> str:
    """x normalized, then gamma and beta where given; bias is added to beta."""
    length, kind = s.lengths[x], LayerNorm if n.standard else MadNorm
    if n.gamma is None and n.beta is None and bias is None:
        return s.add(kind(name=name, inputs=(x,), length=length, rows=n.rows))
    plain = s.add(kind(name=_in(name, "y"), inputs=(x,), length=length, rows=n.rows))
    gamma = np.ones(length) if n.gamma is None else n.gamma
    beta = sum((b for b in (n.beta, bias) if b is not None), np.zeros(length))
    return s.add(Affine(name=name, inputs=(plain,), length=length, gamma=gamma, beta=beta))


def rnn(s: ScanNodes, name: str, x: str, w_x: Weights, w_h: Weights) -> str:
    """h = tanh(W_x x + W_h h)."""
    h = s.state(_in(name, "h"), _in(name, "h.next"), len(w_h.matrix))
    terms = product(s, _in(name, "px"), x, w_x), product(s, _in(name, "ph"), h, w_h)
    return activation(s, _in(name, "h.next"), "tanh", _add(s, _in(name, "pre"), terms))


def lstm(
    s: ScanNodes,
    name: str,
    sources: Sequence[tuple[str, Weights]],
    w_h: Weights,
    options: LstmOptions | None = None,
    h: str | None = None,
) -> str:
    """Eq. 12-14; Eq. 22 with a context as the second of the sources (tensor, weights). Gates i, f,
    j, o.

    h: what stands for the hidden state in the products (Mogrifier); else the state itself.
    """
    o = options or LstmOptions()
    hidden = w_h.matrix.shape[0] // len(o.gates)
    if h is None:
        h = hidden_state(s, name, hidden, o)
    c = s.state(_in(name, "c"), _in(name, "c.next"), hidden)
    terms = [
        product(s, _in(name, "px" if n == 0 else "ps" if n == 1 else f"ps{n}"), x, w)
        for n, (x, w) in enumerate(sources)
    ]
    terms.append(product(s, _in(name, "ph"), h, w_h))
    if o.norms is not None:
        if len(terms) != 2:
            raise InputError(
                f"{name}: norms are of one input and h; it has {len(terms) - 1} inputs"
            )
        terms = [
            norm(s, f"{term}.norm", term, n, bias)
            for term, n, bias in zip(terms, o.norms[:2], (o.bias, None), strict=True)
        ]
    gate = _gates(s, name, terms, o.gates, o.gate_bits)
    i = _input_gate(s, name, gate, o)
    fc = _multiply(s, _in(name, "fc"), gate["f"], c, o.cell_bits)
    ij = _multiply(s, _in(name, "ij"), i, gate["j"], o.cell_bits)
    c = _add(s, _in(name, "c.next"), (fc, ij), o.cell_bits)
    if o.norms is not None:
        c = norm(s, _in(name, "c.norm"), c, o.norms[2])
    tanh = activation(s, _in(name, "c.tanh"), "tanh", c)
    if o.projection is None:
        return _multiply(s, _in(name, "h.next"), gate["o"], tanh)
    wide = _multiply(s, _in(name, "m"), gate["o"], tanh)
    return product(s, _in(name, "h.next"), wide, o.projection)


def hidden_state(s: ScanNodes, name: str, hidden: int, options: LstmOptions) -> str:
    """The state h of an LSTM of that name."""
    p = options.projection
    return s.state(_in(name, "h"), _in(name, "h.next"), hidden if p is None else len(p.matrix))


def _gates(
    s: ScanNodes, name: str, terms: Sequence[str], gates: Sequence[str], bits: int
) -> dict[str, str]:
    """Activated gates of the sum of the terms: tanh of the candidate j, sigmoid of the others."""
    parts = [_slices(s, term, gates) for term in terms]
    sums = {g: _add(s, _in(name, f"{g}.pre"), [p[g] for p in parts], bits) for g in gates}
    functions = {g: "tanh" if g == "j" else "sigmoid" for g in gates}
    return {g: activation(s, _in(name, f"{g}"), functions[g], pre) for g, pre in sums.items()}


def _input_gate(s: ScanNodes, name: str, gate: dict[str, str], o: LstmOptions) -> str:
    if not (o.coupled or o.capped):
        return gate["i"]
    rest = s.add(OneMinus(name=_in(name, "1-f"), inputs=(gate["f"],), length=s.lengths[gate["f"]]))
    if o.coupled:
        return rest
    inputs = (rest, gate["i"])
    return s.add(Minimum(name=_in(name, "i.capped"), inputs=inputs, length=s.lengths[rest]))


def gru(s: ScanNodes, name: str, x: str, w_x: Weights, w_h: Weights) -> str:
    """Gates r, z, n: n = tanh(W_xn x + r (W_hn h)), h = (1 - z) n + z h."""
    hidden = len(w_h.matrix) // 3
    h = s.state(_in(name, "h"), _in(name, "h.next"), hidden)
    of_x = _slices(s, product(s, _in(name, "px"), x, w_x), GRU_GATES)
    of_h = _slices(s, product(s, _in(name, "ph"), h, w_h), GRU_GATES)
    r, z = (
        activation(
            s, _in(name, f"{g}"), "sigmoid", _add(s, _in(name, f"{g}.pre"), (of_x[g], of_h[g]))
        )
        for g in "rz"
    )
    reset = _multiply(s, _in(name, "rn"), r, of_h["n"])
    n = activation(s, _in(name, "n"), "tanh", _add(s, _in(name, "n.pre"), (of_x["n"], reset)))
    rest = s.add(OneMinus(name=_in(name, "1-z"), inputs=(z,), length=hidden))
    new, old = _multiply(s, _in(name, "new"), rest, n), _multiply(s, _in(name, "old"), z, h)
    return _add(s, _in(name, "h.next"), (new, old))


def mogrify(
    s: ScanNodes, name: str, x: str, h: str, rounds: Sequence[Sequence[Weights]]
) -> tuple[str, str]:
    """x and h after rounds of x = 2 sigmoid(Q h) x and h = 2 sigmoid(R x) h in turn (Melis et al.,
    2020). A round: its matrix, or two of them, the left and the right factor of low rank."""
    values = [x, h]
    for n, factors in enumerate(rounds):
        target, gate = n % 2, values[1 - n % 2]
        for m, w in enumerate(reversed(factors)):
            gate = product(s, _in(name, f"q{n}.{m}"), gate, w)
        gate = activation(s, _in(name, f"q{n}"), "sigmoid", gate)
        values[target] = _multiply(
            s, _in(name, f"{'xh'[target]}{n}"), gate, values[target], factor=2
        )
    return values[0], values[1]


def residual(s: ScanNodes, name: str, x: str, y: str) -> str:
    """x + y, 8 bits (appendix A.1)."""
    return _add(s, name, (x, y))


def concatenate(s: ScanNodes, name: str, *parts: str) -> str:
    """The parts one after another; they share their parameters."""
    length = sum(s.lengths[p] for p in parts)
    return s.add(Concatenate(name=name, inputs=parts, length=length))
