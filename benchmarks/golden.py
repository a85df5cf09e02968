"""How fast the golden model runs: an LSTM 400/400, 128 steps, against torch.nn.LSTM in float32.

Usage: python -P benchmarks/golden.py (with -P, `golden` is the package and not this file). One
thread, interleaved, best of fifteen, in the CPU's time, so that other programs count less. Fed with
vectors, as torch is, and with symbols, whose products golden remembers. `products` is what numpy's
BLAS takes for the float32 products alone, the same number as torch computes: no exact arithmetic
through it is faster.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from rich.table import Table

from golden.executor import Executor
from golden.feed import Feed
from golden.model import SEQUENCE, IntModel
from golden.operations import Embedding, Input
from golden.zoo import lstm
from irnn_hw.console import out

SIZE, STEPS, SYMBOLS, REPEATS = 400, 128, 96, 15


def layer(vectors: bool) -> IntModel:
    """An LSTM without logits, which torch.nn.LSTM does not have; fed with vectors or symbols."""
    model = lstm(1, SYMBOLS, SIZE, SIZE)
    *operations, logits = model.operations
    if vectors:
        operations = [Input(op.output) if isinstance(op, Embedding) else op for op in operations]
    tensors = {name: t for name, t in model.tensors.items() if name != logits.output}
    (scan,), (output,) = model.scans, model.outputs
    outputs = (replace(output, tensor="h.next"),)
    return IntModel(tensors, (replace(scan, operations=tuple(operations)),), outputs)


def products(batch: int) -> Callable[[], None]:
    """The float32 products of the layer by numpy: of all inputs at once, of each hidden state."""
    x = np.random.default_rng(1).random((batch * STEPS, SIZE), np.float32)
    w = np.random.default_rng(2).random((SIZE, 4 * SIZE), np.float32)
    wide, narrow = (np.empty((n, 4 * SIZE), np.float32) for n in (len(x), batch))

    def run() -> None:
        np.matmul(x, w, out=wide)
        for _ in range(STEPS):
            np.matmul(x[:batch], w, out=narrow)

    return run


def contest(batch: int) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    rng = np.random.default_rng(1)
    network, x = torch.nn.LSTM(SIZE, SIZE), torch.rand(STEPS, batch, SIZE)
    codes = Feed(None, {"x": rng.integers(0, 256, (batch, STEPS, SIZE))})
    tokens = rng.integers(0, SYMBOLS, (batch, STEPS))
    of_vectors, of_symbols = (Executor(layer(vectors), batch) for vectors in (True, False))
    return {
        "torch": lambda: network(x),
        "vectors": lambda: of_vectors.run({SEQUENCE: codes}),
        "symbols": lambda: of_symbols.run(tokens),
        "products": products(batch),
    }


def main() -> None:
    torch.set_num_threads(1)
    columns = ("batch", "torch, ms", "vectors, ms", "ratio", "symbols, ms", "ratio", "products")
    table = Table(*columns, title=f"LSTM {SIZE}/{SIZE}, {STEPS} steps")
    for batch in (1, 32):
        runs = contest(batch)
        best = dict.fromkeys(runs, float("inf"))
        with torch.no_grad():
            for _ in range(REPEATS):
                for name, run in runs.items():
                    start = time.process_time()
                    run()
                    best[name] = min(best[name], 1000 * (time.process_time() - start))
        ratios = {name: f"{ms / best['torch']:.2f}" for name, ms in best.items()}
        table.add_row(
            str(batch),
            f"{best['torch']:.1f}",
            *(v for n in ("vectors", "symbols") for v in (f"{best[n]:.1f}", ratios[n])),
            ratios["products"],
        )
    out.print(table)


if __name__ == "__main__":
    main()
