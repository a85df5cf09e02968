"""irnn_hw.data.digits: recordings, strings of them in noise, features."""

import hashlib
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from golden.errors import InputError
from irnn_hw.data import digits
from irnn_hw.data.digits import (
    BANDS,
    FEATURES,
    FSDD,
    RATE,
    Recordings,
    Source,
    Voices,
    features,
    held_out,
    load_digits,
    log_mel,
    speak,
    strings,
)
from irnn_hw.data.words import DATA

TAKES = 6
LOUD = Voices(("a", "b"), range(TAKES), (60, 60))


def tone(hertz, seconds=0.2, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


def write(path, samples, rate=RATE, width=2, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())


@pytest.fixture
def small(tmp_path):
    """A folder and its source: two speakers, a tone a digit."""
    digest = hashlib.sha256()
    for n, speaker in enumerate("ab"):
        for digit in range(10):
            for take in range(TAKES):
                path = tmp_path / f"{digit}_{speaker}_{take}.wav"
                write(path, tone(300 + 300 * digit + 20 * n + 5 * take))
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return tmp_path, Source(("a", "b"), TAKES, digest.hexdigest(), "{digit}_{speaker}_{take}.wav")


def test_recordings_are_samples_of_16_bits(small, monkeypatch):
    found = load_digits(*small)
    assert found.speakers == ("a", "b")
    assert {len(takes) for takes in found.takes.values()} == {TAKES}
    expected = np.round(tone(300 + 900 + 20 + 5) * 32767) / 32768
    assert np.array_equal(found.takes["b", 3][1], expected.astype(np.float32))
    monkeypatch.setenv(DATA, str(small[0]))
    assert load_digits(source=small[1]).sha256 == found.sha256 == small[1].digest


def test_what_is_missing_or_not_published_is_told(small, monkeypatch):
    folder, source = small
    monkeypatch.delenv(DATA, raising=False)
    with pytest.raises(InputError, match=f"^data: no folder; give --data DIR, or set {DATA}$"):
        load_digits()
    (folder / "9_b_1.wav").write_bytes((folder / "9_b_0.wav").read_bytes())
    with pytest.raises(InputError, match=r"^digits: those below .* are not the recordings of git"):
        load_digits(folder, source)
    (folder / "9_b_1.wav").unlink()
    with pytest.raises(InputError, match=r"9_b_1\.wav is missing; take it from the recordings of"):
        load_digits(folder, source)
    with pytest.raises(InputError, match=r"fsdd.recordings.0_george_0\.wav is missing; take"):
        load_digits(folder)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"rate": 16000}, "16000 Hz, 16 bits, 1 channels"),
        ({"width": 1}, "8000 Hz, 8 bits, 1 channels"),
        ({"channels": 2}, "8000 Hz, 16 bits, 2 channels"),
    ],
)
def test_another_format_is_refused(small, form, message):
    write(small[0] / "4_a_0.wav", tone(500), **form)
    with pytest.raises(InputError, match=rf"4_a_0\.wav: {message}; 8000 Hz, 16 bits, 1 channel "):
        load_digits(*small)


@pytest.mark.parametrize("cut", [0, 3, 20, 40])
def test_a_broken_file_is_refused(small, cut):
    path = small[0] / "4_a_0.wav"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"^digits: .*4_a_0\.wav is no WAV file: \w+"):
        load_digits(*small)


def test_who_is_held_out_is_heard_in_no_training(small):
    parts = held_out(load_digits(*small), "a", 20, (5, 30), 0.1)
    assert parts["train"] == Voices(("b",), range(5, 6), (5, 30), 0.1)
    assert parts["valid"] == Voices(("a",), range(1, 6, 2), (20, 20))
    assert parts["test"] == Voices(("a",), range(0, 6, 2), (20, 20))
    assert parts["known"] == Voices(("b",), range(5), (20, 20))
    assert held_out(load_digits(*small), "b", 5, (5, 30), masked=3)["train"].masked == 3
    with pytest.raises(InputError, match=r"^speaker: 'c'; choose a, b$"):
        held_out(load_digits(*small), "c", 20, (5, 30), 0.1)


def test_strings_are_those_of_their_seed(small):
    recordings = load_digits(*small)
    some, again, others = (strings(recordings, LOUD, 20, seed) for seed in (1, 1, 2))
    assert [s.digits for s in some] == [s.digits for s in again] != [s.digits for s in others]
    assert all(np.array_equal(a.features, b.features) for a, b in zip(some, again, strict=True))
    assert {len(s.digits) for s in some} <= set(range(1, 8))
    for s in some:
        assert s.features.shape[1] == FEATURES
        said, most = 0.2 * len(s.digits), 0.2 * (2 * len(s.digits) + 1)
        assert said / 0.04 - 2 < len(s.features) < most / 0.04


@pytest.fixture
def spoken(small, monkeypatch):
    """Says digits; the samples."""
    recordings, heard = load_digits(*small), []

    def features(samples, warp):
        heard.append(samples)
        return np.zeros((1, FEATURES))

    monkeypatch.setattr(digits, "features", features)

    def say(said, voices, seed):
        speak(recordings, voices, said, np.random.default_rng(seed))
        return heard.pop()

    return say


def test_a_string_is_its_digits_one_after_another(spoken):
    """A tone lasts 0.2 s: of windows of 25 ms every 10 ms, 18 lie within it, 22 touch it."""
    said = (7, 2, 2, 9, 0)
    energies = log_mel(spoken(said, replace(LOUD, speakers=("a",), takes=range(1)), 3))
    bands = [log_mel(tone(300 + 300 * d).astype(np.float32))[5].argmax() for d in range(10)]
    order = energies.argmax(1)[energies.max(1) > 0].tolist()
    heard = [band for n, band in enumerate(order) if n == 0 or band != order[n - 1]]
    assert heard == [bands[d] for d in (7, 2, 9, 0)]
    assert all(17 <= order.count(bands[d]) / said.count(d) <= 23 for d in said)


def test_noise_is_as_strong_as_is_stated(spoken):
    clean, noisy = (spoken((1, 2, 3), replace(LOUD, snr=(snr, snr)), 5) for snr in (100, 3))
    power = np.mean(tone(300) ** 2)
    assert 10 * np.log10(power / np.mean((noisy - clean) ** 2)) == pytest.approx(3, abs=0.2)


def test_stretched_recordings_take_other_times_and_pitches(small):
    recordings = load_digits(*small)
    found = [
        speak(recordings, replace(LOUD, stretch=1.0), (1,) * 7, np.random.default_rng(seed))
        for seed in range(12)
    ]
    times = [len(s.features) for s in found]
    assert max(times) > 2 * min(times)


def test_masked_bands_are_at_the_mean(small):
    recordings = load_digits(*small)
    voices = [replace(LOUD, masked=masked) for masked in (0, 6)]
    counts = set()
    for seed in range(30):
        plain, masked = (
            speak(recordings, v, (1, 2), np.random.default_rng(seed)).features.reshape(-1, BANDS)
            for v in voices
        )
        silent = (masked == 0).all(0)
        assert np.array_equal(masked[:, ~silent], plain[:, ~silent])
        counts.add(int(silent.sum()))
    assert (plain != 0).any(0).all()
    assert len(counts) > 5
    assert max(counts) <= 12


def test_features_are_normalized_over_a_string():
    rng = np.random.default_rng(1)
    samples = np.concatenate([a * rng.standard_normal(1600, np.float32) for a in (0.1, 0.9, 0.3)])
    frames = features(samples).reshape(-1, BANDS)
    assert len(frames) == 56  # of 58, four a step
    assert abs(frames.mean()) < 0.05
    assert abs(frames.std() - 1) < 0.05
    assert np.allclose(features(10 * samples), features(samples), atol=1e-3)


def test_bands_are_where_their_tones_are():
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 34) / 2595) - 1)
    for band in (3, 10, 20, 31):
        energies = log_mel(tone(edges[band + 1]).astype(np.float32))
        assert set(energies.argmax(1)) == {band}
    silence = features(np.zeros(100, np.float32))
    assert silence.shape == (1, FEATURES)
    assert np.abs(silence).max() < 0.01


def test_a_warp_moves_the_bands():
    low, high = (log_mel(tone(1000).astype(np.float32), warp).argmax(1) for warp in (1.2, 0.8))
    assert low.max() < high.min()


@pytest.mark.slow
def test_the_published_recordings():
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the recordings are not beside the project")
    found = load_digits(folder)
    assert found.speakers == FSDD.speakers
    assert isinstance(found, Recordings)
    samples = [x for takes in found.takes.values() for x in takes]
    assert len(samples) == 2700
    assert {x.dtype.name for x in samples} == {"float32"}
    assert 0.9 < max(float(np.abs(x).max()) for x in samples) <= 1
