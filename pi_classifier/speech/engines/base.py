"""What makes speech of text: the interface of engines, and what they have in common.

An engine is a program that is run once per phrase and writes a WAV file. None stays: a
board has better use for its memory than a voice that is silent most of the day.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pi_classifier.errors import SinkError
from pi_classifier.speech.child_process import ChildResult

ENGINES = ("pyttsx3", "espeak-ng", "flite", "piper")
# The rate at which engines that only know "slower" and "faster" speak unaltered.
USUAL_RATE_WPM = 150

_LIST_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Command:
    """How a phrase is made: a command line, and what it reads from its standard input."""

    argv: tuple[str, ...]
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice one can choose: `name` is what `speech.voice` takes."""

    name: str
    language: str


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """What every engine is given: which voice, how fast, how loud (1.0 is the usual)."""

    voice: str = ""
    language: str = ""
    rate_wpm: int = USUAL_RATE_WPM
    volume: float = 1.0


class Engine(Protocol):
    """A way to make a WAV file of a text."""

    @property
    def name(self) -> str:
        """As `speech.engine` names it."""

    @property
    def gain(self) -> float:
        """What the samples must still be multiplied by: the volume, unless the engine does it."""

    @property
    def key(self) -> str:
        """All that shapes the sound besides the text: engine, version, voice, rate, volume."""

    def command(self, text: str, wav: Path) -> Command:
        """What writes the speech into `wav`, which exists; raises SinkError when nothing can."""

    def explain(self, result: ChildResult) -> str:
        """In one line, why the command failed and what to do about it."""

    def voices(self) -> Sequence[Voice]:
        """The voices to choose from; raises SinkError when the engine is not there."""


def program_path(name: str, remedy: str) -> str:
    """The path of a program; raises `SinkError` with the remedy when it is not installed."""
    path = shutil.which(name)
    if path is None:
        raise SinkError(f"no speech engine: {name} is not installed; {remedy}")
    return path


def listing(argv: Sequence[str]) -> str:
    """What a program prints that lists its voices; raises `SinkError` when it fails."""
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            timeout=_LIST_LIMIT_S,
            check=False,
            start_new_session=True,
            env=silent_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SinkError(f"cannot list the voices of {argv[0]}: {error}") from error
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise SinkError(f"cannot list the voices of {argv[0]}: {''.join(last) or 'it failed'}")
    return done.stdout.decode("utf-8", "replace")


def silent_environment() -> dict[str, str]:
    """The environment for an engine, which needs no sound server.

    espeak-ng asks for PulseAudio even when it writes a file: in a service without a home
    folder or session that makes folders and looks for servers where none can be.
    """
    return os.environ | {"PULSE_SERVER": "unix:/dev/null"}


def no_such_voice(engine: Engine, voice: str) -> str:
    """The error for a voice the engine does not have; names those that are like it."""
    try:
        known = engine.voices()
    except SinkError:
        known = []
    like = similar(voice, known)
    return (
        f"speech.voice = {voice!r}: {engine.name} has no such voice; "
        + (f"similar ones: {', '.join(like)}; " if like else "")
        + "all are listed by `pi-classifier say --list-voices`"
    )


def similar(voice: str, known: Sequence[Voice], most: int = 5) -> list[str]:
    """Names of voices that are spelled like `voice`, then those of the same language."""
    import difflib  # only when something is already wrong

    word = voice.lower()
    names = [option.name for option in known]
    like = difflib.get_close_matches(word, names, n=most, cutoff=0.6)
    language = word.split("-")[0][:2]
    same = [option.name for option in known if option.language.split("-")[0] == language]
    return list(dict.fromkeys([*like, *same]))[:most]


def fingerprint(path: Path) -> str:
    """What changes when a file is replaced: its name, size and time; "" when there is none."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{path.name} {status.st_size} {status.st_mtime_ns}"
