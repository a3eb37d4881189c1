"""flite: a small engine for English, one program without data beside it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from pi_classifier.errors import SinkError
from pi_classifier.speech.child_process import Ended
from pi_classifier.speech.engines.base import (
    USUAL_RATE_WPM,
    Command,
    Speaking,
    Voice,
    listing,
    no_such_voice,
    program,
    stamp,
)

DEFAULT_VOICE = "slt"  # 16 kHz; flite's own default speaks at 8 kHz, like a telephone

_INSTALL = "install it with: sudo apt install flite"
_VOICE_FILE = ".flitevox"


class FliteEngine:
    """The program flite; `voice` is one of its own or a .flitevox file."""

    name = "flite"

    def __init__(self, speaking: Speaking) -> None:
        self.gain = speaking.volume  # it has no loudness of its own
        self._language = speaking.language
        self._voice = speaking.voice or DEFAULT_VOICE
        self._stretch = f"{USUAL_RATE_WPM / speaking.rate_wpm:.3f}"
        self._checked = False

    @property
    def key(self) -> str:
        """The program's file, the voice and how fast it speaks."""
        own = stamp(Path(shutil.which("flite") or ""))
        return "\0".join(("flite", own, self._voice, stamp(Path(self._voice)), self._stretch))

    def command(self, text: str, wav: Path) -> Command:
        """The text is an argument of its own; a voice it does not have is found out first.

        flite itself would speak with another voice and say nothing about it.
        """
        flite = program("flite", _INSTALL)
        if not self._checked:
            self._check()
            self._checked = True
        stretch = f"duration_stretch={self._stretch}"
        argv = (flite, "-voice", self._voice, "--setf", stretch, "-o", str(wav), "-t", text)
        return Command(argv)

    def explain(self, ended: Ended) -> str:
        """By its last words."""
        return f"flite failed: {ended.last_words}"

    def voices(self) -> Sequence[Voice]:
        """Those built in."""
        found = listing((program("flite", _INSTALL), "-lv"))
        return [Voice(name, "en") for name in found.partition(":")[2].split()]

    def _check(self) -> None:
        if self._language not in {"", "en"}:
            raise SinkError(
                f"speech.language = {self._language!r}: flite speaks English only; "
                "choose another engine, such as --set speech.engine=espeak-ng"
            )
        if self._voice.endswith(_VOICE_FILE):
            if not Path(self._voice).is_file():
                raise SinkError(f"speech.voice = {self._voice!r}: there is no such file")
        elif self._voice not in {each.name for each in self.voices()}:
            raise SinkError(no_such_voice(self, self._voice))
