"""What a model is tested on: the text, or the speech, that its training does not see."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.errors import InputError
from golden.feed import Feed
from golden.model import SEQUENCE, IntModel
from golden.operations import Input
from irnn_hw.data import digits, words
from irnn_hw.data.corpus import Corpus
from irnn_hw.inputs import read_inputs

Int64 = NDArray[np.int64]
Feeds = dict[str, Feed]

STREAMS = 32  # parallel: the golden model is faster by the batch
CHUNK = 256  # time steps whose tensors are held at once
WORD_STREAMS, WORD_CHUNK = 20, 35  # of words, a step of which has tens of thousands of logits
STRINGS = 50  # spoken strings at once: of as many, attention holds every pair of steps


def held_out_streams(corpus: Corpus, streams: int = STREAMS) -> tuple[Int64, Int64]:
    """Inputs and targets (streams, T): the held-out text cut into streams of one length.

    Each starts from the zero state. Raises InputError for a text shorter than two a stream.
    """
    codes = corpus.encode(corpus.held_out)
    if len(codes) <= streams:
        raise InputError(
            f"held-out text: {len(codes)} characters for {streams} streams; give a longer corpus"
        )
    return _cut(codes, streams)


def character_streams(model: IntModel, corpus: Corpus) -> tuple[Int64, Int64]:
    """`held_out_streams`, of the corpus of a character model.

    Raises InputError for a model of other characters, or of none."""
    if model.metadata.get("vocabulary") != corpus.vocabulary:
        raise InputError(
            f"corpus {corpus.name}: its characters are not the model's vocabulary; give the corpus "
            "that the model was trained on"
        )
    return held_out_streams(corpus)


def word_chunks(model: IntModel, folder: Path | None) -> list[tuple[Int64, Int64]]:
    """Inputs and targets (WORD_STREAMS, T) of the test part of the word corpus that the model was
    trained on, below `folder`: streams in chunks that go on one from another.

    Raises InputError for another corpus."""
    corpus = words.load_words(model.metadata["corpus"], folder)
    if corpus.sha256 != model.metadata["corpus_sha256"]:
        raise InputError(f"corpus {corpus.name}: not the one that the model was trained on")
    inputs, targets = _cut(corpus.test.astype(np.int64), WORD_STREAMS)
    chunks = (slice(n, n + WORD_CHUNK) for n in range(0, inputs.shape[1], WORD_CHUNK))
    return [(inputs[:, chunk], targets[:, chunk]) for chunk in chunks]


def spoken_strings(model: IntModel, folder: Path | None) -> list[digits.Spoken]:
    """The strings of digits that the model was tested on, of recordings below `folder`."""
    recordings, of = digits.load_digits(folder), model.metadata
    voices = digits.held_out(recordings, of["speaker"], of["snr"], (0, 0))["test"]
    return digits.strings(recordings, voices, of["strings"], digits.STRINGS_SEED)


def text_parts(model: IntModel, corpus: Corpus, steps: int = CHUNK) -> list[Feeds]:
    """The held-out text in streams, cut into parts of `steps` that go on one from another."""
    tokens, _ = character_streams(model, corpus)
    starts = range(0, tokens.shape[1], steps)
    return [{SEQUENCE: Feed(tokens[:, n : n + steps])} for n in starts]


def word_parts(model: IntModel, folder: Path | None) -> list[Feeds]:
    """`word_chunks`, as feeds."""
    return [{SEQUENCE: Feed(tokens)} for tokens, _ in word_chunks(model, folder)]


def digit_parts(model: IntModel, folder: Path | None) -> list[Feeds]:
    """`spoken_strings` with real features, some at once; each starts anew."""
    said = sorted(spoken_strings(model, folder), key=lambda s: len(s.features))
    return [digits.spelled(said[n : n + STRINGS]) for n in range(0, len(said), STRINGS)]


def input_parts(model: IntModel, path: Path) -> list[Feeds]:
    """Vectors of a file, as the one part of the one input of the model."""
    named = [
        (scan.sequence, op.output)
        for scan in model.scans
        for op in scan.operations
        if isinstance(op, Input)
    ]
    if len(named) != 1:
        raise InputError(f"model: {len(named)} inputs of vectors; --inputs is for one of them")
    ((sequence, name),) = named
    return [{sequence: Feed(inputs={name: read_inputs(path, model.tensors[name].length)})}]


# By the task that the metadata of a recipe's model names.
PARTS: Mapping[str, Callable[[IntModel, Path | None], list[Feeds]]] = {
    words.TASK: word_parts,
    digits.TASK: digit_parts,
}


def task_of(model: IntModel) -> str | None:
    """Of PARTS; None of a model of characters, or of what its user alone knows."""
    task = model.metadata.get("task")
    return task if task in PARTS else None


def _cut(codes: Int64, streams: int) -> tuple[Int64, Int64]:
    """Inputs and targets (streams, T) of codes (N,); what does not fill the streams is left."""
    length = (len(codes) - 1) // streams
    inputs, targets = (
        part[: streams * length].reshape(streams, length) for part in (codes, codes[1:])
    )
    return inputs, targets
