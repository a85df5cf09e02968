"""A small run's files, as the commands write them, for the report's tests."""

import json
from pathlib import Path

import numpy as np

from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.operations import Embedding, MatVec, Pwl, Tensor
from irnn_hw.quant.params import QuantParams
from irnn_hw.quant.pwl import FUNCTIONS, fit

SHA = "0123456789abcdef" * 4


def model() -> IntModel:
    """Two matrix-vector products of a token's row, a sigmoid of one and a tanh of the other."""
    tensors = {t.name: t for t in [Tensor("x", 4, 8, 128)]}
    operations = [Embedding("x", np.full((3, 4), 128, np.uint8))]
    scales, functions = {}, {}
    for name, function, output in (
        ("i", "sigmoid", QuantParams.from_range(0.0, 1.0)),
        ("c.tanh", "tanh", QuantParams.from_range(-1.0, 1.0)),
    ):
        x = QuantParams.from_range(-6.0, 6.0)
        spec = fit(FUNCTIONS[function], x, output, 16)
        pre = f"{name}.pre"
        tensors[pre] = Tensor(pre, 4, 8, x.zero_point)
        tensors[name] = Tensor(name, 4, 8, output.zero_point)
        weights, bias = np.eye(4, dtype=np.int8), np.zeros(4, np.int32)
        operations.append(MatVec(pre, ("x",), weights, bias, FixedPoint(1 << 15, 15)))
        constants = (spec.knots, spec.slopes, spec.intercepts, spec.shift)
        operations.append(Pwl(name, (pre,), *constants))
        functions[name] = function
        scales |= {pre: [round(x.scale * 2**28), 28], name: [round(output.scale * 2**30), 30]}
    metadata = {"scales": scales, "functions": functions}
    return IntModel.single(tensors, (), tuple(operations), "i", FixedPoint(1 << 15, 20), metadata)


def area(target: str, figures: dict[str, str], rows: list[list]) -> dict:
    keys = ["unit", "instances", *figures]
    units = [dict(zip(keys, row, strict=True)) for row in rows]
    total = {key: sum(unit[key] for unit in units) for key in figures}
    return {
        "name": "npu",
        "target": target,
        "title": target.upper(),
        "figure_units": figures,
        "tool": "Yosys",
        "version": "0.70",
        "sha256": SHA,
        "caveat": "Yosys estimate.",
        "total": total,
        "units": units,
        "units_sum": total,
    }


def phases() -> dict:
    """Losses that fall from 6 bits toward 2 in each phase, with noise."""
    rng, result = np.random.default_rng(1), []
    for name, start in (("float", 6.0), ("lut", 2.6), ("pwl", 2.45)):
        steps = list(range(10, 1501, 10))
        curve = [2.3 + (start - 2.3) * np.exp(-s / 250) + rng.normal(0, 0.05) for s in steps]
        held = [[s, 2.35 + (start - 2.3) * float(np.exp(-s / 250))] for s in range(250, 1501, 250)]
        result.append({"name": name, "steps": steps, "bits_per_char": curve, "heldout": held})
    return {"phases": result}


def contents() -> dict:
    engines = [("mac", "ph", 46080, 8210), ("mac", "px", 23040, 0), ("mac", "logits", 17280, 4100)]
    engines += [("vector", "i.pre + i", 12960, 20110), ("vector", "c.next", 6480, 300)]
    clamps = {"px": (12, 61440), "c.next": (0, 15360), "h.next": (301, 15360)}
    return {
        "summary": {
            "seconds": 412.7,
            "bits_per_char_float": 2.3141,
            "bits_per_char_int": 2.3312,
            "logits_compared": 4464720,
            "logits_differing": 0,
            "words_compared": 161280,
            "words_differing": 0,
            "cycles": 1043520,
            "mac_utilisation": 0.914,
            "cycles_per_second": 183400.0,
            "area": {},
            "hashes": {"model": SHA, "program": SHA[::-1], "verilog": SHA},
        },
        "curves": phases(),
        "clamps": {name: {"clamped": c, "seen": s} for name, (c, s) in clamps.items()},
        "area": [
            area(
                "ecp5",
                {"lut": "LUT4", "ff": "flip-flops", "dsp": "multipliers", "bram": "block RAMs"},
                [["lane", 8, 4888, 3032, 24, 0], ["mac", 1, 2938, 1440, 64, 0]],
            ),
            area(
                "gates",
                {"nand2": "NAND2 equivalents", "memory_bits": "bits of memory"},
                [["mac", 1, 57238, 0], ["weights", 1, 0, 1048576]],
            ),
        ],
        "cycles": {
            "engines": [
                {"engine": e, "operation": o, "cycles": n, "waiting": w} for e, o, n, w in engines
            ],
            "total": 96000,
        },
        "text": {
            "read": "The following <b>example</b> & its result:\n  >>> print(1)\n",
            "written": "The statement is a string and the class of the object is returned.\n" * 3,
        },
    }


def write(folder: Path) -> Path:
    for name, value in contents().items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    model().save(folder / "model.irnn")
    return folder
