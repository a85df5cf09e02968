"""The networks of tests/networks.py as torch trains them, ranges gathered, tables made quickly."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from networks import NETWORKS

from golden.operations import stepwise
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.masters import Masters
from irnn_hw.quant.network import Network, run
from irnn_hw.quant.nodes import Activation, Dropout, Product
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, Pieces, to_fixed
from irnn_hw.quant.quantize import parameters

PIECES = 24


@cache
def made(name):
    """Masters, feeds with real inputs, ranges, and a PWL of equal pieces for each activation."""
    network, feeds = NETWORKS[name]()
    ranges = run(network, feeds).ranges
    return Masters(network), feeds, ranges, tables(network, ranges)


@cache
def dropping(name, rate=0.25):
    """As `made`, of the network in which each product reads what a dropout keeps; and the masks of
    each sequence."""
    network, feeds = NETWORKS[name]()
    lengths, scans = dict(network.scans[-1].lengths), []
    kept, rng = {sequence: {} for sequence in feeds}, np.random.default_rng(1)
    for scan in network.scans:
        nodes = []
        for node in scan.nodes:
            if isinstance(node, Product):
                (x,), name = node.inputs, f"{node.name}.read"
                lengths[name] = lengths[x]
                nodes.append(Dropout(name=name, inputs=(x,), length=lengths[x], rate=rate))
                shape = (*Batch.of(feeds[scan.sequence]).shape, lengths[x])
                kept[scan.sequence][name] = torch.from_numpy(rng.random(shape) >= rate).float()
                node = replace(node, inputs=(name,))
            nodes.append(node)
        scans.append(replace(scan, nodes=nodes, lengths=lengths))
    network = Network(scans, network.outputs)
    ranges = run(network, feeds).ranges
    return Masters(network), feeds, ranges, tables(network, ranges), kept


def tables(network, ranges):
    """Greedy knots of 16-bit inputs take seconds each; these take none."""
    params = parameters(network, ranges)
    found = {}
    for node in (tensor for n in network.nodes for tensor in n.tensors):
        if isinstance(node, Activation):
            x = params[node.inputs[0]]
            x = replace(x, zero_point=x.high) if node.function == "exp" else x
            found[node.name] = equal_pieces(node.function, x, params[node.name])
    return found


def equal_pieces(function: str, x: QuantParams, y: QuantParams):
    f, knots = FUNCTIONS[function], np.linspace(0, x.high, PIECES + 1).astype(int)
    reals = x.dequantize(knots)
    slopes = np.diff(f(reals)) / np.diff(reals)
    return to_fixed(Pieces(tuple(knots.tolist()), tuple(slopes), tuple(f(reals)[:-1])), x, y)


def every_tensor(model):
    """Those that have a value a step."""
    return [name for op in model.operations for name in stepwise(op)]


def live(model, name, feeds, shape):
    """The steps of a tensor that count, (batch, T)."""
    scans = [s for s in model.scans if any(name in stepwise(op) for op in s.operations)]
    lengths = feeds[scans[0].sequence].lengths
    every = np.full(shape[0], shape[1]) if lengths is None else np.asarray(lengths)
    return np.arange(shape[1]) < every[:, np.newaxis]


torch.set_num_threads(1)  # the tests share their cores
