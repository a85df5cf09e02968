"""Ctrl-C: one line that says how to go on, and an end that waits for nobody."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from irnn_hw.console import console

EXIT_CODE = 130  # 128 + SIGINT, as shells have it, and Typer
SECONDS = 2.0  # to unwind in: a pool of threads would wait for all of its simulations
_said = threading.Event()


@contextmanager
def interruptible() -> Iterator[None]:
    """Here a Ctrl-C unwinds, and ends the process where that takes long; either way in one line."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        _say()
        sys.exit(EXIT_CODE)
    except SystemExit as end:
        if end.code == EXIT_CODE:
            _say()
        raise


def _say() -> None:
    """Once: the end may still have to be waited for."""
    if not _said.is_set():
        _said.set()
        console.print("interrupted: what is done is kept; the same command goes on from there")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one ends at once
    threading.excepthook = lambda _: None  # what threads stumble over now tells nothing
    timer = threading.Timer(SECONDS, _end)
    timer.daemon = True
    timer.start()
    raise KeyboardInterrupt


def _end() -> NoReturn:
    """Whole files are all there is on disk: each is written at once."""
    console.show_cursor()  # which a progress bar hides
    _say()
    os._exit(EXIT_CODE)
