"""Steps that are not run again while nothing changed: each leaves a stamp."""

import json
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from golden.container import write_atomic
from irnn_hw.console import console
from irnn_hw.files import file_sha256

ROOT = Path(__file__).parents[1]
SOURCES = (".py", ".sv", ".cpp", ".html", ".vlt")
ALL_CODE = ("golden", "rtl", "sim", "irnn_hw")

Figures = dict[str, Any]


class Stamps:
    """Runs steps, or gives what they gave, from stamps in a folder.

    seconds: of each step, when it last ran. reused: the names of those that were up to date.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self.seconds: dict[str, float] = {}
        self.reused: list[str] = []

    def step(
        self,
        name: str,
        run: Callable[[], Figures],
        settings: Figures,
        inputs: Sequence[Path] = (),
        outputs: Sequence[Path] = (),
        code: tuple[str, ...] = ALL_CODE,
    ) -> Figures:
        """The figures of run(), of now or, where settings, inputs, outputs and code are the same,
        of the last time.

        A step that was interrupted finds its own outputs (a checkpoint to resume from); one whose
        settings, inputs or code changed finds none.
        """
        stamp = self._folder / f"{name}.json"
        key = _digest([settings, _hashes(inputs), _code_hash(code)])
        last = json.loads(stamp.read_text()) if stamp.exists() else {}
        if last.get("key") == key and last.get("outputs") == _hashes(outputs):
            self.reused.append(name)
            self.seconds[name] = last["seconds"]
            console.print(f"{name:<10} up to date")
            return last["figures"]
        if last.get("key") != key:
            for path in outputs:
                path.unlink(missing_ok=True)
            write_atomic(stamp, json.dumps({"key": key}))
        start = time.perf_counter()
        figures = run()
        self.seconds[name] = seconds = round(time.perf_counter() - start, 1)
        console.print(f"{name:<10} {seconds:6.1f} s")
        done = {"key": key, "outputs": _hashes(outputs), "figures": figures, "seconds": seconds}
        write_atomic(stamp, json.dumps(done))
        return figures


def _hashes(paths: Sequence[Path]) -> dict[str, str]:
    return {p.name: file_sha256(p) for p in paths if p.exists()}


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _code_hash(parts: tuple[str, ...]) -> str:
    """Hash of the source files below these folders of the packages."""
    files = sorted(p for part in parts for p in (ROOT / part).rglob("*") if p.suffix in SOURCES)
    return _digest([[str(p.relative_to(ROOT)), file_sha256(p)] for p in files])
