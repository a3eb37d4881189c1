"""A recording played back: the same pictures, numbers and times."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pi_classifier.cameras.playback import Clock, Playback
from pi_classifier.cameras.replay.recording import Entry, entries
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import ConfigError, ImageError
from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.preprocessing.preprocessor import load_image
from pi_classifier.types import Frame

_logger = logging.getLogger(__name__)


class RecordedCamera:
    """Plays what `pi-classifier record` wrote; with `loop`, again and again.

    In a loop numbers and times go on. A picture that cannot be read is logged and left
    out, as a gap in the numbers. Raises ConfigError when it holds no frame.
    """

    def __init__(self, folder: Path, settings: CameraSettings, clock: Clock | None = None) -> None:
        self._folder = folder
        self._loop = settings.loop
        if next(entries(folder), None) is None:
            raise ConfigError(f"{folder}: a recording without a single frame; record again")
        self._playback = Playback(
            f"replay of {folder}", settings.fps, realtime=settings.realtime, clock=clock
        )
        self._source = self._rounds()
        self._last: tuple[str, Pixels] | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the last one or `stop`; raises CameraClosed after `close`."""
        self._playback.check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good."""
        self._playback.stop()

    def close(self) -> None:
        """End the frames and refuse further ones."""
        self._playback.close()

    def _frames(self) -> Iterator[Frame]:
        with self._playback.running():
            while True:
                self._playback.check_open()
                entry = next(self._source, None)
                if entry is None:
                    return
                pixels = self._read(entry.picture)
                if pixels is None:
                    continue
                if not self._playback.due(entry.timestamp_ns):
                    return
                yield Frame(pixels, entry.sequence, entry.timestamp_ns, entry.truth)

    def _rounds(self) -> Iterator[Entry]:
        """Yield the frames' entries; each further round goes on where the last one ended."""
        numbers = times_ns = 0
        while True:
            first = last = before = None
            for entry in entries(self._folder):
                first = first or entry
                before, last = last, entry
                yield replace(
                    entry,
                    sequence=entry.sequence + numbers,
                    timestamp_ns=entry.timestamp_ns + times_ns,
                )
            if not self._loop or first is None or last is None:
                return
            period_ns = last.timestamp_ns - before.timestamp_ns if before else 1_000_000_000
            numbers += last.sequence + 1 - first.sequence
            times_ns += last.timestamp_ns - first.timestamp_ns + max(1, period_ns)

    def _read(self, picture: str) -> Pixels | None:
        if self._last is not None and self._last[0] == picture:
            return self._last[1]
        try:
            pixels = load_image(self._folder / picture)
        except ImageError as error:
            _logger.warning("left out of the recording: %s", error)
            return None
        self._last = picture, pixels
        return pixels
