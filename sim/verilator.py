"""Builds Verilog with Verilator, once for each content, and runs cocotb tests on it.

cocotb's runner works in a process of its own: it takes its settings from the environment, behaves
differently under pytest, and ends the process when a simulation fails.
"""

import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from sim.build_cache import CXX_FLAGS, WAIVERS, Build, BuildError, build_once, errors_of, run_logged

# cocotb makes every signal public; the ports alone are enough, and two to three times faster.
_PORTS_ONLY = ["--no-public-flat-rw", "--public-depth", "1"]
# -P: the working directory is no place to import from.
_RUNNER = [
    sys.executable,
    "-P",
    "-c",
    """
import json, sys
from cocotb_tools.runner import get_runner
step, arguments = json.load(sys.stdin)
getattr(get_runner("verilator"), step)(**arguments)
""",
]


@dataclass(frozen=True, slots=True)
class CocotbResult:
    """What a simulation did. message is empty exactly when every test ran and passed.

    tests: tests that ran. failed: those that did not pass. folder: the working directory, with
    sim.log, results.xml, dump.vcd (waves) and what the test module wrote.
    """

    tests: int
    failed: int
    message: str
    seconds: float
    folder: Path

    @property
    def ok(self) -> bool:
        return not self.message

    @property
    def waves(self) -> Path | None:
        """The recorded waves, where there are any."""
        path = self.folder / "dump.vcd"
        return path if path.is_file() else None


def build(
    name: str,
    sources: Mapping[str, str],
    toplevel: str,
    *,
    waves: bool = False,
    cache: Path | None = None,
) -> Build:
    """A cocotb simulation of `toplevel`; nothing is built when the same was built before.

    sources: file name (.v, .sv) -> text. waves: able to record VCD. cache: see cache_folder.
    Raises BuildError when Verilator or the compiler stops, InputError when a tool is missing.
    """

    def make(folder: Path, product: Path) -> None:
        arguments = {
            "sources": [str(folder / name) for name in (WAIVERS.name, *sources)],
            "hdl_toplevel": toplevel,
            "build_dir": str(folder),
            "build_args": ["-Wall", *_PORTS_ONLY, "-CFLAGS", CXX_FLAGS],
            "waves": waves,
        }
        run_logged(_RUNNER, folder, ("build", arguments))
        shutil.copy2(folder / toplevel, product / toplevel)

    key = {"kind": "cocotb", "flags": _PORTS_ONLY, "waves": waves}
    return build_once(name, sources, toplevel, key, make, waves=waves, cache=cache)


def run_cocotb(build: Build, module: str, env: Mapping[str, str], folder: Path) -> CocotbResult:
    """Run every test of the Python module `module` on a build; never raises for a failed run.

    env: added to the simulation's environment. folder: the working directory, made when missing.
    A crash, no results, and no test at all are failures. With a build that has waves, they are
    recorded.
    """
    start = time.perf_counter()
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "results.xml"
    for stale in (results, folder / "dump.vcd"):
        stale.unlink(missing_ok=True)
    arguments = {
        "test_module": module,
        "hdl_toplevel": build.toplevel,
        "hdl_toplevel_lang": "verilog",
        "build_dir": str(build.folder),
        "test_dir": str(folder),
        "results_xml": str(results),
        "waves": build.waves,
    }
    crash = ""
    try:
        run_logged(_RUNNER, folder, ("test", arguments), env, log="sim.log")
    except BuildError as error:
        crash = f"the simulation crashed:\n{error}"
    tests, failures = _read_results(results)
    if not tests and not crash:
        crash = f"no test was run:\n{errors_of(folder / 'sim.log')}"
    message = "; ".join(failures) or crash
    return CocotbResult(tests, len(failures), message, time.perf_counter() - start, folder)


def _read_results(path: Path) -> tuple[int, list[str]]:
    """Number of tests that ran, and a line for each that failed."""
    if not path.is_file():
        return 0, []
    cases = [c for c in ElementTree.parse(path).iter("testcase") if c.find("skipped") is None]
    failures = []
    for case in cases:
        bad = [e for e in case if e.tag in ("failure", "error")]
        failures += [f"{case.get('name')}: {bad[0].get('message')}"] if bad else []
    return len(cases), failures
