"""A run of the tiny recipe undisturbed, and one that is killed again and again: `FOLDER SEED`.

Each is a process that is forked, so that torch is imported once. Prints how each has ended."""

import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import tiny_recipe

WHOLE, PARTS = "whole", "parts"  # folders
IMPORTED = ("irnn_hw.cli", "irnn_hw.training", "irnn_hw.qat.trials", "torch._dynamo")


def trained(folder: Path, how: str, before: Callable[[], None]) -> tuple[int, float]:
    """The command that trains in the folder: its exit code, negative for the signal that killed it,
    and the seconds of CPU that it took. before: called there at first."""
    child = os.fork()
    if child == 0:
        try:
            os.chdir(folder)
            sys.argv[1:] = tiny_recipe.train()
            before()
            tiny_recipe.main()
        except SystemExit as end:
            os._exit(end.code)
        finally:
            os._exit(1)
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    print(how, code, flush=True)
    return code, used.ru_utime + used.ru_stime


def kill(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(seconds: float) -> None:
    """This process kills itself after these seconds of CPU."""
    signal.signal(signal.SIGPROF, kill)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def kill_at_write(count: int, share: float) -> None:
    """This process kills itself in its n-th write of a file, when that share of it is written."""
    fdopen, left = os.fdopen, iter(range(count))

    def opened(handle, mode):
        def write(data):
            os.write(handle, data[: int(share * len(data))])
            kill()

        last = next(left, None) == count - 1
        return nullcontext(SimpleNamespace(write=write)) if last else fdopen(handle, mode)

    os.fdopen = opened


def main(folder: Path, rng: random.Random) -> None:
    for name in IMPORTED:
        import_module(name)
    import_module("irnn_hw.qat.compiled").available()  # builds the engine
    code, seconds = trained(folder / WHOLE, "undisturbed", lambda: None)
    in_a_write, parts = False, folder / PARTS
    while True:
        in_a_write = not in_a_write
        if in_a_write:
            before = partial(kill_at_write, rng.randint(3, 6), rng.random())
            code, _ = trained(parts, "in a write", before)
        else:
            moment = rng.uniform(0.01, 0.25) * seconds
            code, _ = trained(parts, "at any time", partial(kill_after, moment))
        if code != -signal.SIGKILL:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), random.Random(int(sys.argv[2])))
