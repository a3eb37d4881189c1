"""Phrases as WAV files, synthesised in a child process and kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pi_classifier.errors import SinkError
from pi_classifier.speech import synthesise
from pi_classifier.speech.child import ChildSlot, Ended
from pi_classifier.speech.wavfile import check_speech

LONGEST_TEXT_BYTES = 2000

_CHILD = (sys.executable, "-P", "-m", "pi_classifier.speech.synthesise")
_PACKAGES = Path(__file__).resolve().parents[2]
_LIBRARY_PLACES = ("/usr/lib/*", "/usr/local/lib", "/usr/lib")
_ATTEMPTS = 2  # a crash may be chance once
_ABANDONED_S = 3600.0


class Synthesiser:
    """Makes the WAV file of a phrase, or finds the one made before.

    Files are named by the hash of all that shapes the sound: text, voice, rate,
    volume and engine; beyond `cache_max_bytes` together the oldest are removed.
    `command` replaces the child process. One thread uses it; any may call `close`.
    """

    def __init__(
        self,
        cache_dir: Path,
        *,
        voice: str = "",
        rate_wpm: int = 150,
        volume: float = 1.0,
        timeout_s: float = 10.0,
        cache_max_bytes: int = 64 << 20,
        nice: int = 0,
        command: Sequence[str] = _CHILD,
    ) -> None:
        self._cache_dir = cache_dir
        self._arguments = (voice, str(rate_wpm), str(volume))
        self._timeout_s = timeout_s
        self._cache_max_bytes = cache_max_bytes
        self._nice = nice
        self._command = tuple(command)
        self._slot = ChildSlot()
        self._engine = ""

    def path(self, text: str) -> Path:
        """Where the phrase's WAV file is or will be."""
        self._engine = self._engine or engine_version()
        key = "\0".join((text, *self._arguments, self._engine))
        return self._cache_dir / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.wav"

    def wav(self, text: str) -> tuple[Path, float]:
        """The phrase's WAV file and its duration in seconds.

        Raises `SinkError` when there is no engine, it does not know the voice,
        fails or does not end in time, or the cache folder cannot be written.
        """
        path = self.path(text)
        try:
            return path, check_speech(path)
        except SinkError:  # not there, or damaged
            return path, self._make(text, path)

    def close(self) -> None:
        """End a synthesis under way; from now on only kept phrases are found."""
        self._slot.close()

    def _make(self, text: str, path: Path) -> float:
        try:
            self._cache_dir.mkdir(parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(suffix=".part", dir=self._cache_dir)
            os.close(fd)
        except OSError as error:
            raise SinkError(
                f"speech cache {self._cache_dir}: {error.strerror}; "
                "set speech.cache_dir to a folder this program may write"
            ) from error
        part = Path(name)
        try:
            self._synthesise(text, part)
            duration_s = check_speech(part)
            part.replace(path)
        except OSError as error:
            raise SinkError(f"speech cache {path}: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)
        self._prune(path)
        return duration_s

    def _synthesise(self, text: str, part: Path) -> None:
        spoken = text.encode("utf-8", "replace")
        if not spoken.strip() or len(spoken) > LONGEST_TEXT_BYTES:
            raise SinkError(
                f"cannot say {text[:40]!r}: expected 1 to {LONGEST_TEXT_BYTES} bytes of text, "
                f"not {len(spoken)}"
            )
        argv = [*self._command, str(part), *self._arguments, str(self._nice)]
        for _ in range(_ATTEMPTS):
            ended = self._slot.run(
                argv, limit_s=self._timeout_s, stdin=spoken, env=_child_environment()
            )
            if ended.returncode >= 0 or ended.killed or ended.timed_out:
                break
        if ended.returncode != 0 or ended.timed_out or ended.killed:
            raise SinkError(self._explain(ended))

    def _explain(self, ended: Ended) -> str:
        if ended.killed:
            return "the synthesis was given up"
        if ended.timed_out:
            return f"the speech engine did not end within {self._timeout_s:g} s and was killed"
        match ended.returncode:
            case synthesise.EXIT_NO_PYTTSX3:
                return f"no speech: {ended.last_words}; install it with: pip install pyttsx3"
            case synthesise.EXIT_NO_ENGINE:
                return (
                    "no speech engine: pyttsx3 does not find espeak-ng; "
                    "install it with: sudo apt install espeak-ng"
                )
            case synthesise.EXIT_NO_VOICE:
                return (
                    f"speech.voice = {self._arguments[0]!r}: espeak-ng has no such voice; "
                    "`espeak-ng --voices` lists them, such as en-gb"
                )
        return f"the speech engine failed: {ended.last_words}"

    def _prune(self, newest: Path) -> None:
        """Remove the oldest phrases beyond the cache's size, and what a killed process left."""
        with contextlib.suppress(OSError):
            found = [(file.stat(), file) for file in self._cache_dir.glob("*.wav")]
            excess = sum(status.st_size for status, _ in found) - self._cache_max_bytes
            for status, file in sorted(found, key=lambda entry: entry[0].st_mtime_ns):
                if excess > 0 and file != newest:
                    file.unlink(missing_ok=True)
                    excess -= status.st_size
            for part in self._cache_dir.glob("*.part"):
                if time.time() - part.stat().st_mtime > _ABANDONED_S:
                    part.unlink(missing_ok=True)


def engine_version() -> str:
    """What names the engine in the cache: pyttsx3's version and espeak-ng's library.

    Read without starting either: the library's file name carries its version.
    """
    from importlib import metadata  # slow to import, and needed once per process

    try:
        pyttsx3 = metadata.version("pyttsx3")
    except metadata.PackageNotFoundError:
        pyttsx3 = "none"
    for place in _LIBRARY_PLACES:
        for library in sorted(Path("/").glob(f"{place[1:]}/libespeak-ng.so.1")):
            real = library.resolve()
            if real.is_file():
                return f"pyttsx3 {pyttsx3} {real.name} {real.stat().st_size}"
    return f"pyttsx3 {pyttsx3}"


def _child_environment() -> dict[str, str]:
    """The environment in which the child finds this very package."""
    environment = dict(os.environ)
    # Folders of installed packages are found without help, and must not come
    # before the standard library.
    if _PACKAGES.name not in {"site-packages", "dist-packages"}:
        paths = (str(_PACKAGES), environment.get("PYTHONPATH", ""))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment
