"""Models with something changed."""

from dataclasses import replace

from golden.model import IntModel
from golden.operations import Output


def variant(model: IntModel, output: str | None = None, **fields) -> IntModel:
    """A model of one scan, with other tensors or metadata, operations or states, or output."""
    (scan,) = model.scans
    own = {name: fields.pop(name) for name in ("operations", "states", "reverse") if name in fields}
    outputs = model.outputs if output is None else (Output(output, model.output_scale),)
    return replace(model, scans=(replace(scan, **own),), outputs=outputs, **fields)


def with_operations(model: IntModel, **changes: dict) -> IntModel:
    """A model with other fields in the operations of these outputs."""
    scans = []
    for scan in model.scans:
        operations = tuple(replace(op, **changes.get(op.output, {})) for op in scan.operations)
        scans.append(replace(scan, operations=operations))
    return replace(model, scans=tuple(scans))


def operation_named(header: dict, output: str) -> dict:
    """The operation of a model file's header that writes `output`."""
    operations = [op for scan in header["scans"] for op in scan["operations"]]
    return next(op for op in operations if op["output"] == output)
