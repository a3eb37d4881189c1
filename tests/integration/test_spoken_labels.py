"""What is said of every shipped label is understood, and nothing of it is cut off.

Understood by a recognizer that is none of the best (pocketsphinx, an American model), so
this is a smoke test: it hears the voices whose accent it knows, at a slow pace, and
chooses among the shipped labels and some others.
"""

from __future__ import annotations

import subprocess
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pocketsphinx import Decoder  # type: ignore[import-untyped]

from pi_classifier.modelfile.locate import find_model
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.speech.audio_edges import LEAD_S, TRAIL_S
from pi_classifier.speech.engines.base import VoiceSettings
from pi_classifier.speech.engines.registry import open_engine
from pi_classifier.speech.phrases import Phrases
from pi_classifier.speech.synthesizer import Synthesizer

MODEL = read_model_file(find_model("flowers/fast"))
LABELS = [label for label in MODEL.labels if label not in MODEL.manifest.silent_labels]
DECOYS = ("violets", "cactus", "orchids", "marigold")
PHRASES = Phrases()

RATE = 16000
# Of full scale, -46 dB: what is louder at an edge was cut there.
QUIET = 0.005 * 32768
EDGE_S = 0.01

Samples = NDArray[np.float64]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speech")


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    grammar = tmp_path_factory.mktemp("grammar") / "labels.gram"
    words = " | ".join([*LABELS, *DECOYS])
    grammar.write_text(f"#JSGF V1.0; grammar labels; public <said> = i see [a] ({words});")
    return Decoder(samprate=RATE, jsgf=str(grammar), lm=None, loglevel="FATAL")


def spoken(cache: Path, label: str, engine: str, **settings: object) -> tuple[Samples, int]:
    """The samples of a label's phrase, and how many there are in a second."""
    voice = Synthesizer(cache, open_engine(engine, VoiceSettings(**settings)))  # type: ignore[arg-type]
    return read(voice.wav(PHRASES.of(label))[0])


def read(path: Path) -> tuple[Samples, int]:
    with wave.open(str(path), "rb") as file:
        frames = file.readframes(file.getnframes())
        return np.frombuffer(frames, np.int16).astype(np.float64), file.getframerate()


def heard(recognizer: Decoder, samples: Samples, rate: int) -> str:
    """The label the recognizer hears, "" when it hears none."""
    times = np.arange(0, len(samples) / rate, 1 / RATE)
    resampled = np.interp(times, np.arange(len(samples)) / rate, samples)
    silence = np.zeros(RATE // 3)
    sound = np.concatenate([silence, resampled, silence]).astype(np.int16)
    recognizer.start_utt()
    recognizer.process_raw(sound.tobytes(), full_utt=True)
    recognizer.end_utt()
    hypothesis = recognizer.hyp()
    return hypothesis.hypstr.split()[-1] if hypothesis and hypothesis.hypstr else ""


VOICES = [
    ("pyttsx3", {"voice": "en-us", "rate_wpm": 120}),
    ("espeak-ng", {"voice": "en-us", "rate_wpm": 120}),
    ("flite", {}),
]


@pytest.mark.parametrize(("engine", "speaking"), VOICES)
def test_every_label_is_understood(
    cache: Path, recognizer: Decoder, engine: str, speaking: dict[str, object]
) -> None:
    understood = [heard(recognizer, *spoken(cache, label, engine, **speaking)) for label in LABELS]
    assert understood == LABELS


def test_what_is_cut_off_is_not_understood(cache: Path, recognizer: Decoder) -> None:
    """The test above would notice."""
    phrases = [spoken(cache, label, "flite") for label in LABELS]
    cut = [heard(recognizer, samples[: len(samples) // 2], rate) for samples, rate in phrases]
    assert sum(word == label for word, label in zip(cut, LABELS, strict=True)) <= 2


@pytest.mark.parametrize("engine", ["pyttsx3", "espeak-ng", "flite"])
@pytest.mark.parametrize("label", LABELS)
def test_nothing_is_cut_off_and_no_silence_waited_for(
    cache: Path, engine: str, label: str
) -> None:
    samples, rate = spoken(cache, label, engine)
    edge = round(EDGE_S * rate)
    assert np.abs(samples[:edge]).max() < QUIET
    assert np.abs(samples[-edge:]).max() < QUIET
    loud = np.flatnonzero(np.abs(samples) >= QUIET) / rate
    assert LEAD_S <= loud[0] <= LEAD_S + 0.25  # flite breathes in
    assert TRAIL_S <= len(samples) / rate - loud[-1] <= TRAIL_S + 0.15
    assert max(later - earlier for earlier, later in pairwise(loud)) < 0.2


@pytest.mark.parametrize("engine", ["pyttsx3", "espeak-ng", "flite"])
@pytest.mark.parametrize("label", LABELS)
def test_all_the_engine_says_is_kept(cache: Path, tmp_path: Path, engine: str, label: str) -> None:
    raw = tmp_path / "raw.wav"
    command = open_engine(engine, VoiceSettings()).command(PHRASES.of(label), raw)
    subprocess.run(command.argv, input=command.stdin, check=True)
    whole, rate = read(raw)
    kept, _ = spoken(cache, label, engine)
    kept = kept[round(LEAD_S * rate) : -round(TRAIL_S * rate)]
    begins = [at for at in range(len(whole) - len(kept) + 1) if whole[at] == kept[0]]
    begin = next(at for at in begins if np.array_equal(whole[at : at + len(kept)], kept))
    left_out = np.concatenate([whole[:begin], whole[begin + len(kept) :], [0.0]])
    assert np.abs(left_out).max() < QUIET / 2


def test_labels_are_spoken_faster_when_asked(cache: Path) -> None:
    for engine in ("pyttsx3", "espeak-ng", "flite"):
        usual, rate = spoken(cache, "sunflowers", engine)
        fast, _ = spoken(cache, "sunflowers", engine, rate_wpm=250)
        assert 0.4 < len(fast) / len(usual) < 0.85, (engine, rate)
