"""How fast the golden model runs: an LSTM 400/400, 128 steps, against torch.nn.LSTM in float32.

Usage: python benchmarks/golden_model.py. One thread, interleaved, best of fifteen. The time is that
of the CPU, so that other programs count less. Input: torch is given vectors, golden symbols, whose
products it remembers from its first run.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time
from collections.abc import Callable

import numpy as np
import torch
from rich.table import Table

from golden.executor import Executor
from golden.model import IntModel
from golden.zoo import lstm
from irnn_hw.console import out

SIZE, STEPS, SYMBOLS, REPEATS = 400, 128, 96, 15


def layer(model: IntModel) -> IntModel:
    """The model without its last operation, the logits, which torch.nn.LSTM does not have."""
    *operations, last = model.operations
    tensors = {name: t for name, t in model.tensors.items() if name != last.output}
    output = last.inputs[0]
    return IntModel.single(tensors, model.states, tuple(operations), output, model.output_scale)


def main() -> None:
    torch.set_num_threads(1)
    model = layer(lstm(1, SYMBOLS, SIZE, SIZE))
    network = torch.nn.LSTM(SIZE, SIZE)
    table = Table(
        "batch", "torch, ms", "golden, ms", "ratio", title=f"LSTM {SIZE}/{SIZE}, {STEPS} steps"
    )
    for batch in (1, 32):
        tokens = np.random.default_rng(1).integers(0, SYMBOLS, (batch, STEPS))
        executor = Executor(model, batch)
        x = torch.rand(STEPS, batch, SIZE)
        runs: dict[str, Callable[[], object]] = {
            "torch": lambda x=x: network(x),
            "golden": lambda e=executor, t=tokens: e.run(t),
        }
        best = dict.fromkeys(runs, float("inf"))
        with torch.no_grad():
            for _ in range(REPEATS):
                for name, run in runs.items():
                    start = time.process_time()
                    run()
                    best[name] = min(best[name], 1000 * (time.process_time() - start))
        ratio = best["golden"] / best["torch"]
        table.add_row(str(batch), f"{best['torch']:.1f}", f"{best['golden']:.1f}", f"{ratio:.2f}")
    out.print(table)


if __name__ == "__main__":
    main()
