"""Connected digits: strings of recordings of the Free Spoken Digit Dataset, in noise, as features.

A string is spoken by one speaker, its recordings one after another with gaps between. Its features
are log-mel energies, four frames of 10 ms side by side, normalized over the string. Everything is
drawn from a seed.
"""

import hashlib
import io
import wave
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from golden.container import read_bytes
from golden.errors import InputError
from golden.feed import Feed
from irnn_hw.data.words import data_folder

TASK = "digits"  # in the metadata of models of strings of digits
DIGITS = 10
RATE = 8000  # samples a second
WINDOW, HOP = 200, 80  # samples: 25 ms and 10 ms
POINTS = 256  # of the Fourier transform
BANDS = 32
STACKED = 4  # frames a step of the network: 40 ms
FEATURES = BANDS * STACKED
GAP = 0.2  # seconds: the longest before, between and after digits
LONGEST = 7  # digits of a string
TESTED = 5  # takes: the first ones are the data set's own test part
SPEECH, TEXT = "speech", "text"  # sequences of a network
END = DIGITS  # the symbol before the first digit and after the last
SYMBOLS = DIGITS + 1
PADDED = 16  # steps: lengths of speech are multiples, so that few tapes are made (`compiled`)
STRINGS_SEED = 1  # of the strings that are scored: the same for all networks
FLOOR = 1e-8  # of an energy: below that of one bit of 16

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """Recordings `pattern` below the folder: of each speaker and digit as many takes. digest:
    SHA-256 of all of them."""

    speakers: tuple[str, ...]
    takes: int
    digest: str
    pattern: str = "fsdd/recordings/{digit}_{speaker}_{take}.wav"
    origin: str = "recordings of github.com/Jakobovski/free-spoken-digit-dataset"


FSDD = Source(
    ("george", "jackson", "lucas", "nicolas", "theo", "yweweler"),
    45,
    "8254db4b3c9cc6e15a2ab03e07b4663cde5c5a2dc86d72985ef836197fa0bd5f",
)


@dataclass(frozen=True)
class Recordings:
    """takes[speaker, digit]: samples in -1..1 of each take. sha256: identifies all of them."""

    takes: dict[tuple[str, int], tuple[Float32, ...]]
    sha256: str

    @property
    def speakers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(speaker for speaker, _ in self.takes))


@dataclass(frozen=True)
class Voices:
    """Who speaks, and which of their takes. snr: from the lowest to the highest, dB; that of a
    string is the power of its recordings over that of white noise.

    What makes others of them, in training: stretch: recordings are played at a speed drawn from
    1 / (1 + stretch) to 1 + stretch, pitch and all, and their bands moved by as much. masked: two
    groups of up to as many bands are put at the mean (SpecAugment, Park et al. 2019).
    """

    speakers: tuple[str, ...]
    takes: range
    snr: tuple[float, float]
    stretch: float = 0.0
    masked: int = 0


@dataclass(frozen=True)
class Spoken:
    """features (T, FEATURES), T steps of 40 ms, of a string of digits."""

    features: Float32
    digits: tuple[int, ...]


def load_digits(folder: Path | None = None, source: Source = FSDD) -> Recordings:
    """The recordings below `folder`, or below $IRNN_DATA.

    Raises InputError for a folder that is not told, a recording that is missing, is no WAV file of
    8 kHz, 16 bits and one channel, or is not the published one.
    """
    folder, digest = data_folder(folder), hashlib.sha256()
    takes = {}
    for speaker in source.speakers:
        for digit in range(DIGITS):
            found = []
            for take in range(source.takes):
                path = folder / source.pattern.format(digit=digit, speaker=speaker, take=take)
                data = _read(path, source)
                digest.update(hashlib.sha256(data).digest())
                found.append(_samples(data, path))
            takes[speaker, digit] = tuple(found)
    if digest.hexdigest() != source.digest:
        raise InputError(f"digits: those below {folder} are not the {source.origin}")
    return Recordings(takes, digest.hexdigest())


def _read(path: Path, source: Source) -> bytes:
    if not path.is_file():
        raise InputError(f"digits: {path} is missing; take it from the {source.origin}")
    return read_bytes(path, "recording")


def _samples(data: bytes, path: Path) -> Float32:
    try:
        with wave.open(io.BytesIO(data)) as file:
            form = file.getframerate(), 8 * file.getsampwidth(), file.getnchannels()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise InputError(f"digits: {path} is no WAV file: {str(error) or 'it ends'}") from error
    if form != (RATE, 16, 1):
        raise InputError(
            f"digits: {path}: {form[0]} Hz, {form[1]} bits, {form[2]} channels; "
            f"{RATE} Hz, 16 bits, 1 channel expected"
        )
    return np.frombuffer(frames[: len(frames) // 2 * 2], "<i2").astype(np.float32) * np.float32(
        1 / (1 << 15)
    )


def held_out(
    recordings: Recordings,
    speaker: str,
    snr: float,
    noisy: tuple[float, float],
    stretch: float = 0.0,
    masked: int = 0,
) -> dict[str, Voices]:
    """Voices of `train`, without the speaker; of `valid` and `test`, the speaker's, one take and
    the next in turn; of `known`, takes of the others that are not in train.

    snr: of all but train, dB. noisy, stretch, masked: of train. Raises InputError for another
    speaker.
    """
    if speaker not in recordings.speakers:
        raise InputError(f"speaker: {speaker!r}; choose {', '.join(recordings.speakers)}")
    others = tuple(s for s in recordings.speakers if s != speaker)
    takes = len(recordings.takes[speaker, 0])
    mine = Voices((speaker,), range(0, takes, 2), (snr, snr))
    return {
        "train": Voices(others, range(TESTED, takes), noisy, stretch, masked),
        "valid": replace(mine, takes=range(1, takes, 2)),
        "test": mine,
        "known": Voices(others, range(TESTED), (snr, snr)),
    }


def speak(
    recordings: Recordings, voices: Voices, digits: Sequence[int], rng: np.random.Generator
) -> Spoken:
    """A string of digits by one of the voices, in noise."""
    speaker = voices.speakers[rng.integers(len(voices.speakers))]
    speed = (1 + voices.stretch) ** rng.uniform(-1, 1)
    words = [
        _played(recordings.takes[speaker, digit][rng.choice(voices.takes)], speed)
        for digit in digits
    ]
    gaps = rng.integers(0, int(GAP * RATE), len(words) + 1)
    silence = [np.zeros(gap, np.float32) for gap in gaps]
    parts = [silence[0], *(x for pair in zip(words, silence[1:], strict=True) for x in pair)]
    power = np.mean(np.concatenate(words) ** 2)
    noise = np.sqrt(power * 10 ** (-rng.uniform(*voices.snr) / 10))
    samples = np.concatenate(parts)
    samples = samples + noise * rng.standard_normal(len(samples), np.float32)
    warp = round((1 + voices.stretch) ** rng.uniform(-1, 1), 2)
    found = features(samples, warp).reshape(-1, STACKED, BANDS)
    for _ in range(2):
        count = rng.integers(voices.masked + 1)
        first = rng.integers(BANDS + 1 - count)
        found[..., first : first + count] = 0
    return Spoken(found.reshape(-1, FEATURES), tuple(digits))


def strings(recordings: Recordings, voices: Voices, count: int, seed: int) -> list[Spoken]:
    """`count` strings of 1..LONGEST digits."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, LONGEST + 1, count)
    return [speak(recordings, voices, rng.integers(0, DIGITS, n).tolist(), rng) for n in sizes]


def heard(spoken: Sequence[Spoken]) -> Feed:
    """The features of strings, padded at the end."""
    lengths = np.array([len(s.features) for s in spoken])
    steps = -(-int(lengths.max()) // PADDED) * PADDED
    features = np.zeros((len(spoken), steps, FEATURES), np.float32)
    for row, s in zip(features, spoken, strict=True):
        row[: len(s.features)] = s.features
    return Feed(None, {"features": features}, lengths)


def spelled(spoken: Sequence[Spoken]) -> dict[str, Feed]:
    """Strings as they are heard, and what a decoder reads of them: END, then the digits."""
    lengths = np.array([1 + len(s.digits) for s in spoken])
    tokens = np.full((len(spoken), lengths.max()), END)
    for row, s in zip(tokens, spoken, strict=True):
        row[1 : 1 + len(s.digits)] = s.digits
    return {SPEECH: heard(spoken), TEXT: Feed(tokens, lengths=lengths)}


def _played(samples: Float32, speed: float) -> Float32:
    """At another speed, by linear interpolation."""
    if speed == 1:
        return samples
    at = np.arange(0, len(samples) - 1, speed)
    played: Float32 = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return played


def features(samples: Float32, warp: float = 1.0) -> Float32:
    """(T, FEATURES) of samples, of mean 0 and deviation 1: how loud a string is tells nothing."""
    energies = log_mel(samples, warp)
    energies -= energies.mean()
    energies /= max(energies.std(), 1e-3)
    steps = len(energies) // STACKED
    return energies[: steps * STACKED].reshape(steps, FEATURES)


def log_mel(samples: Float32, warp: float = 1.0) -> Float32:
    """Log energies (frames, BANDS) of windows of 25 ms every 10 ms."""
    short = WINDOW + (STACKED - 1) * HOP - len(samples)
    padded = np.pad(samples, (0, max(0, short)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), POINTS)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    energies: Float32 = np.log(power @ mel_bands(warp).T + np.float32(FLOOR))
    return energies


@cache
def mel_bands(warp: float = 1.0) -> Float32:
    """Triangles (BANDS, bins) between equal steps of the mel scale, 2595 log10(1 + f / 700)."""
    highest = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, BANDS + 2) / 2595) - 1) * warp
    bins = np.fft.rfftfreq(POINTS, 1 / RATE)
    low, centre, high = (edges[n : n + BANDS, np.newaxis] for n in range(3))
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    triangles: Float32 = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return triangles
