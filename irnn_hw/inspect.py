"""What is in a model: operations, shapes, widths, sizes, and how close its accumulators come."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from golden import container
from golden.model import KIND, IntModel
from golden.model_file import ARRAYS, PARTS
from golden.operations import Embedding, Input, Tensor
from golden.weights import FORMATS
from irnn_hw.quant.overflow import prove_no_overflow

FLOAT32 = 4  # bytes of a parameter of the network in real numbers
SIZES = ("weights", "biases", "tables")
BIASES = ("bias", "beta")
PIECES = ("knots", "slopes", "intercepts")

Figures = dict[str, Any]
Arrays = Mapping[str, NDArray[Any]]


def inspect_model(model: IntModel) -> Figures:
    """Figures of a model, ready for JSON. Sizes are bytes of its file, and add up to it.

    An array that several operations share counts for the first. A parameter is a weight, an entry
    of an embedding or a bias: what the network has in real numbers, 4 bytes each in float32.
    Tables of activations are bytes of the integer model alone. compression: float32 bytes by those
    of the whole file.
    """
    data = model.to_bytes()
    header, arrays = container.unpack(data, KIND, KIND)
    rows = [
        row
        for n, scan in enumerate(header["scans"])
        for op in scan["operations"]
        for row in _rows(op, arrays, model, n)
    ]
    sizes = {kind: sum(row["sizes"][kind] for row in rows) for kind in SIZES}
    parameters = sum(row["parameters"] for row in rows)
    return {
        "schema_version": container.SCHEMA_VERSION,
        "sha256": model.sha256,
        "sequences": _sequences(model),
        "scans": [_scan(n, model) for n in range(len(model.scans))],
        "operations": rows,
        "outputs": [
            _shape(model.tensors[o.tensor]) | {"scale": [o.scale.mantissa, o.scale.shift]}
            for o in model.outputs
        ],
        "bytes": sizes | {"other": len(data) - sum(sizes.values()), "file": len(data)},
        "parameters": parameters,
        "float32_bytes": FLOAT32 * parameters,
        "compression": round(FLOAT32 * parameters / len(data), 3),
        "accumulators": _accumulators(model),
        "metadata": dict(model.metadata),
    }


def _shape(tensor: Tensor) -> Figures:
    names = {"tensor": tensor.name, "length": tensor.length, "bits": tensor.bits}
    return names | {"zero_point": tensor.zero_point}


def _sequences(model: IntModel) -> list[Figures]:
    """What each sequence is fed: symbols below a number, codes by input."""
    found: dict[str, Figures] = {}
    for scan in model.scans:
        fed = found.setdefault(scan.sequence, {"symbols": None, "inputs": []})
        for op in scan.operations:
            if isinstance(op, Embedding):
                fed["symbols"] = min(fed["symbols"] or len(op.table), len(op.table))
            elif isinstance(op, Input):
                fed["inputs"].append(_shape(model.tensors[op.output]))
    return [{"name": name} | fed for name, fed in found.items()]


def _scan(index: int, model: IntModel) -> Figures:
    scan = model.scans[index]
    states = [_shape(model.tensors[s.name]) | {"source": s.source} for s in scan.states]
    names = {"scan": index, "sequence": scan.sequence, "reverse": scan.reverse}
    return names | {"operations": len(scan.operations), "states": states}


def _rows(
    op: Figures, arrays: Arrays, model: IntModel, scan: int, within: str = ""
) -> Iterator[Figures]:
    """The row of an operation as the header has it; after that of attention, those of its parts."""
    t, sizes, parameters = model.tensors[op["output"]], dict.fromkeys(SIZES, 0), 0
    for field in (f for f in ARRAYS if op.get(f) == f"{t.name}.{f}"):  # else another's
        kind = "tables" if op["op"] == "lookup" else "biases" if field in BIASES else "weights"
        sizes[kind] += arrays[op[field]].nbytes
        if kind != "tables":
            packed = field == "weights" and op["weight_format"]
            ends = (t.length, *(model.tensors[n].length for n in op["inputs"]))
            parameters += math.prod(ends) if packed else arrays[op[field]].size
    if op["op"] == "pwl":
        sizes["tables"] += sum(len(json.dumps(op[f], separators=(",", ":"))) for f in PIECES)
    yield {
        "scan": scan,
        "operation": op["op"],
        "within": within,
        "output": t.name,
        "inputs": op["inputs"],
        "length": t.length,
        "bits": t.bits,
        **_weights(op, arrays),
        "parameters": parameters,
        "sizes": sizes,
        "bytes": sum(sizes.values()),
    }
    for name in PARTS if op["op"] == "attend" else ():
        yield from _rows(op[name], arrays, model, scan, t.name)


def _weights(op: Figures, arrays: Arrays) -> Figures:
    """Format and bits of the weights; of an embedding's table and of an affine's gamma, too.
    shared: the name of their array, where it is that of an operation before."""
    field = {"matvec": "weights", "embedding": "table", "affine": "gamma"}.get(op["op"])
    if field is None:
        return {"weight_format": None, "bits_per_weight": None, "shared": None}
    name, array = op.get("weight_format"), arrays[op[field]]
    return {
        "weight_format": name or array.dtype.name,
        "bits_per_weight": FORMATS[name].bits if name else 8 * array.itemsize,
        "shared": None if op[field] == f"{op['output']}.{field}" else op[field],
    }


def _accumulators(model: IntModel) -> list[Figures]:
    """The largest magnitude of each sum over every possible input, and its distance from 2^31."""
    return [
        {
            "operation": case.operation,
            "row": case.row,
            "worst": case.worst,
            "bound": case.bound,
            "headroom_bits": round(case.headroom_bits, 2),
        }
        for case in prove_no_overflow(model)
    ]
