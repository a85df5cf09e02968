"""Results on disk by content: what is there is not computed again."""

import json
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from golden.container import write_atomic

ROOT = Path(__file__).parents[2]
PACKAGES = ("numpy", "amaranth", "pyosys")  # whose versions change results


class Store:
    """JSON results in a folder, each written whole before `put` returns."""

    def __init__(self, folder: Path):
        self._folder = folder

    def get(self, key: str) -> Any:
        """The result of a key, or None."""
        try:
            return json.loads((self._folder / f"{key}.json").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def put(self, key: str, result: Any) -> None:
        write_atomic(self._folder / f"{key}.json", json.dumps(result) + "\n")


def digest(value: Any) -> str:
    """SHA-256 of a JSON-able value."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    return {name: version(name) for name in packages}


@cache
def code_digest(*parts: str) -> str:
    """SHA-256 of these files, and of the Python files below these folders, of the project."""
    files: list[Path] = []
    for part in parts:
        path = ROOT / part
        files += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return digest([[str(f.relative_to(ROOT)), sha256(f.read_bytes()).hexdigest()] for f in files])
