"""A network with its activations replaced by those of a sweep's point, judged on held-out text."""

from dataclasses import replace
from typing import Any

import numpy as np

from golden.activation import PwlSpec
from golden.errors import InputError
from golden.model import IntModel
from golden.operations import LookUp, Operation, Pwl
from irnn_hw.data.corpus import Corpus
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS
from irnn_hw.quant.quantizer import table_of

Widths = tuple[str, int, int]  # function, bits in, bits out


def activations(model: IntModel) -> set[Widths]:
    """What functions the network takes, and at which widths.

    Raises InputError where its metadata does not say so, or it has none.
    """
    found = {
        (_function(model, op), model.tensors[op.inputs[0]].bits, model.tensors[op.output].bits)
        for op in model.operations
        if isinstance(op, Pwl | LookUp)
    }
    if not found:
        raise InputError("model: it has no activations to replace; give another, or no --model")
    return found


def check_corpus(model: IntModel, corpus: Corpus) -> None:
    """Raises InputError unless the text is in the model's characters."""
    if model.metadata.get("vocabulary") != corpus.vocabulary:
        raise InputError(
            f"corpus: {corpus.name} has other characters than the model's vocabulary; give the "
            "corpus that the model was trained on"
        )


def replaced(model: IntModel, pieces: int, knots: str) -> IntModel:
    """The model with a PWL of at most so many pieces, 0: a look-up table, for each activation."""
    scans = tuple(
        replace(
            scan, operations=tuple(_replaced(model, op, pieces, knots) for op in scan.operations)
        )
        for scan in model.scans
    )
    return replace(model, scans=scans)


def bits_per_character(data: bytes, corpus: Corpus, pieces: int, knots: str) -> dict[str, Any]:
    """Of the model file `data` with its activations replaced, on the corpus' held-out text."""
    from irnn_hw import steps

    figures = steps.evaluate(replaced(IntModel.from_bytes(data), pieces, knots), corpus)
    return {
        "pieces": pieces or None,
        "knots": knots or None,
        "bits_per_char": figures["bits_per_char_int"],
        "perplexity": perplexity(figures["bits_per_char_int"]),
        "characters": figures["characters"],
    }


def perplexity(bits_per_char: float) -> float:
    """exp of the nats of a symbol."""
    return round(float(2**bits_per_char), 4)


def _replaced(model: IntModel, op: Operation, pieces: int, knots: str) -> Operation:
    if not isinstance(op, Pwl | LookUp):
        return op
    x, y = _params(model, op.inputs[0]), _params(model, op.output)
    spec = table_of(_function(model, op), x, y, pieces or None, knots)
    if isinstance(spec, PwlSpec):
        return Pwl(op.output, op.inputs, spec.knots, spec.slopes, spec.intercepts, spec.shift)
    return LookUp(op.output, op.inputs, np.array(spec.table, f"u{spec.out_bits // 8}"))


def _function(model: IntModel, op: Pwl | LookUp) -> str:
    functions = model.metadata.get("functions")
    function = functions.get(op.output) if isinstance(functions, dict) else None
    if function not in FUNCTIONS:
        raise InputError(
            f"model: metadata does not say what function {op.output} is; write it again with "
            "`irnn export`"
        )
    return str(function)


def _params(model: IntModel, name: str) -> QuantParams:
    try:
        mantissa, shift = model.metadata["scales"][name]
        scale = mantissa * 2.0**-shift
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"model: metadata has no scale of {name} ({error!r}); write it again with `irnn export`"
        ) from error
    tensor = model.tensors[name]
    return QuantParams(scale, tensor.zero_point, tensor.bits)
