"""Piper: a voice that sounds like a person's, from a neural network.

It is installed beside this program, not with it: `pip install piper-tts` brings the
command `piper` and about 100 MB of libraries, and each voice is a file of 20 to 110 MB.
The options used are those that both the older program in C++ and the one in Python take:
https://github.com/OHF-Voice/piper1-gpl/blob/main/docs/CLI.md
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pi_classifier.errors import SinkError
from pi_classifier.speech.child_process import ChildResult
from pi_classifier.speech.engines.base import (
    USUAL_RATE_WPM,
    Command,
    Voice,
    VoiceSettings,
    fingerprint,
    no_such_voice,
    program_path,
)
from pi_classifier.system.folders import expanded

VOICE_FOLDERS = (
    Path("voices"),
    Path("/var/lib/pi-classifier/voices"),
    Path("~/.local/share/pi-classifier/voices"),
    Path("/usr/share/piper-voices"),
)

_INSTALL = "install it with: pip install piper-tts"
_MODEL = ".onnx"


class PiperEngine:
    """The command piper; `voice` is a .onnx file, or its name in one of the voice folders."""

    name = "piper"

    def __init__(self, settings: VoiceSettings, folders: Sequence[Path] = VOICE_FOLDERS) -> None:
        self.gain = settings.volume  # the older program has no option for it
        self._voice = settings.voice
        self._folders = folders
        self._scale = f"{USUAL_RATE_WPM / settings.rate_wpm:.3f}"

    @property
    def key(self) -> str:
        """The voice's file and how fast it speaks; its program only pronounces."""
        return "\0".join(("piper", fingerprint(self._path()), self._scale))

    def command(self, text: str, wav: Path) -> Command:
        """One line of text on standard input becomes one file."""
        piper = program_path("piper", _INSTALL)
        model = self._model()
        options = ("--model", str(model), "--output_file", str(wav), "--length_scale", self._scale)
        return Command((piper, *options), " ".join(text.split()).encode("utf-8", "replace"))

    def explain(self, result: ChildResult) -> str:
        """By the last line of its traceback, which says what was wrong."""
        if "Protobuf" in result.stderr or "INVALID_PROTOBUF" in result.stderr:
            return f"speech.voice: piper cannot read {self._path()}: the file is damaged"
        return f"piper failed: {result.stderr_tail}"

    def voices(self) -> Sequence[Voice]:
        """The voice files in the voice folders; en_GB-alba-medium.onnx speaks English."""
        names = {
            file.name.removesuffix(_MODEL)
            for folder in self._searched()
            for file in folder.glob(f"*{_MODEL}")
        }
        return [Voice(name, name.partition("-")[0].replace("_", "-")) for name in sorted(names)]

    def _model(self) -> Path:
        if not self._voice:
            raise SinkError(
                "speech.voice: piper needs a voice; download one (https://rhasspy.github.io/"
                "piper-samples lets you hear them) and name its .onnx file" + self._known_voices()
            )
        path = self._path()
        if not path.is_file():
            if self._voice.endswith(_MODEL):
                raise SinkError(f"speech.voice = {self._voice!r}: there is no such file")
            raise SinkError(no_such_voice(self, self._voice))
        description = path.with_name(f"{path.name}.json")
        if not description.is_file():
            raise SinkError(
                f"speech.voice = {self._voice!r}: {description} is missing, which belongs to the "
                "voice; download it from where the voice came from"
            )
        return path

    def _path(self) -> Path:
        """Where the voice is, or would be."""
        if self._voice.endswith(_MODEL):
            return expanded(self._voice)
        places = [folder / f"{self._voice}{_MODEL}" for folder in self._searched()]
        return next((path for path in places if path.is_file()), places[0])

    def _searched(self) -> list[Path]:
        folders = []
        for folder in self._folders:
            try:
                folders.append(folder.expanduser())
            except RuntimeError:  # a service has no home
                continue
        return folders

    def _known_voices(self) -> str:
        names = [voice.name for voice in self.voices()]
        return f"; installed are: {', '.join(names)}" if names else ""
