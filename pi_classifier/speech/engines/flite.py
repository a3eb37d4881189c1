"""flite: a small engine for English, one program without data beside it."""

from __future__ import annotations

import os
import shutil
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
    listing,
    no_such_voice,
    program_path,
)

DEFAULT_VOICE = "slt"  # 16 kHz; flite's own default speaks at 8 kHz, like a telephone

_INSTALL = "install it with: sudo apt install flite"
_VOICE_FILE = ".flitevox"


class FliteEngine:
    """The program flite; `voice` is one of its own or a .flitevox file."""

    name = "flite"

    def __init__(self, settings: VoiceSettings) -> None:
        self.gain = settings.volume  # it has no loudness of its own
        self._language = settings.language
        self._voice = settings.voice or DEFAULT_VOICE
        if self._voice.endswith(_VOICE_FILE):
            self._voice = os.path.expanduser(self._voice)  # noqa: PTH111  as it is where none is known
        self._stretch = f"{USUAL_RATE_WPM / settings.rate_wpm:.3f}"
        self._checked = False

    @property
    def key(self) -> str:
        """The program's file, the voice and how fast it speaks."""
        own = fingerprint(Path(shutil.which("flite") or ""))
        return "\0".join(
            ("flite", own, self._voice, fingerprint(Path(self._voice)), self._stretch)
        )

    def command(self, text: str, wav: Path) -> Command:
        """The text is an argument of its own; the voice is checked before the first phrase.

        Given one it does not have, flite would speak with another and report nothing.
        """
        flite = program_path("flite", _INSTALL)
        if not self._checked:
            self._check()
            self._checked = True
        stretch = f"duration_stretch={self._stretch}"
        argv = (flite, "-voice", self._voice, "--setf", stretch, "-o", str(wav), "-t", text)
        return Command(argv)

    def explain(self, result: ChildResult) -> str:
        """By its last words."""
        return f"flite failed: {result.stderr_tail}"

    def voices(self) -> Sequence[Voice]:
        """Those built in."""
        names = listing((program_path("flite", _INSTALL), "-lv")).partition(":")[2]
        return [Voice(name, "en") for name in names.split()]

    def _check(self) -> None:
        if self._language not in {"", "en"}:
            raise SinkError(
                f"speech.language = {self._language!r}: flite speaks English only; "
                "choose another engine, such as --set speech.engine=espeak-ng"
            )
        if self._voice.endswith(_VOICE_FILE):
            if not Path(self._voice).is_file():
                raise SinkError(f"speech.voice = {self._voice!r}: there is no such file")
        elif self._voice not in {voice.name for voice in self.voices()}:
            raise SinkError(no_such_voice(self, self._voice))
