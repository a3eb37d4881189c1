"""espeak-ng: by way of pyttsx3 in a child process, or its own program directly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from pi_classifier.speech.child_process import ChildResult
from pi_classifier.speech.engines import pyttsx3_child
from pi_classifier.speech.engines.base import (
    Command,
    Voice,
    VoiceSettings,
    fingerprint,
    listing,
    no_such_voice,
    program_path,
)
from pi_classifier.system.python_child import module_command

CHILD = module_command("pi_classifier.speech.engines.pyttsx3_child")

_INSTALL = "install it with: sudo apt install espeak-ng"
_LIBRARY_PLACES = ("/usr/lib/*", "/usr/local/lib", "/usr/lib")
_NO_VOICE = ("voice does not exist", "Unknown phoneme table")


class Pyttsx3Engine:
    """pyttsx3 in a child process: the interface many know, with espeak-ng behind it."""

    name = "pyttsx3"
    gain = 1.0

    def __init__(self, settings: VoiceSettings) -> None:
        self._voice = settings.voice or settings.language
        self._arguments = (self._voice, str(settings.rate_wpm), str(settings.volume))

    @property
    def key(self) -> str:
        """The versions of pyttsx3 and of espeak-ng's library, read without starting either."""
        return "\0".join((*self._arguments, f"pyttsx3 {_pyttsx3_version()}", library_version()))

    def command(self, text: str, wav: Path) -> Command:
        """The child process; the text goes in by standard input."""
        return Command((*CHILD, str(wav), *self._arguments), text.encode("utf-8", "replace"))

    def explain(self, result: ChildResult) -> str:
        """By the child's exit status."""
        match result.returncode:
            case pyttsx3_child.EXIT_NO_PYTTSX3:
                return (
                    f"no speech: {result.stderr_tail}; install it with: pip install pyttsx3, "
                    "or do without it: --set speech.engine=espeak-ng"
                )
            case pyttsx3_child.EXIT_NO_ENGINE:
                return f"no speech engine: pyttsx3 does not find espeak-ng; {_INSTALL}"
            case pyttsx3_child.EXIT_NO_VOICE:
                return no_such_voice(self, self._voice)
        return f"the speech engine failed: {result.stderr_tail}"

    def voices(self) -> Sequence[Voice]:
        """Those of espeak-ng, whose program lists them."""
        return _espeak_voices()


class EspeakEngine:
    """The program espeak-ng itself: the fastest, and nothing of Python in it."""

    name = "espeak-ng"
    gain = 1.0

    def __init__(self, settings: VoiceSettings) -> None:
        self._voice = settings.voice or settings.language
        # 100 is its usual loudness, 200 its limit.
        amplitude = round(100 * settings.volume)
        voice = ("-v", self._voice) if self._voice else ()
        self._options = ("-s", str(settings.rate_wpm), "-a", str(amplitude), *voice)

    @property
    def key(self) -> str:
        """Its library's version, and what it is told."""
        own = fingerprint(Path(shutil.which("espeak-ng") or ""))
        return "\0".join(("espeak-ng", own, library_version(), *self._options))

    def command(self, text: str, wav: Path) -> Command:
        """The text goes in by standard input, where it cannot be taken for an option."""
        espeak = program_path("espeak-ng", _INSTALL)
        argv = (espeak, "-w", str(wav), *self._options, "-b", "1", "--stdin")
        return Command(argv, text.encode("utf-8", "replace"))

    def explain(self, result: ChildResult) -> str:
        """By what it wrote."""
        if any(sign in result.stderr for sign in _NO_VOICE):
            return no_such_voice(self, self._voice)
        return f"espeak-ng failed: {result.stderr_tail}"

    def voices(self) -> Sequence[Voice]:
        """Those whose data are installed."""
        return _espeak_voices()


def library_version() -> str:
    """The file name and size of espeak-ng's library, which carries its version."""
    for place in _LIBRARY_PLACES:
        for library in sorted(Path("/").glob(f"{place[1:]}/libespeak-ng.so.1")):
            real = library.resolve()
            if real.is_file():
                return f"{real.name} {real.stat().st_size}"
    return ""


def _pyttsx3_version() -> str:
    from importlib import metadata  # slow to import, and needed once per process

    try:
        return metadata.version("pyttsx3")
    except metadata.PackageNotFoundError:
        return "none"


def _espeak_voices() -> list[Voice]:
    lines = listing((program_path("espeak-ng", _INSTALL), "--voices")).splitlines()
    return sorted(set(_parsed(lines[1:])), key=lambda voice: voice.name)


def _parsed(lines: Sequence[str]) -> Iterator[Voice]:
    """The lines of ``espeak-ng --voices`` below their head.

    Columns: priority, language, gender, name, file, others.

    Voices of mbrola are listed whether their data are installed or not; they are left out.
    """
    for line in lines:
        columns = line.split()
        if len(columns) >= 5 and not columns[4].startswith("mb/"):
            yield Voice(columns[1], columns[1])
