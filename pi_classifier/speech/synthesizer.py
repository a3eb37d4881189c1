"""Phrases as WAV files, synthesized in a child process and kept."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import shutil
import signal
import tempfile
from pathlib import Path

from pi_classifier.errors import SinkError
from pi_classifier.logs.events import Event, entry
from pi_classifier.speech.audio_edges import AudioEdges, apply_edges, chime
from pi_classifier.speech.child_process import ChildProcess, ChildResult
from pi_classifier.speech.engines.base import Engine, silent_environment
from pi_classifier.speech.wavfile import SPEECH_FORMAT, check_speech
from pi_classifier.system.files import check_ours, remove_abandoned, replacing
from pi_classifier.system.python_child import with_this_package

_logger = logging.getLogger(__name__)

LONGEST_TEXT_BYTES = 2000
LARGEST_FILE_BYTES = 128 << 20
"""Of an engine: espeak-ng has PulseAudio's library reserve 64 MB in a file in memory."""
CHIME = "\a"
"""The text that is a chime: ASCII's bell."""

_ATTEMPTS = 2  # a crash may be chance once
_ROOM_BYTES = 256 << 10
_FALLBACK_BYTES = 8 << 20  # it may lie in memory


class Synthesizer:
    """Makes the WAV file of a phrase, or finds the one made before.

    Files are named by the hash of all that is heard: text, engine, voice and edges; beyond
    `cache_max_bytes` together the oldest are removed. Where the folder cannot be written,
    phrases are made in a temporary one that is removed at `close`, unless `fallback` is False.
    `nice` lowers the engine's priority. One thread uses it; any may call `close`.
    """

    def __init__(
        self,
        cache_dir: Path,
        engine: Engine,
        *,
        edges: AudioEdges | None = None,
        timeout_s: float = 10.0,
        cache_max_bytes: int = 64 << 20,
        nice: int = 0,
        fallback: bool = True,
    ) -> None:
        self.engine = engine
        self._cache_dir = cache_dir
        self._edges = edges or AudioEdges()
        self._timeout_s = timeout_s
        self._cache_max_bytes = cache_max_bytes
        self._priority = ("nice", "-n", str(nice)) if nice else ()
        self._fallback = fallback
        self._child = ChildProcess()
        self._key = ""
        self._kept_bytes: int | None = None
        self._fallback_dir: Path | None = None

    def path(self, text: str) -> Path:
        """Where the phrase's WAV file is or will be."""
        self._key = self._key or f"{self.engine.key}\0{self.engine.gain}\0{self._edges.key}"
        name = hashlib.sha256(f"{text}\0{self._key}".encode()).hexdigest()[:32]
        return (self._fallback_dir or self._cache_dir) / f"{name}.wav"

    def wav(self, text: str) -> tuple[Path, float]:
        """The phrase's WAV file and its duration in seconds.

        Raises `SinkError` when there is no engine, it does not know the voice,
        fails or does not end in time, or no folder can be written.
        """
        path = self.path(text)
        try:
            check_ours(path.parent)  # what others put there is not said
            return path, check_speech(path)
        except (OSError, SinkError):  # not there, or damaged
            return self._make(text)

    def make(self, text: str) -> None:
        """See to it that the phrase is there, without looking into a file that is."""
        if not self.path(text).exists():
            self._make(text)

    def close(self) -> None:
        """End a synthesis under way; from now on only kept phrases are found."""
        self._child.close()
        if self._fallback_dir is not None:
            shutil.rmtree(self._fallback_dir, ignore_errors=True)

    def _make(self, text: str) -> tuple[Path, float]:
        """Make the phrase in the cache folder, else in the temporary one."""
        try:
            return self._make_at(self.path(text), text)
        except OSError as error:
            if self._fallback_dir is not None:
                raise SinkError(f"{self._fallback_dir}: {error.strerror}") from error
            self._fall_back(error)
        try:
            return self._make_at(self.path(text), text)
        except OSError as error:
            raise SinkError(f"{self._fallback_dir}: {error.strerror}") from error

    def _fall_back(self, error: OSError) -> None:
        """Go on in a temporary folder; raises `SinkError` when there is none either."""
        reason = f"speech cache {self._cache_dir}: {error.strerror}"
        if not self._fallback:
            raise SinkError(reason) from error
        self._cache_max_bytes = min(self._cache_max_bytes, _FALLBACK_BYTES)
        try:
            self._fallback_dir = Path(tempfile.mkdtemp(prefix="pi-classifier-speech-"))
            self._kept_bytes = None
        except OSError as no_folder:
            raise SinkError(f"{reason}; and no temporary folder: {no_folder.strerror}") from error
        _logger.warning(
            "%s; phrases are made anew after each start. Set speech.cache_dir to a folder this "
            "program may write, or free some space there",
            reason,
            extra=entry(Event.SINK_FAILED, SINK="speech"),
        )

    def _make_at(self, path: Path, text: str) -> tuple[Path, float]:
        """Make the phrase; raises OSError when the folder cannot take it, else SinkError."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_ours(path.parent)
        _raise_if_full(path.parent)
        try:
            with replacing(path, durable=False) as part:
                self._write(text, part)
                duration_s = check_speech(part)
        except SinkError:
            # An engine that met a full disk says something else, or nothing.
            _raise_if_full(path.parent)
            raise
        self._keep_within_bounds(path)
        return path, duration_s

    def _write(self, text: str, part: Path) -> None:
        if text == CHIME:
            mono = chime(SPEECH_FORMAT.framerate, self._edges.chime_volume)
            part.write_bytes(SPEECH_FORMAT.file(mono.reshape(-1, SPEECH_FORMAT.channels)))
            return
        spoken = text.encode("utf-8", "replace")
        if not spoken.strip() or len(spoken) > LONGEST_TEXT_BYTES:
            raise SinkError(
                f"cannot say {text[:40]!r}: expected 1 to {LONGEST_TEXT_BYTES} bytes of text, "
                f"not {len(spoken)}"
            )
        self._synthesize(text, part)
        apply_edges(part, self._edges, self.engine.gain)

    def _synthesize(self, text: str, part: Path) -> None:
        command = self.engine.command(text.replace("\0", " "), part)
        for _ in range(_ATTEMPTS):
            result = self._child.run(
                (*self._priority, *command.argv),
                limit_s=self._timeout_s,
                stdin=command.stdin,
                env=with_this_package(silent_environment()),
                largest_file=LARGEST_FILE_BYTES,
            )
            if result.returncode >= 0 or result.killed or result.timed_out:
                break
        if result.returncode != 0 or result.timed_out or result.killed:
            raise SinkError(self._explain(result))

    def _explain(self, result: ChildResult) -> str:
        if result.killed:
            return "speech synthesis was canceled"
        if result.timed_out:
            return f"the speech engine did not end within {self._timeout_s:g} s and was killed"
        if result.returncode == -signal.SIGXFSZ:
            return (
                f"the speech engine was stopped: it wrote more than "
                f"{LARGEST_FILE_BYTES >> 20} MB of sound for one phrase"
            )
        return self.engine.explain(result)

    def _keep_within_bounds(self, newest: Path) -> None:
        """Count what is there the first time, then only what is added."""
        with contextlib.suppress(OSError):
            if self._kept_bytes is not None:
                self._kept_bytes += newest.stat().st_size
            if self._kept_bytes is None or self._kept_bytes > self._cache_max_bytes:
                self._kept_bytes = self._prune(newest)

    def _prune(self, newest: Path) -> int:
        """Remove the oldest phrases beyond the cache's size, and what a killed process left."""
        phrases = [(file.stat(), file) for file in newest.parent.glob("[!.]*.wav")]
        kept_bytes = sum(status.st_size for status, _ in phrases)
        for status, file in sorted(phrases, key=lambda phrase: phrase[0].st_mtime_ns):
            if kept_bytes > self._cache_max_bytes and file != newest:
                file.unlink(missing_ok=True)
                kept_bytes -= status.st_size
        remove_abandoned(newest.parent)
        return kept_bytes


def _raise_if_full(folder: Path) -> None:
    """Raise the OSError that engines do not report; pyttsx3 even hangs on a full disk."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < _ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
