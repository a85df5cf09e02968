"""Clock frequency of a design by place and route: nextpnr, results cached by content.

The frequency is that of the slowest path between two registers, of the unit's own or of the
harness around it: what the unit reaches between registers, with the part to itself.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from golden.container import write_atomic
from golden.errors import InputError
from irnn_hw.area.harness import NAME, harness, ports_of
from irnn_hw.area.target import Device, Target
from irnn_hw.area.yosys import Point, content_digest
from rtl.yosys import run_yosys

Progress = Callable[[int, int], None]  # (runs done, of how many)

CAVEAT = (
    "Fmax is that of the unit alone between registers, its reset left out: a bound for a design "
    "that holds more. It varies by several percent with the seed."
)
_OPTIONS = ("--timing-allow-fail", "--freq", "200")
_RUNNER = "import sys, {module} as tool; sys.exit(tool.run_{name}(sys.argv[1:]))"


def smallest_device(target: Target, needs: Mapping[str, float]) -> Device:
    """The smallest device of the target that holds the figures `needs`, else InputError."""
    for device in target.devices:
        if all(needs.get(figure, 0) <= most for figure, most in device.holds.items()):
            return device
    held = ", ".join(f"{needs.get(f, 0):,} of {n:,} {f}" for f, n in device.holds.items())
    raise InputError(f"pnr: {device.name} is too small ({held}); choose another target")


def check_placeable(targets: Sequence[Target]) -> None:
    """Raise InputError unless nextpnr places every target and is installed."""
    for target in targets:
        if not target.devices:
            raise InputError(
                f"pnr: target {target.name} is not placed and routed; give --target ecp5, ice40 or "
                "up5k"
            )
        for device in target.devices:
            tool_version(device.tool)


def tool_version(tool: str) -> str:
    """Version of the installed tool; raises InputError that says how to get it."""
    package = f"yowasp-{tool}"
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise InputError(
            f"pnr: {tool} is not installed; get the extra `pnr` (package {package}): "
            "python -m pip install -e '.[pnr]'"
        ) from None


def add_fmax(
    points: Sequence[Point],
    results: Sequence[dict[str, Any]],
    cache_dir: Path,
    seeds: int,
    jobs: int = 1,
    progress: Progress | None = None,
) -> None:
    """Add to each point's area result, as `pnr`, what place_and_route says of it."""
    for done, (point, result) in enumerate(zip(points, results, strict=True)):

        def report(run: int, _runs: int, before: int = done * seeds) -> None:
            if progress is not None:
                progress(before + run, len(points) * seeds)

        report(0, seeds)
        result["pnr"] = place_and_route(point, result["total"], cache_dir, seeds, jobs, report)


def place_and_route(
    point: Point,
    total: Mapping[str, float],
    cache_dir: Path,
    seeds: int = 1,
    jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Fmax of a point whose figures are `total`, by seeds 1, 2, ...: best, median, and each.

    Raises InputError when it fits no device of the target, YosysError when the synthesis stops.
    What cache_dir holds is not computed again.
    """
    device = smallest_device(point.target, total)
    files, script = _synthesis(point)
    version = tool_version(device.tool)
    options = (*device.arguments, *_OPTIONS)
    digest = content_digest(script, *files.values(), device.tool, version, *options)
    cached = {seed: cache_dir / f"{digest}-{seed}.json" for seed in range(1, seeds + 1)}
    missing = {seed: path for seed, path in cached.items() if not path.exists()}
    if missing:
        netlist = run_yosys(script, files, ("netlist.json",))["netlist.json"]
        _route_all(device, netlist, missing, jobs, progress)
    runs = [json.loads(path.read_text()) for path in cached.values()]
    return {
        "tool": device.tool,
        "version": version,
        "device": device.name,
        "arguments": list(options),
        "script": script,
        "sha256": digest,
        "caveat": CAVEAT,
        **_figures(runs),
    }


def _synthesis(point: Point) -> tuple[dict[str, str], str]:
    """What Yosys reads, and its script from there to netlist.json."""
    ports = ports_of(point.source, point.name)
    files = {"design.v": point.source, "harness.v": harness(point.name, ports)}
    synthesis = point.target.synthesis.format(top=NAME)
    script = f"read_verilog -sv design.v harness.v\n{synthesis}\nwrite_json netlist.json\n"
    return files, script


def _figures(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of the runs by seed: frequencies, and what the best one uses and is limited by."""
    frequencies = [run["fmax_mhz"] for run in runs]
    best = max(runs, key=lambda run: run["fmax_mhz"])
    return {
        "fmax_mhz": best["fmax_mhz"],
        "fmax_median_mhz": round(median(frequencies), 2),
        "fmax_mhz_by_seed": frequencies,
        "critical_path": best["critical_path"],
        "used_with_harness": best["used"],
    }


def _route_all(
    device: Device, netlist: str, paths: dict[int, Path], jobs: int, progress: Progress | None
) -> None:
    """Place and route by each seed, and write what came of it to its path."""
    # The first start of a tool compiles it: one alone, before several.
    _run(device.tool, ["--version"], Path.cwd())
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(_route, device, netlist, *item) for item in paths.items()]
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            if progress is not None:
                progress(done, len(futures))


def _route(device: Device, netlist: str, seed: int, path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="irnn-nextpnr-") as name:
        folder = Path(name)
        folder.joinpath("netlist.json").write_text(netlist)
        files = ["--json", "netlist.json", "--report", "report.json", "--seed", str(seed)]
        log = _run(device.tool, [*device.arguments, *_OPTIONS, *files], folder)
        report = folder / "report.json"
        if not report.exists():
            errors = [line for line in log.splitlines() if line.startswith("ERROR")]
            raise InputError(f"pnr: {device.tool} stopped: {(errors or [log[-500:]])[0]}")
        result = _read_report(json.loads(report.read_text()))
    write_atomic(path, json.dumps(result, indent=1) + "\n")


def _read_report(report: dict[str, Any]) -> dict[str, Any]:
    """Fmax in MHz, the cells where its path begins and ends, cells used by kind."""
    clock, fmax = min(report["fmax"].items(), key=lambda item: item[1]["achieved"])
    own = {f"{edge} {clock}" for edge in ("posedge", "negedge")}
    path = next(p["path"] for p in report["critical_paths"] if {p["from"], p["to"]} <= own)
    return {
        "fmax_mhz": round(fmax["achieved"], 2),
        "critical_path": [path[0]["from"]["cell"], path[-1]["to"]["cell"]],
        "used": {kind: n["used"] for kind, n in report["utilization"].items() if n["used"]},
    }


def _run(tool: str, arguments: Sequence[str], folder: Path) -> str:
    """The tool's log. Whether it did its work is told by the files that it leaves."""
    name = tool.replace("-", "_")
    runner = _RUNNER.format(module=f"yowasp_{name}", name=name)
    return subprocess.run(
        [sys.executable, "-c", runner, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    ).stdout
