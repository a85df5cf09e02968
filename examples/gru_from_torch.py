"""A torch.nn.GRU, quantized on data of its own: an integer model file, and what it costs.

Usage: python examples/gru_from_torch.py [FILE]. Writes the model (gru.irnn), prints the
signal-to-quantization-noise ratio of each tensor, and compares the real numbers with torch's.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from golden.feed import Feed
from irnn_hw.console import out, stats_table
from irnn_hw.quant import cells
from irnn_hw.quant.cells import Weights
from irnn_hw.quant.network import Network, run
from irnn_hw.quant.nodes import Input
from irnn_hw.quant.overflow import prove_no_overflow
from irnn_hw.quant.quantize import labels, parameters, quantize
from irnn_hw.stats import gather

FEATURES, HIDDEN, BATCH, STEPS = 40, 64, 16, 100


def network_of(module: torch.nn.GRU) -> Network:
    """One layer: h (HIDDEN) of a sequence of x (FEATURES). Torch's gates are r, z, n, as ours."""
    parts = ("weight_ih_l0", "bias_ih_l0", "weight_hh_l0", "bias_hh_l0")
    w_x, b_x, w_h, b_h = (getattr(module, name).detach().double().numpy() for name in parts)
    net = Network(outputs=["gru.h.next"])
    step = net.scan("features")
    x = step.add(Input(name="x", length=FEATURES))
    cells.gru(step, "gru", x, Weights(w_x, b_x), Weights(w_h, b_h))
    return net


def main() -> None:
    file = Path(sys.argv[1] if len(sys.argv) > 1 else "gru.irnn")
    torch.manual_seed(1)
    module = torch.nn.GRU(FEATURES, HIDDEN, batch_first=True)
    x = np.random.default_rng(1).normal(0, 1, (BATCH, STEPS, FEATURES))
    net, feeds = network_of(module), {"features": Feed(inputs={"x": x})}

    real = run(net, feeds)
    with torch.no_grad():
        theirs = module(torch.from_numpy(x).float())[0].numpy()
    distance = np.abs(real.traces["gru.h.next"] - theirs).max()
    out.print(f"torch and the network in real numbers: {distance:.0e} apart, torch has float32")

    params = parameters(net, real.ranges)
    taken = quantize(net, params, metadata=labels(net, params))
    headroom = min(case.headroom_bits for case in prove_no_overflow(taken.model))
    taken.model.save(file)
    out.print(f"{file}: {file.stat().st_size:,} bytes; headroom of {headroom:.1f} bits or more")

    codes = {name: taken.feed(feed) for name, feed in feeds.items()}
    stats = gather(taken.model, [codes], BATCH, net, [feeds])
    out.print(stats_table({name: s.figures() for name, s in stats.items()}))


if __name__ == "__main__":
    main()
