"""Training in four phases: full precision, ranges, quantized with tables, quantized with PWL."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from golden.errors import InputError
from irnn_hw.qat import checkpoint
from irnn_hw.qat.config import Schedule
from irnn_hw.qat.training_state import Score, Trainee, TrainingState

# phase, steps done in it, its steps, the last loss in bits
Progress = Callable[[str, int, int, float], None]


@dataclass(frozen=True)
class TrainResult:
    """By phase. losses: bits of every step. scores: steps done and score, every `score_every`
    steps. seconds: wall time of training."""

    losses: dict[str, list[float]]
    scores: dict[str, list[tuple[int, float]]]
    seconds: dict[str, float]


def run_phases(
    config: Schedule,
    make: Callable[[], Trainee],
    path: Path,
    progress: Progress | None = None,
    start: Path | None = None,
    score: Score | None = None,
) -> TrainResult:
    """Train to the end, from the checkpoint at `path` where there is one, and leave it there.

    make: the trainee; seeds are set before. start: a finished checkpoint, whose weights and ranges
    it begins with. An interrupted run that is called again gives the numbers of one that was not.
    Processes that have joined (`distributed`) train as one; the first writes the checkpoint. The
    weights of the last step are the result: nothing is chosen on held-out data. Raises
    InputError for a checkpoint that is broken, of another run or not finished, for a loss, gradient
    or range that is not finite, and for integers without ranges.
    """
    with threads(config.threads):
        torch.manual_seed(config.seed)
        run = TrainingState(config, make(), score)
        if start is not None:
            run.start(checkpoint.load(start), start)
        if run.processes.first:
            checkpoint.remove_unfinished(path)
        if path.exists():
            run.restore(checkpoint.load(path), path)
        run.processes.agree("what they begin with and where", run.position)
        while not run.finished:
            if config.steps(run.phase) == 0:
                if run.end_phase() and run.finished:
                    run.save(path)
                continue
            started = time.perf_counter()
            try:
                loss = run.advance()
            except InputError as error:
                raise InputError(f"{run.phase} phase: {error}") from error
            run.seconds[run.phase] += time.perf_counter() - started
            if progress is not None:
                progress(run.phase, run.step, config.steps(run.phase), loss)
            ended = run.end_phase()
            if ended or run.step % config.checkpoint_every == 0:
                run.save(path)
    return TrainResult(run.losses, run.scores, run.seconds)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch on `count` threads, inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
