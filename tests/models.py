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
