"""irnn_hw.interrupt: Ctrl-C ends a command soon, in one line; test_sweep.py interrupts one."""

import signal
import subprocess
import sys
import time

# A pool waits for what its threads do: here longer than the test.
WAITS = """
import time
from concurrent.futures import ThreadPoolExecutor
from irnn_hw.interrupt import interruptible
with interruptible(), ThreadPoolExecutor(1) as pool:
    pool.submit(time.sleep, 600)
    print("ready", flush=True)
"""


def test_an_end_waits_for_no_thread():
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert time.monotonic() - start < 30
    assert process.returncode == 130
    assert said.splitlines() == [
        "interrupted: what is done is kept; the same command goes on from there"
    ]
