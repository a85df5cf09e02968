"""A network without its weights as plain data: what a checkpoint needs to build it again."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from torch import Tensor

from golden.container import reading
from golden.operations import State
from irnn_hw.qat.masters import FIELDS
from irnn_hw.quant.compound import Attend, LayerNorm, MadNorm
from irnn_hw.quant.network import Network, ScanNodes
from irnn_hw.quant.nodes import (
    Activation,
    Add,
    Affine,
    Concatenate,
    Dropout,
    Embedding,
    Input,
    Minimum,
    Multiply,
    Node,
    OneMinus,
    Product,
    Slice,
)

KINDS: dict[str, type[Node]] = {
    kind.__name__: kind
    for kind in (
        Input, Embedding, Product, Slice, Concatenate, Add, OneMinus, Multiply, Minimum, Affine,
        Activation, Dropout, MadNorm, LayerNorm, Attend,
    )
}  # fmt: skip


def describe(network: Network) -> dict[str, Any]:
    """Scans, states, nodes and outputs; of an array, whether there is one."""
    return {
        "scans": [
            {
                "sequence": scan.sequence,
                "reverse": scan.reverse,
                "states": [[s.name, s.source, scan.lengths[s.name]] for s in scan.states],
                "nodes": [_described(node) for node in scan.nodes],
            }
            for scan in network.scans
        ],
        "outputs": list(network.outputs),
    }


def _described(node: Node) -> dict[str, Any]:
    arrays = FIELDS.get(type(node), ())
    plain = {f.name: getattr(node, f.name) for f in fields(node) if f.init and f.name not in arrays}
    there = {name: getattr(node, name) is not None for name in arrays}
    return {"kind": type(node).__name__, **plain, **there}


def rebuild(described: Mapping[str, Any], arrays: Mapping[str, Tensor], source: str) -> Network:
    """The network of a description, with the arrays of its masters by `node.field`.

    Raises InputError naming the source where the two do not fit.
    """
    with reading(source, "malformed network", "train again"):
        network = Network(outputs=list(described["outputs"]))
        for scan in described["scans"]:
            nodes = network.scan(scan["sequence"], scan["reverse"])
            for name, origin, length in scan["states"]:
                nodes.states.append(State(name, origin))
                nodes.lengths[name] = length
            for node in scan["nodes"]:
                _add(nodes, node, arrays)
    return network


def _add(scan: ScanNodes, described: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> None:
    kind = KINDS[described["kind"]]
    given = {key: value for key, value in described.items() if key != "kind"}
    for name in FIELDS.get(kind, ()):
        key = f"{given['name']}.{name}"
        if name == "weights" and given["tied"]:
            key = f"{given['tied']}.table"
        given[name] = arrays[key].detach().double().numpy() if given[name] else None
    scan.add(kind(**given))
