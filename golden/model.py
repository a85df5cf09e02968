"""IntModel: a recurrent network as typed integer operations on named tensors, scan after scan.

A scan walks once along a sequence: one time step executes its operations in order. A state is a
tensor that holds, through a step, what its source held at the end of the step before (its zero
point at first). A language model is one scan; a bidirectional layer is two; attention reads what
the scans of another sequence wrote.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from golden import container
from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.header import at, items, shown
from golden.model_check import check
from golden.model_file import (
    KEYS,
    Writer,
    read_output,
    read_scan,
    read_tensors,
    tensor_header,
)
from golden.operations import Operation, Output, Scan, State, Tensor

KIND = "model"
SEQUENCE = "text"  # of a model that has one alone


@dataclass(frozen=True, eq=False)
class IntModel:
    """A network whose every operation is defined on integers.

    outputs: what a step yields, the main one first; several are, say, the components of a mixture
    of softmaxes. metadata: free text such as the vocabulary. specs: the golden spec of each
    operation, None where it moves codes.
    Raises InputError naming operation and field when shapes, widths or constants do not fit.
    """

    tensors: Mapping[str, Tensor]
    scans: tuple[Scan, ...]
    outputs: tuple[Output, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    specs: tuple[Any, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "specs", check(self.tensors, self.scans, self.outputs))

    @classmethod
    def single(
        cls,
        tensors: Mapping[str, Tensor],
        states: tuple[State, ...],
        operations: tuple[Operation, ...],
        output: str,
        output_scale: FixedPoint,
        metadata: Mapping[str, Any] | None = None,
    ) -> "IntModel":
        """A model of one scan and one output."""
        scans = (Scan(SEQUENCE, operations, states),)
        return cls(tensors, scans, (Output(output, output_scale),), metadata or {})

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Of all scans, in order."""
        return tuple(op for scan in self.scans for op in scan.operations)

    @property
    def states(self) -> tuple[State, ...]:
        """Of all scans, in order."""
        return tuple(state for scan in self.scans for state in scan.states)

    @property
    def output(self) -> str:
        """The tensor of the first output."""
        return self.outputs[0].tensor

    @property
    def output_scale(self) -> FixedPoint:
        """The real value of one unit of the first output."""
        return self.outputs[0].scale

    def spec(self, output: str) -> Any:
        """The golden spec of the operation that writes `output`."""
        return self._specs[output]

    @cached_property
    def _specs(self) -> dict[str, Any]:
        return dict(zip((op.output for op in self.operations), self.specs, strict=True))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """The file's bytes: equal models give equal ones."""
        writer = Writer()
        header = {
            "tensors": [tensor_header(t) for t in self.tensors.values()],
            "scans": [writer.scan(scan) for scan in self.scans],
            "outputs": [[o.tensor, [o.scale.mantissa, o.scale.shift]] for o in self.outputs],
            "metadata": dict(self.metadata),
        }
        return container.pack(KIND, header, writer.arrays)

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "model") -> "IntModel":
        """The model in `data`. Raises InputError for anything but a sound model."""
        header, arrays = container.unpack(data, KIND, source)
        with container.reading(source, "malformed model", "export it again"):
            if header.keys() != KEYS:
                raise InputError(f"fields {', '.join(sorted(KEYS))} expected")
            with at("tensors"):
                items(header["tensors"])
            tensors = read_tensors(header["tensors"])
            with at("scans"):
                scans = items(header["scans"])
            with at("outputs"):
                outputs = items(header["outputs"])
            if not isinstance(header["metadata"], dict):
                raise InputError(f"metadata: {shown(header['metadata'])} is no object")
            model = cls(
                tensors,
                tuple(read_scan(scan, arrays, tensors) for scan in scans),
                tuple(read_output(output) for output in outputs),
                header["metadata"],
            )
            if model.to_bytes() != data:
                raise ValueError("not in the one form that a model has")
        return model

    def save(self, path: Path) -> None:
        container.write_atomic(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "IntModel":
        return cls.from_bytes(container.read_bytes(path, "model"), str(path))
