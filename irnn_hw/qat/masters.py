"""Master weights: the parameters of a network in real numbers, as torch trains them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from golden.errors import InputError
from irnn_hw.quant.compound import Attend
from irnn_hw.quant.network import Network
from irnn_hw.quant.nodes import Affine, Embedding, Node, Product

# What is trained of each kind of node.
FIELDS: dict[type[Node], tuple[str, ...]] = {
    Embedding: ("table",),
    Product: ("weights", "bias"),
    Affine: ("gamma", "beta"),
    Attend: ("v",),
}


class Weighted(Protocol):
    """A network with trained weights."""

    template: Network

    def of(self, node: Node) -> Mapping[str, Tensor]:
        """The parameters of a node by field."""


def current(masters: Weighted) -> Network:
    """The network with the weights as they are now: the masters' own memory, to be read at once;
    of masters on a GPU, a copy."""
    return _filled(masters, lambda p: p)


def _filled(masters: Weighted, converted: Callable[[Tensor], Tensor]) -> Network:
    """The template, with the parameters in place of its arrays."""

    def of(node: Node) -> Node:
        arrays = {name: converted(p.detach()).cpu().numpy() for name, p in masters.of(node).items()}
        return replace(node, **arrays) if arrays else node

    scans = [replace(scan, nodes=[*map(of, scan.nodes)]) for scan in masters.template.scans]
    return Network(scans, masters.template.outputs)


class Masters(Mapping[str, Parameter]):
    """The trained arrays of a network by `node.field`; of a tied product, that of its embedding.

    The network itself is a template: `network` is the one with the weights as they are now.
    """

    def __init__(self, template: Network, dtype: torch.dtype = torch.float32):
        self.template, self.dtype = template, dtype
        self._parameters: dict[str, Parameter] = {}
        for node in template.nodes:
            for name, key in _fields(node):
                if not _tied(node, name):
                    values = np.asarray(getattr(node, name), np.float64)
                    self._parameters[key] = Parameter(torch.tensor(values, dtype=dtype))

    def __getitem__(self, key: str) -> Parameter:
        return self._parameters[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def of(self, node: Node) -> dict[str, Parameter]:
        """The parameters of a node by field."""
        return {
            name: self[f"{node.tied}.table" if _tied(node, name) else key]
            for name, key in _fields(node)
        }

    def network(self) -> Network:
        """The network with the weights as they are now, as float64."""
        return _filled(self, Tensor.double)

    def state_dict(self) -> dict[str, Tensor]:
        """Copies of all arrays."""
        return {key: p.detach().clone() for key, p in self.items()}

    @torch.no_grad()
    def load_state_dict(self, arrays: Mapping[str, Any]) -> None:
        """Copy the arrays in. Raises InputError for another set of names, or another shape."""
        if arrays.keys() != self.keys():
            names = ", ".join(sorted(arrays.keys() ^ self.keys()))
            raise InputError(
                f"weights: {names}: in one of the two alone; give those of the network"
            )
        for key, parameter in self.items():
            if arrays[key].shape != parameter.shape:
                raise InputError(
                    f"{key}: shape {tuple(arrays[key].shape)}, {tuple(parameter.shape)} expected"
                )
            parameter.copy_(arrays[key])


def _fields(node: Node) -> list[tuple[str, str]]:
    """Field and key of each array that the node has."""
    names = FIELDS.get(type(node), ())
    return [(name, f"{node.name}.{name}") for name in names if getattr(node, name) is not None]


def _tied(node: Node, name: str) -> bool:
    return isinstance(node, Product) and node.tied is not None and name == "weights"
