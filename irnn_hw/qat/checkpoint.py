"""Checkpoints of training: one file, written whole or not at all, with its SHA-256 at the end."""

import hashlib
import io
from glob import escape
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from golden.container import read_bytes, write_atomic
from golden.errors import InputError

FORMAT = "irnn-checkpoint-1"
_DIGEST = hashlib.sha256().digest_size


def save(path: Path, content: dict[str, Any]) -> None:
    """Write content: numbers, strings, lists, and dicts of them; tensors, of any device.

    Raises InputError where the disk does not take it; what was there before is intact then.
    """
    buffer = io.BytesIO()
    torch.save({**placed(content, "cpu"), "format": FORMAT}, buffer)
    body = buffer.getvalue()
    try:
        write_atomic(path, body + hashlib.sha256(body).digest())
    except OSError as error:
        problem = error.strerror or error
        raise InputError(f"{path}: cannot write the checkpoint: {problem}") from error


def placed(value: Any, device: torch.device | str) -> Any:
    """Content, or a part of it, with its tensors on a device: those in dicts and tuples."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {key: placed(of, device) for key, of in value.items()}
    if isinstance(value, tuple):
        return tuple(placed(of, device) for of in value)
    return value  # of lists, which are as long as the training, none holds a tensor


def remove_unfinished(path: Path) -> None:
    """What processes that were killed while they wrote it have left."""
    for left in path.parent.glob(f".{escape(path.name)}.*"):
        left.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, its tensors on the CPU. Raises InputError for anything else;
    runs no code from it."""
    data = read_bytes(path, "checkpoint")
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    if hashlib.sha256(body).digest() != digest:
        raise InputError(f"{path}: altered, truncated or not a checkpoint; train again")
    try:
        content: dict[str, Any] = torch.load(
            io.BytesIO(body), map_location="cpu", weights_only=True
        )
        found = content.get("format")
    except (UnpicklingError, RuntimeError, EOFError, AttributeError) as error:
        raise InputError(f"{path}: not a checkpoint; train again") from error
    if found != FORMAT:
        raise InputError(f"{path}: {found}, this release reads {FORMAT}; train again")
    return content
