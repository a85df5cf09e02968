"""irnn sweep --scheduler: a real Dask cluster on loopback, of which a worker is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from test_sweep import SMALL, irnn

from golden.errors import InputError
from irnn_hw.sweep.cluster import ClusterExecutor

SECONDS = 60


@contextmanager
def process(*command, log):
    """A process of this test alone, ended with it."""
    with log.open("wb") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextmanager
def scheduler(folder):
    """Its address."""
    file = folder / "scheduler.json"
    command = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
               "--no-dashboard", "--no-show", "--scheduler-file", str(file))  # fmt: skip
    with process(*command, log=folder / "scheduler.log"):
        yield _eventually(lambda: file.exists() and json.loads(file.read_text())["address"])


def worker(folder, address, name):
    command = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny",
               "--no-dashboard", "--name", name, "--local-directory", str(folder))  # fmt: skip
    return process(*command, log=folder / f"{name}.log")


def _eventually(found):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.05)
    pytest.fail(f"not within {SECONDS} s")


def test_nothing_is_lost_with_a_worker(tmp_path):
    local = tmp_path / "local"
    irnn(*SMALL, "-o", local)
    far = tmp_path / "far"
    with (
        scheduler(tmp_path) as address,
        worker(tmp_path, address, "a") as victim,
        worker(tmp_path, address, "b") as other,
    ):
        for name in "ab":
            _eventually(lambda n=name: "Registered to" in (tmp_path / f"{n}.log").read_text())
        os.kill(victim.pid, signal.SIGSTOP)  # what it is given it keeps, until it is killed
        with process("irnn_hw.cli", "sweep", *SMALL, "-o", str(far), "--scheduler", address,
                     log=tmp_path / "sweep.log") as sweep:  # fmt: skip
            _eventually(lambda: list((far / "cache" / "steps").glob("fit-*.json")))
            assert sweep.poll() is None
            os.kill(victim.pid, signal.SIGKILL)
            sweep.wait(SECONDS)
        assert sweep.returncode == 0, (tmp_path / "sweep.log").read_text()
        assert other.poll() is None
    for name in ("sweep.json", "sweep.csv", "index.html", "sigmoid-error.png"):
        assert (far / name).read_bytes() == (local / name).read_bytes()


def test_a_cluster_without_workers_is_refused(tmp_path):
    with scheduler(tmp_path) as address, pytest.raises(InputError, match="has no workers; start"):
        ClusterExecutor(address)


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch):
    monkeypatch.setattr("irnn_hw.sweep.cluster.SECONDS", 1)
    with pytest.raises(InputError, match=r"scheduler: nothing answers at 127\.0\.0\.1:1; start"):
        ClusterExecutor("127.0.0.1:1")
