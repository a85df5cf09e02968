"""What the NPU can run: models beyond it are refused, with the operation and the remedy."""

import numpy as np

from golden.errors import InputError
from golden.fixed import FixedPoints
from golden.model import IntModel
from golden.operations import (
    OPERATION_NAMES,
    Add,
    Embedding,
    LookUp,
    MatVec,
    Multiply,
    Pwl,
    Slice,
)

SUPPORTED = (Embedding, MatVec, Slice, Add, Multiply, Pwl)


def check_supported(model: IntModel) -> None:
    """Raise InputError for anything in the model that the NPU has no means for."""
    if len(model.scans) != 1 or model.scans[0].reverse or len(model.outputs) != 1:
        raise InputError(
            "model: several scans or outputs, or a reverse scan; the NPU takes one of each, forward"
        )
    embeddings = [op for op in model.operations if isinstance(op, Embedding)]
    if len(embeddings) != 1:
        raise InputError(
            f"model: {len(embeddings)} embeddings; the NPU takes its input as one symbol a step"
        )
    for name, tensor in model.tensors.items():
        if tensor.bits == 16:
            raise InputError(f"{name}: 16 bits; the NPU holds 8-bit codes, export the model so")
    for op in model.operations:
        if isinstance(op, LookUp):
            raise InputError(f"{op.output}: the NPU has no look-up unit; export PWL activations")
        if not isinstance(op, SUPPORTED):
            raise InputError(f"{op.output}: the NPU does not execute {OPERATION_NAMES[type(op)]}")
        if isinstance(op, MatVec) and not _plain(op):
            raise InputError(
                f"{op.output}: the NPU takes symmetric weights and one multiplier for all rows"
            )
        if isinstance(op, Add) and len(op.inputs) != 2:
            raise InputError(
                f"{op.output}: {len(op.inputs)} terms; the NPU adds two, chain the additions"
            )
        if model.tensors[op.output].bits == 32 and op.output != model.output:
            raise InputError(
                f"{op.output}: 32 bits; only the model's output leaves as accumulators"
            )
    if model.tensors[model.output].bits != 32:
        raise InputError(
            f"{model.output}: the output has 8 bits; the NPU streams 32-bit accumulators"
        )
    _check_products(model)
    _check_states(model)


def _plain(op: MatVec) -> bool:
    symmetric = op.weights.dtype == np.int8 and op.weight_zero_point == 0
    return symmetric and not isinstance(op.multiplier, FixedPoints)


def _check_products(model: IntModel) -> None:
    products = {op.output for op in model.operations if isinstance(op, MatVec)}
    views = {op.output: op.inputs[0] for op in model.operations if isinstance(op, Slice)}
    for name, source in views.items():
        if source not in products:
            raise InputError(f"{name}: a slice of {source}; the NPU slices products only")
    for op in model.operations:
        for name in op.inputs:
            if name in views.values() and not isinstance(op, Slice):
                raise InputError(f"{op.output}: reads {name} whole, which is also read in slices")
            if isinstance(op, MatVec) and (name in products or name in views):
                raise InputError(
                    f"{op.output}: reads the product {name} directly; the NPU needs an "
                    "element-wise operation between"
                )


def _check_states(model: IntModel) -> None:
    fed: dict[str, str] = {}
    element = {op.output for op in model.operations if not isinstance(op, MatVec | Slice)}
    for state in model.states:
        if state.source not in element:
            raise InputError(
                f"{state.name}: its source {state.source} is no element-wise result, "
                "the only kind that the NPU keeps"
            )
        if state.source in fed:
            raise InputError(f"{state.name}: {fed[state.source]} has the source {state.source} too")
        fed[state.source] = state.name
