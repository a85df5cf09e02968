"""What a regression runs, and what comes back."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's outcome; a mismatch is reported with the first difference in `message`.

    words: compared with golden. differing: wrong, missing or surplus. cycles: simulated. seconds:
    builds included. message: empty when nothing is wrong.
    """

    name: str
    words: int
    differing: int
    cycles: int
    seconds: float
    message: str

    @property
    def ok(self) -> bool:
        """Nothing wrong, and something compared."""
        return not self.message and self.differing == 0 and self.words > 0

    @property
    def problem(self) -> str:
        """What to tell when not ok."""
        if self.ok:
            return ""
        return self.message or (
            f"{self.differing} words differ" if self.differing else "no words were compared"
        )


@dataclass(frozen=True, slots=True)
class Check:
    """A named comparison with golden, run in a process of its own.

    run: (folder for its files, seed, record waves) -> result. It has to be picklable: a function of
    a module, or a functools.partial of one. What it raises counts as a failure.
    """

    name: str
    run: Callable[[Path, int, bool], CheckResult]
