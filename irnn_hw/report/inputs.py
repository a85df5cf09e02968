"""What the report reads: JSON files and the model, as the other commands wrote them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden.container import read_bytes
from golden.errors import InputError
from golden.model import IntModel

MODEL = "model.irnn"
MODEL_COMMAND = "irnn export"

# File -> the command that writes it, and the keys it must have.
SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "summary": (
        "irnn demo",
        (
            "seconds",
            "bits_per_char_float",
            "bits_per_char_int",
            "logits_compared",
            "logits_differing",
            "words_compared",
            "words_differing",
            "cycles",
            "mac_utilisation",
            "cycles_per_second",
            "area",
            "hashes",
        ),
    ),
    "curves": ("irnn train", ("phases",)),
    "clamps": ("irnn run", ()),
    "area": ("irnn area", ()),
    "cycles": ("irnn cosim", ("engines", "total")),
    "text": ("irnn cosim", ("read", "written")),
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """summary, curves, clamps, cycles, text: objects. area: a list, one entry a target."""

    summary: dict[str, Any]
    curves: dict[str, Any]
    clamps: dict[str, Any]
    area: list[dict[str, Any]]
    cycles: dict[str, Any]
    text: dict[str, Any]
    model: IntModel


def read_inputs(folder: Path) -> Inputs:
    """Everything in the folder. Raises InputError naming file, key and the command to run."""
    values = {name: _read(folder / f"{name}.json", *SOURCES[name]) for name in SOURCES}
    path = folder / MODEL
    if not path.exists():
        raise InputError(f"{path}: not there; write it with `{MODEL_COMMAND}`")
    return Inputs(**values, model=IntModel.load(path))


def _read(path: Path, command: str, keys: tuple[str, ...]) -> Any:
    if not path.exists():
        raise InputError(f"{path}: not there; write it with `{command}`")
    try:
        value = json.loads(read_bytes(path, "report's input"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); write it again with `{command}`") from error
    missing = [key for key in keys if key not in value]
    if missing:
        raise InputError(f"{path}: no {', '.join(missing)}; write it again with `{command}`")
    return value
