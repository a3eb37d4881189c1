"""Piper, by a stand-in with its command line."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from pi_classifier.errors import SinkError
from pi_classifier.speech.engines.base import VoiceSettings
from pi_classifier.speech.engines.piper import PiperEngine
from pi_classifier.speech.synthesizer import Synthesizer

SHORTEST_S = 0.3

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


def piper(folder: Path, voice: str, **settings: object) -> PiperEngine:
    return PiperEngine(VoiceSettings(voice=voice, **settings), [folder])  # type: ignore[arg-type]


def length_s(cache: Path, engine: PiperEngine) -> float:
    return Synthesizer(cache, engine).wav("I see a daisy")[1]


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
        ("", "piper needs a voice; .*installed are: de_DE-thorsten-medium, en_US-joe-medium"),
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
