"""The engines: the real ones, and a stand-in with the command line of Piper."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from pi_classifier.errors import ConfigError, SinkError
from pi_classifier.speech.engines.base import ENGINES, Engine, Speaking, Voice, similar
from pi_classifier.speech.engines.piper import PiperEngine
from pi_classifier.speech.engines.registry import open_engine
from pi_classifier.speech.synthesis import Synthesizer
from pi_classifier.speech.wavfile import check_speech, read_wav

SHORTEST_S = 0.3
REAL = ("pyttsx3", "espeak-ng", "flite")

# As `piper --help` of piper-tts 1.8 and of the older program in C++ have it: one line of text
# is one file; without the voice's own description it cannot be loaded.
PIPER = """#!{python}
import argparse, pathlib, sys, wave
parser = argparse.ArgumentParser()
parser.add_argument("-m", "--model", required=True)
parser.add_argument("-f", "--output-file", "--output_file")
parser.add_argument("--length-scale", "--length_scale", type=float, default=1.0)
options = parser.parse_args()
model = pathlib.Path(options.model)
if not model.exists():
    raise ValueError("Unable to find voice: " + options.model)
pathlib.Path(options.model + ".json").read_text()
if model.read_bytes() != b"voice":
    raise RuntimeError("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model failed: Protobuf")
lines = [line.strip() for line in sys.stdin if line.strip()]
assert len(lines) == 1, lines
with wave.open(options.output_file, "wb") as file:
    file.setparams((1, 2, 22050, 0, "NONE", ""))
    samples = round(22050 * options.length_scale * 0.1 * len(lines[0].split()))
    file.writeframes(b"\\0\\x20" * samples)
"""


@pytest.fixture
def voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two of Piper's voices, and a piper to speak with them."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "piper"
    program.write_text(PIPER.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    folder = tmp_path / "voices"
    folder.mkdir()
    for name in ("en_US-joe-medium", "de_DE-thorsten-medium"):
        (folder / f"{name}.onnx").write_bytes(b"voice")
        (folder / f"{name}.onnx.json").write_text("{}")
    return folder


def piper(folder: Path, voice: str, **speaking: object) -> PiperEngine:
    return PiperEngine(Speaking(voice=voice, **speaking), [folder])  # type: ignore[arg-type]


def length_s(cache: Path, engine: Engine) -> float:
    return Synthesizer(cache, engine).wav("I see a daisy")[1]


def error_of(cache: Path, engine: Engine) -> str:
    with pytest.raises(SinkError) as error:
        Synthesizer(cache, engine).wav("I see a daisy")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_engine_of_the_settings_is_there() -> None:
    assert [open_engine(name, Speaking()).name for name in ENGINES] == list(ENGINES)
    with pytest.raises(ConfigError, match="expected one of pyttsx3, espeak-ng, flite, piper"):
        open_engine("festival", Speaking())


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("text", ["I see a daisy", "-x --help", "daisy < & > '\"", "a\0b"])
def test_any_text_is_only_spoken(tmp_path: Path, name: str, text: str) -> None:
    path, duration_s = Synthesizer(tmp_path, open_engine(name, Speaking())).wav(text)
    assert check_speech(path) == duration_s > SHORTEST_S


@pytest.mark.parametrize("name", REAL)
def test_volume_and_rate_are_kept(tmp_path: Path, name: str) -> None:
    def peak(volume: float) -> int:
        engine = open_engine(name, Speaking(volume=volume))
        path, _ = Synthesizer(tmp_path, engine).wav("I see a daisy")
        _, frames = read_wav(path)
        return max(memoryview(frames).cast("h"))

    assert 0.3 < peak(0.5) / peak(1.0) < 0.7
    slow, fast = (open_engine(name, Speaking(rate_wpm=rate)) for rate in (100, 250))
    assert length_s(tmp_path, slow) > 1.3 * length_s(tmp_path, fast)


@pytest.mark.parametrize("name", ["pyttsx3", "espeak-ng"])
def test_the_language_chooses_the_voice(tmp_path: Path, name: str) -> None:
    def sound(**speaking: str) -> bytes:
        engine = open_engine(name, Speaking(**speaking))  # type: ignore[arg-type]
        return read_wav(Synthesizer(tmp_path, engine).wav("Gänseblümchen")[0])[1]

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
    assert message in error_of(tmp_path, open_engine(name, Speaking(voice=voice)))


def test_flite_speaks_english_only(tmp_path: Path) -> None:
    engine = open_engine("flite", Speaking(language="de"))
    assert "flite speaks English only" in error_of(tmp_path, engine)


@pytest.mark.parametrize("name", ["espeak-ng", "flite", "piper"])
def test_an_engine_that_is_not_installed_says_how_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    message = error_of(tmp_path, open_engine(name, Speaking()))
    assert f"no speech engine: {name} is not installed; install it with: " in message


@pytest.mark.parametrize("name", REAL)
def test_voices_are_listed_by_language(name: str) -> None:
    voices = open_engine(name, Speaking()).voices()
    assert len({voice.name for voice in voices}) == len(voices) >= 4
    assert any(voice.language.startswith("en") for voice in voices)


def test_similar_voices() -> None:
    known = [Voice("en-gb", "en-gb"), Voice("de", "de"), Voice("slt", "en"), Voice("eo", "eo")]
    assert similar("en_GB", known) == ["en-gb", "slt"]
    assert similar("xx", known) == []


def test_piper_speaks(tmp_path: Path, voices: Path) -> None:
    by_name = piper(voices, "en_US-joe-medium")
    by_path = piper(voices, str(voices / "en_US-joe-medium.onnx"))
    assert length_s(tmp_path, by_name) == length_s(tmp_path, by_path) > SHORTEST_S
    assert by_name.key == by_path.key
    slow = piper(voices, "en_US-joe-medium", rate_wpm=100)
    assert length_s(tmp_path, slow) > 1.3 * length_s(tmp_path, by_name)
    assert [voice.language for voice in by_name.voices()] == ["de-DE", "en-US"]


def test_piper_makes_anew_what_another_voice_of_the_name_said(
    tmp_path: Path, voices: Path
) -> None:
    before = piper(voices, "en_US-joe-medium").key
    os.utime(voices / "en_US-joe-medium.onnx", (1, 1))
    assert piper(voices, "en_US-joe-medium").key != before


@pytest.mark.parametrize(
    ("voice", "message"),
    [
        ("", "piper needs a voice; .*there are: de_DE-thorsten-medium, en_US-joe-medium"),
        ("en_US-jo-medium", "piper has no such voice; similar ones: en_US-joe-medium"),
        ("FOLDER/none.onnx", "none.onnx': there is no such file"),
        ("FOLDER/lonely.onnx", "lonely.onnx.json is missing, which belongs to the voice"),
        ("FOLDER/damaged.onnx", "piper cannot read .*damaged.onnx: the file is damaged"),
    ],
)
def test_what_is_wrong_with_a_voice_of_piper(
    tmp_path: Path, voices: Path, voice: str, message: str
) -> None:
    (voices / "lonely.onnx").write_bytes(b"voice")
    (voices / "damaged.onnx").write_bytes(b"noise")
    (voices / "damaged.onnx.json").write_text("{}")
    if not voice:
        (voices / "lonely.onnx").unlink()
        (voices / "damaged.onnx").unlink()
    engine = piper(voices, voice.replace("FOLDER", str(voices)))
    with pytest.raises(SinkError, match=message):
        Synthesizer(tmp_path, engine).wav("daisy")
