"""`irnn import`: a trained recurrent module to an integer model, calibrated on data."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from golden.feed import Feed
from irnn_hw.files import file_sha256
from irnn_hw.inputs import read_inputs
from irnn_hw.quant.network import run
from irnn_hw.quant.overflow import prove_no_overflow
from irnn_hw.quant.quantize import labels, parameters, quantize
from irnn_hw.stats import gather

Figures = dict[str, Any]


def import_file(
    weights: Path,
    inputs: Path,
    out: Path,
    config: Any,
    kept: Any,
    *,
    prefix: str | None = None,
    head: str | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Figures:
    """Writes the integer model of a state_dict, its ranges those on the input vectors of a file.

    config: a `irnn_hw.qat.config.Schedule`, of which the quantization counts. kept: a
    `irnn_hw.qat.torch_import.Kept`. checkpoint: of the same, for `irnn verify` and training.
    """
    from irnn_hw.qat.restored import save_untrained  # torch is slow to import, and optional
    from irnn_hw.qat.torch_import import INPUT, SEQUENCE, import_module, read_state_dict

    network = import_module(read_state_dict(weights), prefix, head, kept)
    vectors = read_inputs(inputs, network.scans[0].lengths[INPUT])
    feeds = {SEQUENCE: Feed(inputs={INPUT: vectors})}
    ranges = run(network, feeds).ranges
    params = parameters(network, ranges)
    taken = quantize(network, params, config.choices("pwl"), labels(network, params))
    headroom = min(case.headroom_bits for case in prove_no_overflow(taken.model))
    taken.model.save(out)
    if checkpoint is not None:
        save_untrained(checkpoint, network, ranges, config)
    codes = {name: taken.feed(feed) for name, feed in feeds.items()}
    report = None if progress is None else lambda done: progress(done, 1)
    stats = gather(taken.model, [codes], len(vectors), network, [feeds], report)
    (output,) = network.outputs
    return {
        "sha256": file_sha256(out),
        "bytes": out.stat().st_size,
        "vectors": int(vectors.shape[0] * vectors.shape[1]),
        "headroom_bits": round(headroom, 2),
        "output": output,
        "sqnr_db": stats[output].figures()["sqnr_db"],
        "quantization": asdict(kept) | {"pieces": config.pieces, "method": config.method},
        "tensors": {name: s.figures() for name, s in stats.items()},
    }
