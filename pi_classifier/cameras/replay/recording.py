"""Recordings: frames as they were, in a folder that `replay:FOLDER` plays back exactly.

A picture per frame and one line of ``recording.jsonl`` that gives its number and time.
A picture is complete before its line is written, and a line counts only with its end, so
a recording that was cut off at any moment plays to its last whole frame.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image, features

from pi_classifier.cameras.playback import Playback, PlayedCamera
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.stream import Clock
from pi_classifier.errors import ConfigError, ImageError
from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.printable import printable
from pi_classifier.system.files import open_regular_file, write_atomic
from pi_classifier.types import Frame

INDEX = "recording.jsonl"
VERSION = 1
_LINE_BYTES = 200  # more than a line of the index has
_LONGEST_LINE = 1 << 16
_LARGEST = 2**63 - 1

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One line of the index: a frame's number, time, picture file, and label if it is known."""

    sequence: int
    timestamp_ns: int
    picture: str
    truth: str | None


class Recorder:
    """Writes frames into a new folder until `max_bytes` would be exceeded.

    Pictures are lossless: WebP, a third of the work of PNG and no larger; PNG where
    Pillow has no WebP; with `uncompressed` BMP, no work at all but more bytes. A picture
    shown again is written once. Raises ConfigError when the folder holds anything.
    """

    def __init__(
        self, folder: Path, *, source: str, max_bytes: int, uncompressed: bool = False
    ) -> None:
        check_unused(folder)
        self._folder = folder
        self._max_bytes = max_bytes
        self._ending, self._options = _format(uncompressed=uncompressed)
        self._last: tuple[Pixels, str] | None = None
        self.frames = self.bytes = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._index = os.open(folder / INDEX, flags, 0o644)
        except OSError as error:
            raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None
        self._append({"recording": VERSION, "source": source})

    def add(self, frame: Frame) -> bool:
        """Write a frame; False, and nothing written, where the limit would be exceeded.

        Raises OSError, saying how much is safe, when the disk is full.
        """
        line: dict[str, object] = {
            "sequence": frame.sequence,
            "timestamp_ns": frame.timestamp_ns,
        }
        try:
            picture = self._picture(frame.pixels)
            if picture is None:
                return False
            line["picture"] = picture
            if frame.truth is not None:
                line["truth"] = frame.truth
            self._append(line)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            reason = "the disk is full" if full else error.strerror
            kept = f"{self.frames} frames are recorded and can be played"
            if not is_recording(self._folder):
                kept = "the recording was removed meanwhile"
            raise OSError(error.errno, f"{reason}; {kept}", str(self._folder)) from None
        self.frames += 1
        return True

    def close(self) -> None:
        """End the recording."""
        os.close(self._index)

    def _picture(self, pixels: Pixels) -> str | None:
        """Write a picture, whole or not at all; return its name, None where there is no room."""
        if self._last is not None and self._last[0] is pixels:
            return self._last[1]
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, **self._options)
        if self.bytes + data.tell() + _LINE_BYTES > self._max_bytes:
            return None
        name = f"{self.frames:08d}{self._ending}"
        write_atomic(self._folder / name, data.getbuffer(), durable=False)
        self.bytes += data.tell()
        self._last = pixels, name
        return name

    def _append(self, line: dict[str, object]) -> None:
        text = json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        before = os.fstat(self._index).st_size
        if os.write(self._index, text) != len(text):
            os.ftruncate(self._index, before)
            raise OSError(errno.ENOSPC, "the disk is full")
        self.bytes += len(text)


def check_unused(folder: Path) -> None:
    """Raise ConfigError unless the folder is new or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder}: exists and is not empty; name a new folder, so that no recording is lost"
        )


def is_recording(folder: Path) -> bool:
    """Whether a folder holds a recording."""
    return (folder / INDEX).is_file()


def recorded_frames(folder: Path) -> Iterator[RecordedFrame]:
    """Read a recording's index, frame by frame; raises ConfigError where it is none of ours."""
    with open_regular_file(folder / INDEX) as index:
        for number in count(1):
            line = index.readline(_LONGEST_LINE)
            if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
                return  # cut off while it was written
            try:
                values = json.loads(line)
                if number == 1:
                    _check_version(folder, values)
                else:
                    yield _recorded_frame(values)
            except ConfigError:
                raise
            except Exception:  # noqa: BLE001  whatever a line may hold that this program did not write
                raise ConfigError(
                    f"{folder / INDEX}:{number}: is no line of a recording; it was changed by "
                    "hand or is damaged: remove this line and all after it to play what is before"
                ) from None


def _check_version(folder: Path, values: dict[str, Any]) -> None:
    version = values["recording"]
    if version != VERSION:
        raise ConfigError(
            f"{folder}: a recording of version {version}; this program plays version {VERSION}, "
            "so a newer pi-classifier is needed"
        )


def _recorded_frame(values: dict[str, Any]) -> RecordedFrame:
    picture = str(values["picture"])
    if Path(picture).name != picture:
        raise ValueError(picture)
    sequence, timestamp_ns = int(values["sequence"]), int(values["timestamp_ns"])
    if not (0 <= sequence <= _LARGEST and 0 <= timestamp_ns <= _LARGEST):
        raise ValueError(sequence, timestamp_ns)
    truth = values.get("truth")
    return RecordedFrame(
        sequence, timestamp_ns, picture, None if truth is None else printable(truth)
    )


def _format(*, uncompressed: bool) -> tuple[str, dict[str, Any]]:
    if uncompressed:
        return ".bmp", {"format": "BMP"}
    if features.check("webp"):
        return ".webp", {"format": "WEBP", "lossless": True, "quality": 0, "method": 0}
    return ".png", {"format": "PNG", "compress_level": 1}


def open_recording(
    folder: Path, settings: CameraSettings, clock: Clock | None = None
) -> PlayedCamera:
    """Play what `Recorder` wrote: the same pictures, numbers and times.

    With `settings.loop` again and again, and numbers and times go on. A picture that
    cannot be read is logged and left out, as a gap in the numbers. Raises ConfigError when
    it holds no frame.
    """
    if next(recorded_frames(folder), None) is None:
        raise ConfigError(f"{folder}: a recording without a single frame; record again")
    playback = Playback(f"replay of {folder}", realtime=settings.realtime, clock=clock)
    return PlayedCamera(playback, _frames(folder, loop=settings.loop))


def _frames(folder: Path, *, loop: bool) -> Iterator[Frame]:
    name, pixels = "", None
    for recorded in _rounds(folder) if loop else recorded_frames(folder):
        if recorded.picture != name:  # a picture shown again is read once
            name, pixels = recorded.picture, _read(folder / recorded.picture)
        if pixels is not None:
            yield Frame(
                pixels,
                recorded.sequence,
                recorded.timestamp_ns,
                recorded.truth,
                picture=recorded.picture,
            )


def _rounds(folder: Path) -> Iterator[RecordedFrame]:
    """Yield the recording for ever; each further round goes on where the last one ended."""
    numbers = times_ns = 0
    while True:
        first = last = before = None
        for recorded in recorded_frames(folder):
            first = first or recorded
            before, last = last, recorded
            yield replace(
                recorded,
                sequence=recorded.sequence + numbers,
                timestamp_ns=recorded.timestamp_ns + times_ns,
            )
        if first is None or last is None:
            return
        period_ns = last.timestamp_ns - before.timestamp_ns if before else 1_000_000_000
        numbers += last.sequence + 1 - first.sequence
        times_ns += last.timestamp_ns - first.timestamp_ns + max(1, period_ns)


def _read(picture: Path) -> Pixels | None:
    try:
        return load_image(picture)
    except ImageError as error:
        _logger.warning("left out of the recording: %s", error)
        return None
