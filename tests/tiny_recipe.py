"""A recipe of seconds on a corpus of its own, and a command line that knows that corpus."""

import hashlib
from pathlib import Path

import numpy as np

from irnn_hw.data import words
from irnn_hw.data.words import Source

CACHE = str(Path(__file__).parents[1] / "build" / "sim")  # of the engine
RECIPE = """
title = "tiny"
source = "none"
seeds = [1]
[data]
corpus = "ptb"
batch = 4
window = 5
[network]
kind = "norm-lstm"
size = 8
dropout = 0.2
[schedule]
checkpoint_every = 3
float_rate = 1e-2
[[runs]]
name = "float"
float_epochs = 1
[[runs]]
name = "quantized"
from = "float"
range_steps = 4
lut_steps = 4
pwl_steps = 9
pieces = 4
averaging = 0.5
"""


def texts() -> dict[str, str]:
    """Lines of words, of which each follows from the one before most of the time."""
    rng, found = np.random.default_rng(1), {}
    for part, count in (("train", 400), ("valid", 320), ("test", 330)):
        said = list(range(12))  # all of them
        while len(said) < count:
            said.append((5 * said[-1] + 1) % 12 if rng.random() < 0.9 else int(rng.integers(12)))
        lines = (said[n : n + 8] for n in range(0, count, 8))
        found[part] = "".join(" ".join(f"w{word}" for word in line) + "\n" for line in lines)
    return found


def sources() -> dict[str, Source]:
    """The corpora, of which ptb is `texts`."""
    digests = {part: hashlib.sha256(text.encode()).hexdigest() for part, text in texts().items()}
    return {"ptb": Source("{}.txt", "nowhere", digests)}


def write(folder: Path, recipe: str = RECIPE) -> None:
    """The corpus and tiny.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, text in texts().items():
        (folder / f"{part}.txt").write_text(text)
    (folder / "tiny.toml").write_text(recipe)


def train(*options: str) -> list[str]:
    """Arguments of the command that trains, in the folder, what `write` wrote."""
    where = ["--data", ".", "--folder", "run", "--results", "results"]
    return ["train", "--recipe", "tiny.toml", *where, *options]


def main() -> None:
    """The command line."""
    from irnn_hw.cli import main

    words.SOURCES.update(sources())
    main()


if __name__ == "__main__":
    main()
