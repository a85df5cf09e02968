"""What recipes train: a corpus, its networks, and what is measured of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from golden.errors import InputError
from golden.feed import Feed
from irnn_hw.data import digits, words
from irnn_hw.data.digits import STRINGS_SEED, SYMBOLS, Spoken, held_out, load_digits, strings
from irnn_hw.data.words import load_words
from irnn_hw.held_out import STRINGS
from irnn_hw.qat.language import perplexity
from irnn_hw.qat.scans import Run
from irnn_hw.qat.speech import SPEECH_NETWORKS, decode, speech_task
from irnn_hw.qat.streams import Streams
from irnn_hw.qat.trainee import Model, Task, language_task
from irnn_hw.quant.network import Network
from irnn_hw.recipes.networks import SEQUENCE, WORD_NETWORKS, build
from irnn_hw.recipes.recipe import Recipe, check_fields, check_type
from irnn_hw.recognition import word_errors


class Experiment(Protocol):
    """A corpus, and what is trained on it and measured.

    sha256: of the corpus. metric: what `score` gives, lower is better. units: trained in a step,
    and what they are called. epoch: steps of one pass. parts: of the corpus, validation first.
    """

    sha256: str
    metric: str
    units: tuple[int, str]
    epoch: int
    parts: Sequence[str]

    def network(self, seed: int, parameters: Mapping[str, Any]) -> Network:
        """With random weights. Raises InputError for parameters that there are not."""

    def task(self, network: Network, seed: int, fresh: bool) -> Task:
        """Its training. fresh: from random weights."""

    def score(self, model: Model, part: str) -> float:
        """Of the network in evaluation."""


class Words:
    """A word language model: the next word from those before it, in streams read in windows."""

    metric = "perplexity"
    parts: Sequence[str] = ("valid", "test")

    def __init__(self, folder: Path | None, corpus: str, batch: int, window: int):
        self.corpus = load_words(corpus, folder)
        self.batch, self.window, self.sha256 = batch, window, self.corpus.sha256
        self.source, self.units = f"corpus {corpus}", (batch * window, "words")
        self.epoch = Streams.of(self.corpus.train, batch, window, self.source).windows

    def network(self, seed: int, parameters: Mapping[str, Any]) -> Network:
        return build(WORD_NETWORKS, seed, len(self.corpus.vocabulary), **parameters)

    def task(self, network: Network, seed: int, fresh: bool) -> Task:
        task = language_task(network, self.corpus.train, self.batch, self.window, self.source)
        of = {"corpus": self.corpus.name, "corpus_sha256": self.sha256}
        return replace(
            task, metadata={"task": words.TASK, **of, "vocabulary": list(self.corpus.vocabulary)}
        )

    def score(self, model: Model, part: str) -> float:
        def run(feed: Feed, states: Mapping[str, Tensor] | None) -> Run:
            return model.run({SEQUENCE: model.feed(feed)}, states)

        return perplexity(run, model.unit("logits"), getattr(self.corpus, part))


class Digits:
    """Strings of spoken digits, by a speaker that training does not hear, in noise.

    speaker: held out. snr: of what is scored of it, dB; known_snr: of the speakers that training
    hears, takes apart; lowest, highest: of training. stretch, masked: as of `Voices`. curriculum,
    smoothing: as of `speech_task`; a run that starts from another has no curriculum. strings:
    scored of each part. epoch: steps between scores.
    """

    metric = "word errors, %"

    def __init__(
        self,
        folder: Path | None,
        corpus: str,
        batch: int,
        speaker: str,
        snr: float,
        known_snr: float,
        lowest: float,
        highest: float,
        stretch: float,
        masked: int,
        curriculum: int,
        smoothing: float,
        strings: int,
        epoch: int,
    ):
        self.recordings = load_digits(folder)
        self.sha256, self.units, self.epoch = self.recordings.sha256, (batch, "strings"), epoch
        voices = held_out(self.recordings, speaker, snr, (lowest, highest), stretch, masked)
        known = replace(voices["known"], snr=(known_snr, known_snr))
        self.voices = {**voices, "known": known}
        self.parts: Sequence[str] = [part for part in self.voices if part != "train"]
        self._training = {"batch": batch, "smoothing": smoothing}
        self._curriculum, self._strings = curriculum, strings
        self._tested = {"speaker": speaker, "snr": snr, "strings": strings}
        self._heard: dict[str, list[Spoken]] = {}

    def network(self, seed: int, parameters: Mapping[str, Any]) -> Network:
        return build(SPEECH_NETWORKS, seed, SYMBOLS, **parameters)

    def task(self, network: Network, seed: int, fresh: bool) -> Task:
        curriculum = self._curriculum if fresh else 0
        task = speech_task(
            network,
            self.recordings,
            self.voices["train"],
            **self._training,
            curriculum=curriculum,
            seed=seed,
        )
        return replace(task, metadata={"task": digits.TASK, **self._tested})

    def score(self, model: Model, part: str) -> float:
        if part not in self._heard:
            of = self.voices[part]
            self._heard[part] = strings(self.recordings, of, self._strings, STRINGS_SEED)
        return word_errors(partial(decode, model), self._heard[part], STRINGS)


EXPERIMENTS: Mapping[str, Callable[..., Experiment]] = {
    "ptb": Words,
    "wikitext-2": Words,
    "digits": Digits,
}


def experiment(recipe: Recipe, folder: Path | None) -> Experiment:
    """That of a recipe, with its corpus below `folder`.

    Raises InputError for a corpus, or a field of [data], that there is not."""
    corpus = recipe.data["corpus"]
    check_type("data.corpus", corpus, str)
    if corpus not in EXPERIMENTS:
        raise InputError(f"data.corpus: {corpus!r}; choose {', '.join(EXPERIMENTS)}")
    check_fields("data", EXPERIMENTS[corpus], recipe.data, given=("folder",))
    return EXPERIMENTS[corpus](folder=folder, **recipe.data)
