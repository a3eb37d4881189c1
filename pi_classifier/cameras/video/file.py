"""A video file played frame by frame, with the file's own times."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pi_classifier.cameras.playback import Clock, Playback
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.pyav import Address, Video, VideoError
from pi_classifier.errors import CameraError, ConfigError
from pi_classifier.types import Frame

_NS_PER_S = 1_000_000_000


class VideoFileCamera:
    """Plays every frame of a video; timestamps are the file's, from 0 on.

    Frames are made smaller until their shorter side is `side`. With `loop` the video
    begins anew and its times go on. Raises ConfigError when the file is missing or no
    video, CameraUnavailable when PyAV is not installed.
    """

    def __init__(
        self, path: Path, settings: CameraSettings, side: int, clock: Clock | None = None
    ) -> None:
        self._path = path
        self._loop = settings.loop
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such file; expected a video or a folder")
        address = Address(f"file:{path}", str(path))
        try:
            self._video = Video(address, side)
        except VideoError as error:
            raise ConfigError(
                f"{path}: cannot be read as a video ({error}); expected one such as .mp4 or .mkv"
            ) from None
        fps = self._video.fps or settings.fps
        self._period_ns = round(_NS_PER_S / fps)
        self._playback = Playback(
            f"replay of {path}", fps, realtime=settings.realtime, clock=clock
        )
        self._source = self._timed()
        self._sequence = 0
        # FFmpeg's memory must not go while a frame is decoded by another thread.
        self._decoding = threading.Lock()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the end of the video or `stop`.

        Raises CameraClosed after `close`, CameraError where the file cannot be read on.
        """
        self._playback.check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good."""
        self._playback.stop()

    def close(self) -> None:
        """End the frames and refuse further ones."""
        self._playback.close()
        with self._decoding:
            self._video.close()

    def _frames(self) -> Iterator[Frame]:
        with self._playback.running():
            while True:
                with self._decoding:
                    self._playback.check_open()
                    found = next(self._source, None)
                    if found is None:
                        return
                    timestamp_ns, frame = found
                    pixels = self._video.pixels(frame)
                if not self._playback.due(timestamp_ns):
                    return
                sequence = self._sequence
                self._sequence += 1
                yield Frame(pixels, sequence, timestamp_ns)

    def _timed(self) -> Iterator[tuple[int, Any]]:
        """Yield (timestamp, frame), times strictly increasing also across a loop."""
        last_ns = -self._period_ns
        while True:
            begin_ns: int | None = None
            count = 0
            try:
                for time_s, frame in self._video.frames():
                    count += 1
                    next_ns = last_ns + self._period_ns
                    if time_s is not None:
                        time_ns = round(time_s * _NS_PER_S)
                        if begin_ns is None:
                            begin_ns = time_ns - next_ns
                        if time_ns - begin_ns > last_ns:
                            next_ns = time_ns - begin_ns
                    last_ns = next_ns
                    yield last_ns, frame
            except VideoError as error:
                raise CameraError(f"{self._path}: cannot be read on ({error})") from None
            if not count:
                raise ConfigError(f"{self._path}: not one of its frames can be decoded")
            if not self._loop:
                return
            self._video.rewind()
