"""The nodes of a network in real numbers as lines of a tape, and their constants."""

from collections.abc import Mapping, Sequence

from irnn_hw.engine.tape import TERMS, Code, Float32, Line, Tape
from irnn_hw.quant.compound import LayerNorm, MadNorm
from irnn_hw.quant.nodes import (
    Activation,
    Add,
    Affine,
    Concatenate,
    Dropout,
    Minimum,
    Multiply,
    Node,
    OneMinus,
    Product,
    Slice,
)

CODES: Mapping[type[Node], Code] = {
    Product: Code.REAL_PRODUCT,
    Add: Code.REAL_ADD,
    OneMinus: Code.REAL_ADD,
    Multiply: Code.REAL_MULTIPLY,
    Affine: Code.REAL_AFFINE,
    MadNorm: Code.REAL_MADNORM,
    LayerNorm: Code.REAL_LAYERNORM,
    Minimum: Code.MINIMUM,
    Concatenate: Code.CONCATENATE,
}
FUNCTIONS = {"sigmoid": Code.SIGMOID, "tanh": Code.TANH, "relu": Code.RELU, "exp": Code.EXP}


def real_lines(nodes: Sequence[Node], masks: Mapping[str, str] | None = None) -> list[Line] | None:
    """The nodes as lines; None where one is beyond the engine: attention, gelu, cos.

    masks: of dropouts, the tensor that says which values are kept; of others, they pass all.
    """
    found = [_line(node, masks or {}) for node in nodes]
    lines = [line for line in found if line is not None]
    return lines if len(lines) == len(found) else None


def _line(node: Node, masks: Mapping[str, str]) -> Line | None:
    writes = tuple(t.name for t in node.tensors)
    if isinstance(node, Dropout) and node.name in masks:
        return Line(Code.REAL_MASK, (*node.inputs, masks[node.name]), writes)
    if isinstance(node, Slice):
        return Line(None, node.inputs, writes, node.start)
    if isinstance(node, Dropout):
        return Line(None, node.inputs, writes, 0)
    code = CODES.get(type(node))
    if isinstance(node, Activation):
        code = FUNCTIONS.get(node.function)
    if code is None or len(node.inputs) > TERMS:
        return None
    return Line(code, node.inputs, writes)


def load_reals(
    tape: Tape, nodes: Sequence[Node], weights: Mapping[str, Mapping[str, Float32]]
) -> None:
    """Set the constants of every instruction. weights: arrays by node and field."""
    tape.forget()
    for node in nodes:
        if node.name not in tape.instructions:
            continue
        to, arrays = tape.instructions[node.name], weights.get(node.name, {})
        match node:
            case Product():
                tape.set_weights(to, arrays["weights"])
                to.values = tape.keep(arrays["bias"]) if "bias" in arrays else None
            case Affine():
                to.gamma, to.values = tape.keep(arrays["gamma"]), tape.keep(arrays["beta"])
            case Add():
                to.factor[: len(node.inputs)] = node.weighted
            case OneMinus():
                to.factor[0], to.constant = -1, 1
            case Multiply():
                to.factor[0] = node.factor
            case Dropout():
                to.factor[0] = 1 / (1 - node.rate)
            case LayerNorm():
                to.rows, to.constant = node.rows, node.epsilon
