"""Checkpoints of training: one file, written whole or not at all, with its SHA-256 at the end."""

import hashlib
import io
from pathlib import Path
from typing import Any

import torch

from golden.container import read_bytes, write_atomic
from golden.errors import InputError

FORMAT = "irnn-checkpoint-1"
_DIGEST = hashlib.sha256().digest_size


def save(path: Path, content: dict[str, Any]) -> None:
    """Write content: tensors, numbers, strings, and lists and dicts of them.

    Raises InputError where the disk does not take it; what was there before is intact then.
    """
    buffer = io.BytesIO()
    torch.save({**content, "format": FORMAT}, buffer)
    body = buffer.getvalue()
    try:
        write_atomic(path, body + hashlib.sha256(body).digest())
    except OSError as error:
        raise InputError(f"{path}: cannot write the checkpoint: {error.strerror}") from error


def load(path: Path) -> dict[str, Any]:
    """The content of a checkpoint. Raises InputError for anything else; runs no code from it."""
    data = read_bytes(path, "checkpoint")
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    if hashlib.sha256(body).digest() != digest:
        raise InputError(f"{path}: altered, truncated or not a checkpoint; train again")
    content: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True)
    if content["format"] != FORMAT:
        raise InputError(f"{path}: {content['format']}, this release reads {FORMAT}; train again")
    return content
