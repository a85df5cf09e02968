"""JSON files, written whole or not at all."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from golden.container import write_atomic


def write_json(path: Path, value: Any) -> None:
    """Indented JSON; the order of keys is that of the value."""
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def file_sha256(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
