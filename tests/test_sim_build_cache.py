import multiprocessing
import os
from pathlib import Path

import pytest

from golden.errors import InputError
from sim import build_cache

SOURCES = {"a.v": "module a; endmodule\n"}


def product(work: Path, folder: Path) -> None:
    (work / "build.log").write_text("made\n")
    (folder / "product").write_text((work / "a.v").read_text())
    with (folder.parents[1] / "made").open("a") as count:
        count.write("x")


def make(cache: Path, sources=SOURCES, toplevel="a", key=None) -> build_cache.Build:
    return build_cache.build_once("a", sources, toplevel, key or {}, product, cache=cache)


def test_the_same_is_made_once(tmp_path):
    first, second = make(tmp_path), make(tmp_path)
    assert not first.cached
    assert second.cached
    assert first.folder == second.folder
    assert sorted(p.name for p in first.folder.iterdir()) == ["a.v", "build.log", "product"]
    assert (tmp_path / "made").read_text() == "x"


def test_whatever_it_depends_on_makes_another(tmp_path, monkeypatch):
    folders = {
        make(tmp_path).folder,
        make(tmp_path, {"a.v": "module a; wire b; endmodule\n"}).folder,
        make(tmp_path, toplevel="b").folder,
        make(tmp_path, key={"waves": True}).folder,
    }
    monkeypatch.setattr(build_cache, "CXX_FLAGS", "-O3")
    folders.add(make(tmp_path).folder)
    monkeypatch.setattr(build_cache, "_compiler", lambda: "another processor")
    folders.add(make(tmp_path).folder)
    monkeypatch.setattr(build_cache.metadata, "version", lambda name: "0")
    folders.add(make(tmp_path).folder)
    assert len(folders) == 7


def test_a_failed_build_leaves_nothing(tmp_path):
    def fail(work, folder):
        (folder / "half").write_text("")
        raise build_cache.BuildError("stopped")

    with pytest.raises(build_cache.BuildError, match="stopped"):
        build_cache.build_once("a", SOURCES, "a", {}, fail, cache=tmp_path)
    assert [p.suffix for p in tmp_path.iterdir()] == [".lock"]
    assert not make(tmp_path).cached


def test_processes_wait_for_the_one_that_builds(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=make, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0, 0, 0]
    assert (tmp_path / "made").read_text() == "x"


def test_the_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IRNN_CACHE", raising=False)
    assert build_cache.cache_folder() == tmp_path / "build" / "sim"
    monkeypatch.setenv("IRNN_CACHE", str(tmp_path / "there"))
    assert build_cache.cache_folder() == tmp_path / "there"


def test_a_missing_compiler_is_bad_input(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    build_cache._compiler.cache_clear()
    build_cache._ensure_tools.cache_clear()
    try:
        with pytest.raises(InputError, match=r"c\+\+: needed a C\+\+20 compiler"):
            make(tmp_path / "cache")
    finally:
        build_cache._compiler.cache_clear()
        build_cache._ensure_tools.cache_clear()


def test_a_failed_command_tells_what_it_said(tmp_path):
    script = "print('%Error: a.v:3: no such thing'); print('more'); raise SystemExit(1)"
    with pytest.raises(build_cache.BuildError) as error:
        build_cache.run_logged(["python", "-c", script], tmp_path)
    assert str(error.value) == "%Error: a.v:3: no such thing"
    with pytest.raises(build_cache.BuildError, match="only this"):
        build_cache.run_logged(["python", "-c", "raise SystemExit('only this')"], tmp_path)


def test_a_command_sees_its_request_and_its_environment(tmp_path):
    script = "import json, os, sys; print(json.load(sys.stdin), os.environ['EXTRA'])"
    build_cache.run_logged(["python", "-c", script], tmp_path, {"a": 1}, {"EXTRA": "yes"})
    assert (tmp_path / "build.log").read_text() == "{'a': 1} yes\n"
    assert "EXTRA" not in os.environ
