"""JSON files, written whole or not at all; folders that one process writes to."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from golden.container import write_atomic
from golden.errors import InputError


def write_json(path: Path, value: Any) -> None:
    """Indented JSON; the order of keys is that of the value.

    Raises InputError where the disk does not take it; what was there before is intact then."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    try:
        write_atomic(path, text)
    except OSError as error:
        raise InputError(f"{path}: cannot write: {error.strerror or error}") from error


def file_sha256(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """The folder, made where there is none, for this process alone: until it ends, however it does.

    Raises InputError where another process has it, or where there can be none."""
    handle = _opened(folder)
    try:
        yield
    finally:
        os.close(handle)


def _opened(folder: Path) -> int:
    """The folder, locked until this is closed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise InputError(
            f"{folder}: another process trains there; let it end, or name another folder"
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: cannot train there: {error.strerror}; name another") from error
    return handle
