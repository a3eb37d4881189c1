"""Phrases as WAV files, synthesized in a child process and kept."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path

from pi_classifier.errors import SinkError
from pi_classifier.logs.events import Event, entry
from pi_classifier.speech.audio_edges import Shape, shape_speech
from pi_classifier.speech.child_process import ChildSlot, Ended
from pi_classifier.speech.chime import chime
from pi_classifier.speech.engines.base import Engine, silent_environment
from pi_classifier.speech.wavfile import Form, check_speech, write_wav

_logger = logging.getLogger(__name__)

LONGEST_TEXT_BYTES = 2000
CHIME = "\a"
"""The text that is a chime: ASCII's bell."""

_PACKAGES = Path(__file__).resolve().parents[2]
_ATTEMPTS = 2  # a crash may be chance once
_ABANDONED_S = 3600.0
_FORM = Form(1, 2, 22050)
_ROOM_BYTES = 256 << 10
_SPARE_BYTES = 8 << 20  # it may lie in memory


class Synthesizer:
    """Makes the WAV file of a phrase, or finds the one made before.

    Files are named by the hash of all that shapes the sound: text, engine, voice and
    shape; beyond `cache_max_bytes` together the oldest are removed. Where the folder
    cannot be written, phrases are made in a temporary one that goes with the program,
    unless there is to be no `spare`.
    `nice` lowers the engine's priority. One thread uses it; any may call `close`.
    """

    def __init__(
        self,
        cache_dir: Path,
        engine: Engine,
        *,
        shape: Shape | None = None,
        timeout_s: float = 10.0,
        cache_max_bytes: int = 64 << 20,
        nice: int = 0,
        spare: bool = True,
    ) -> None:
        self.engine = engine
        self._cache_dir = cache_dir
        self._shape = shape or Shape()
        self._timeout_s = timeout_s
        self._cache_max_bytes = cache_max_bytes
        self._priority = ("nice", "-n", str(nice)) if nice else ()
        self._spare = spare
        self._slot = ChildSlot()
        self._key = ""
        self._kept_bytes: int | None = None
        self._spare_dir: Path | None = None

    def path(self, text: str) -> Path:
        """Where the phrase's WAV file is or will be."""
        self._key = self._key or f"{self.engine.key}\0{self.engine.gain}\0{self._shape.key}"
        name = hashlib.sha256(f"{text}\0{self._key}".encode()).hexdigest()[:32]
        return (self._spare_dir or self._cache_dir) / f"{name}.wav"

    def wav(self, text: str) -> tuple[Path, float]:
        """The phrase's WAV file and its duration in seconds.

        Raises `SinkError` when there is no engine, it does not know the voice,
        fails or does not end in time, or no folder can be written.
        """
        path = self.path(text)
        try:
            return path, check_speech(path)
        except SinkError:  # not there, or damaged
            return self._made_somewhere(text)

    def make(self, text: str) -> None:
        """See to it that the phrase is there, without looking into a file that is."""
        if not self.path(text).exists():
            self._made_somewhere(text)

    def close(self) -> None:
        """End a synthesis under way; from now on only kept phrases are found."""
        self._slot.close()
        if self._spare_dir is not None:
            shutil.rmtree(self._spare_dir, ignore_errors=True)

    def _made_somewhere(self, text: str) -> tuple[Path, float]:
        try:
            path = self.path(text)
            return path, self._make(text, path)
        except OSError as error:
            if self._spare_dir is not None:
                raise SinkError(f"{self._spare_dir}: {error.strerror}") from error
            self._move_out(error)
        try:
            path = self.path(text)
            return path, self._make(text, path)
        except OSError as error:
            raise SinkError(f"{self._spare_dir}: {error.strerror}") from error

    def _move_out(self, error: OSError) -> None:
        """Go on in a temporary folder; raises `SinkError` when there is none either."""
        what = f"speech cache {self._cache_dir}: {error.strerror}"
        if not self._spare:
            raise SinkError(what) from error
        self._cache_max_bytes = min(self._cache_max_bytes, _SPARE_BYTES)
        try:
            self._spare_dir = Path(tempfile.mkdtemp(prefix="pi-classifier-speech-"))
            self._kept_bytes = None
        except OSError as spare:
            raise SinkError(f"{what}; and no temporary folder: {spare.strerror}") from error
        _logger.warning(
            "%s; phrases are made anew after each start. Set speech.cache_dir to a folder this "
            "program may write, or make room there",
            what,
            extra=entry(Event.SINK_FAILED, SINK="speech"),
        )

    def _make(self, text: str, path: Path) -> float:
        """Make the phrase; raises OSError when the folder cannot take it, else SinkError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _raise_if_full(path.parent)
        fd, name = tempfile.mkstemp(suffix=".part", dir=path.parent)
        os.close(fd)
        part = Path(name)
        try:
            self._write(text, part)
            duration_s = check_speech(part)
            part.replace(path)
        except SinkError:
            _raise_if_full(path.parent)
            raise
        finally:
            part.unlink(missing_ok=True)
        self._keep_within_bounds(path)
        return duration_s

    def _write(self, text: str, part: Path) -> None:
        if text == CHIME:
            write_wav(part, _FORM, chime(_FORM.framerate, self._shape.chime_volume).tobytes())
            return
        spoken = text.encode("utf-8", "replace")
        if not spoken.strip() or len(spoken) > LONGEST_TEXT_BYTES:
            raise SinkError(
                f"cannot say {text[:40]!r}: expected 1 to {LONGEST_TEXT_BYTES} bytes of text, "
                f"not {len(spoken)}"
            )
        self._synthesize(text, part)
        shape_speech(part, self._shape, self.engine.gain)

    def _synthesize(self, text: str, part: Path) -> None:
        command = self.engine.command(text.replace("\0", " "), part)
        for _ in range(_ATTEMPTS):
            ended = self._slot.run(
                (*self._priority, *command.argv),
                limit_s=self._timeout_s,
                stdin=command.stdin,
                env=_child_environment(),
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
        return self.engine.explain(ended)

    def _keep_within_bounds(self, newest: Path) -> None:
        """Count what is there the first time, then only what is added."""
        with contextlib.suppress(OSError):
            if self._kept_bytes is not None:
                self._kept_bytes += newest.stat().st_size
            if self._kept_bytes is None or self._kept_bytes > self._cache_max_bytes:
                self._kept_bytes = self._prune(newest)

    def _prune(self, newest: Path) -> int:
        """Remove the oldest phrases beyond the cache's size, and what a killed process left."""
        found = [(file.stat(), file) for file in newest.parent.glob("*.wav")]
        kept = sum(status.st_size for status, _ in found)
        for status, file in sorted(found, key=lambda entry: entry[0].st_mtime_ns):
            if kept > self._cache_max_bytes and file != newest:
                file.unlink(missing_ok=True)
                kept -= status.st_size
        for part in newest.parent.glob("*.part"):
            if time.time() - part.stat().st_mtime > _ABANDONED_S:
                part.unlink(missing_ok=True)
        return kept


def _raise_if_full(folder: Path) -> None:
    """Raise the OSError that engines do not tell of; pyttsx3 even hangs on a full disk."""
    room = os.statvfs(folder)
    if room.f_bavail * room.f_frsize < _ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _child_environment() -> dict[str, str]:
    """The environment in which the child finds this very package."""
    environment = silent_environment()
    # Folders of installed packages are found without help, and must not come
    # before the standard library.
    if _PACKAGES.name not in {"site-packages", "dist-packages"}:
        paths = (str(_PACKAGES), environment.get("PYTHONPATH", ""))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment
