"""How fast a LayerNorm LSTM 200 over 10,000 words trains: the network of the paper's Table 1.

Usage: python -P benchmarks/training.py. One thread, batch 20, 35 time steps, interleaved, best of
eight; a step is forward, loss and backward. `stock modules` are torch.nn's in a Python loop, with
LayerNorm; the others compute MadNorm, in real numbers and on the golden integers (weights
quantized anew at every step), with recurrence, logits and loss in torch or in C++. Below, parts of
a step: logits and their loss, forward and back; the weights' quantization, that integers add; and
what a step of training adds: gradients clipped, and AdamW.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from rich.table import Table
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from golden.feed import Feed
from irnn_hw.console import out
from irnn_hw.qat.batch import Batch
from irnn_hw.qat.compiled import Tapes, available
from irnn_hw.qat.integer import integer
from irnn_hw.qat.masters import Masters
from irnn_hw.qat.readout import Outputs, Readout
from irnn_hw.qat.real import observe, real
from irnn_hw.quant.quantize import Choices
from irnn_hw.recipes.networks import SEQUENCE, norm_lstm

SYMBOLS, SIZE, BATCH, STEPS, REPEATS = 10_000, 200, 20, 35, 8
REFERENCE = "full precision, C++"


class Stock(nn.Module):
    """The same network of modules that torch has, a time step at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(SYMBOLS, SIZE), nn.Linear(SIZE, SYMBOLS)
        self.output.weight = self.embedding.weight
        self.of_x, self.of_h = (nn.Linear(SIZE, 4 * SIZE, bias=False) for _ in range(2))
        self.norm_x, self.norm_h = nn.LayerNorm(4 * SIZE), nn.LayerNorm(4 * SIZE)
        self.norm_c, self.bias = nn.LayerNorm(SIZE), nn.Parameter(torch.zeros(4 * SIZE))

    def forward(self, tokens: Tensor) -> Tensor:
        h = c = torch.zeros(tokens.shape[1], SIZE)
        found = []
        for token in tokens:
            x = self.embedding(token)
            gates = self.norm_x(self.of_x(x)) + self.norm_h(self.of_h(h)) + self.bias
            i, f, j, o = gates.chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * j.tanh()
            h = o.sigmoid() * self.norm_c(c).tanh()
            found.append(h)
        return self.output(torch.stack(found))


def steps(text: Tensor) -> dict[str, Callable[[], object]]:
    """Steps of training on a text (T + 1, batch), by what computes the logits; and parts of one."""
    tokens, targets = text[:-1], text[1:]
    stock, masters = Stock(), Masters(norm_lstm(np.random.default_rng(1), SYMBOLS, SIZE, 0.0))
    parameters = [*stock.parameters(), *masters.values()]
    feed = {SEQUENCE: Feed(tokens.T.numpy())}
    batch = {SEQUENCE: Batch.of(feed[SEQUENCE])}
    ranges, _ = observe(masters, batch)
    tapes = available()
    assert tapes is not None
    choices = Choices(pieces={"": 8}, method="greedy")

    def reals(taken: Tapes | None) -> Callable[[], Outputs]:
        network = real(masters, tapes=taken)
        return lambda: network.run(batch).traces

    def integers(taken: Tapes | None) -> Outputs:
        now = integer(masters, ranges, choices, tapes=taken)
        return now.run({SEQUENCE: now.feed(feed[SEQUENCE])}).traces.reals(now.unit)

    def step(outputs: Callable[[], Outputs]) -> Callable[[], object]:
        def run() -> None:
            for parameter in parameters:
                parameter.grad = None
            outputs().cross_entropy("logits", targets).backward()

        return run

    def output(compiled: bool) -> Outputs:
        weights, bias = masters["x.table"], masters["logits.bias"]
        return Outputs({}, {"logits": Readout(h, weights, bias, compiled)})

    optimizer = torch.optim.AdamW(masters.values(), lr=0.0, fused=True)

    def descend() -> None:
        for parameter in masters.values():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        clip_grad_norm_(masters.values(), 1.0)
        optimizer.step()

    h = torch.rand(STEPS, BATCH, SIZE, requires_grad=True)
    return {
        "full precision, stock modules": step(lambda: Outputs({"logits": stock(tokens)})),
        "full precision, torch": step(reals(None)),
        REFERENCE: step(reals(tapes)),
        "integers, torch": step(lambda: integers(None)),
        "integers, C++": step(lambda: integers(tapes)),
        "logits and loss, torch": step(lambda: output(False)),
        "logits and loss, C++": step(lambda: output(True)),
        "quantization": lambda: integer(masters, ranges, choices, tapes=tapes),
        "clipping and AdamW": descend,
    }


def main() -> None:
    torch.set_num_threads(1)
    text = torch.from_numpy(np.random.default_rng(1).integers(0, SYMBOLS, (STEPS + 1, BATCH)))
    found = steps(text)
    best = dict.fromkeys(found, float("inf"))
    for _ in range(REPEATS):
        for name, run in found.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    table = Table("", "tokens/s", "of full precision in C++", box=None)
    for name, seconds in best.items():
        speed = f"{STEPS * BATCH / seconds:,.0f}"
        table.add_row(name, speed, f"{seconds / best[REFERENCE]:.2f}x")
    out.print(table)


if __name__ == "__main__":
    main()
