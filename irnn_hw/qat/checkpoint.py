"""Checkpoints of training: one file, written whole or not at all."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from golden.container import read_bytes, write_atomic
from golden.errors import InputError

FORMAT = "irnn-checkpoint-1"


def save(path: Path, content: dict[str, Any]) -> None:
    """Write content: tensors, numbers, strings, and lists and dicts of them."""
    buffer = io.BytesIO()
    torch.save({**content, "format": FORMAT}, buffer)
    write_atomic(path, buffer.getvalue())


def load(path: Path) -> dict[str, Any]:
    """The content of a checkpoint. Raises InputError for anything else; runs no code from it."""
    data = read_bytes(path, "checkpoint")
    try:
        content = torch.load(io.BytesIO(data), weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"{path}: truncated or not a checkpoint; train again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: not a checkpoint of this release; train again")
    return content
