"""The engines as they are installed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_classifier.errors import SinkError
from pi_classifier.speech.engines.base import Engine, VoiceSettings
from pi_classifier.speech.engines.registry import open_engine
from pi_classifier.speech.synthesizer import Synthesizer
from pi_classifier.speech.wavfile import check_speech, read_wav

SHORTEST_S = 0.3
REAL = ("pyttsx3", "espeak-ng", "flite")


def length_s(cache: Path, engine: Engine) -> float:
    return Synthesizer(cache, engine).wav("I see a daisy")[1]


def error_of(cache: Path, engine: Engine) -> str:
    with pytest.raises(SinkError) as error:
        Synthesizer(cache, engine).wav("I see a daisy")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("text", ["I see a daisy", "-x --help", "daisy < & > '\"", "a\0b"])
def test_any_text_is_only_spoken(tmp_path: Path, name: str, text: str) -> None:
    path, duration_s = Synthesizer(tmp_path, open_engine(name, VoiceSettings())).wav(text)
    assert check_speech(path) == duration_s > SHORTEST_S


@pytest.mark.parametrize("name", REAL)
def test_volume_and_rate_are_kept(tmp_path: Path, name: str) -> None:
    def loudest(volume: float) -> int:
        engine = open_engine(name, VoiceSettings(volume=volume))
        path, _ = Synthesizer(tmp_path, engine).wav("I see a daisy")
        return int(read_wav(path)[1].max())

    assert 0.3 < loudest(0.5) / loudest(1.0) < 0.7
    slow, fast = (open_engine(name, VoiceSettings(rate_wpm=rate)) for rate in (100, 250))
    assert length_s(tmp_path, slow) > 1.3 * length_s(tmp_path, fast)


@pytest.mark.parametrize("name", ["pyttsx3", "espeak-ng"])
def test_the_language_chooses_the_voice(tmp_path: Path, name: str) -> None:
    def sound(**settings: str) -> bytes:
        engine = open_engine(name, VoiceSettings(**settings))  # type: ignore[arg-type]
        return read_wav(Synthesizer(tmp_path, engine).wav("Gänseblümchen")[0])[1].tobytes()

    assert sound(language="de") == sound(voice="de") != sound()
    assert sound(language="de", voice="fr") == sound(voice="fr")


@pytest.mark.parametrize(
    ("name", "voice", "message"),
    [
        (
            "pyttsx3",
            "en-gg",
            "speech.voice = 'en-gg': pyttsx3 has no such voice; similar ones: en-",
        ),
        ("espeak-ng", "eng-gb", "'eng-gb': espeak-ng has no such voice; similar ones: en-gb"),
        ("espeak-ng", "ed", "'ed': espeak-ng has no such voice"),
        ("flite", "slo", "'slo': flite has no such voice; similar ones: slt"),
        ("flite", "/none/x.flitevox", "'/none/x.flitevox': there is no such file"),
    ],
)
def test_an_unknown_voice_is_named_with_those_like_it(
    tmp_path: Path, name: str, voice: str, message: str
) -> None:
    assert message in error_of(tmp_path, open_engine(name, VoiceSettings(voice=voice)))


def test_flite_speaks_english_only(tmp_path: Path) -> None:
    engine = open_engine("flite", VoiceSettings(language="de"))
    assert "flite speaks English only" in error_of(tmp_path, engine)


@pytest.mark.parametrize("name", ["espeak-ng", "flite", "piper"])
def test_an_engine_that_is_not_installed_says_how_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    message = error_of(tmp_path, open_engine(name, VoiceSettings()))
    assert f"no speech engine: {name} is not installed; install it with: " in message


@pytest.mark.parametrize("name", REAL)
def test_voices_are_listed_by_language(name: str) -> None:
    voices = open_engine(name, VoiceSettings()).voices()
    assert len({voice.name for voice in voices}) == len(voices) >= 4
    assert any(voice.language.startswith("en") for voice in voices)
