"""JSON files, written whole or not at all."""

import json
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
