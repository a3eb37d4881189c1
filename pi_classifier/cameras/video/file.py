"""A video file played frame by frame, with the file's own times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pi_classifier.cameras.orientation import Orientation
from pi_classifier.cameras.playback import Playback, PlayedCamera
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.stream import Clock
from pi_classifier.cameras.video.pyav import MediaAddress, Video, VideoError
from pi_classifier.errors import (
    CameraError,
    CameraUnavailable,
    ConfigError,
    is_the_machines,
)
from pi_classifier.types import Frame

_NS_PER_S = 1_000_000_000


def open_video_file(
    path: Path, settings: CameraSettings, side: int, clock: Clock | None = None
) -> PlayedCamera:
    """Play every frame of a video; timestamps are the file's, from 0 on.

    Frames are made smaller until their shorter side is `side` pixels. With `settings.loop`
    the video begins anew and its times go on. Raises ConfigError when the file is missing
    or no video, CameraUnavailable when PyAV is not installed or the disk cannot be read now;
    its frames raise CameraError where the file cannot be read on.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; expected a video or a folder")
    try:
        video = Video(MediaAddress(f"file:{path}"), side, seen=Orientation.of(settings))
    except VideoError as error:
        if is_the_machines(OSError(error.errno, str(error))):
            raise CameraUnavailable(f"{path}: cannot be read now ({error})") from None
        raise ConfigError(
            f"{path}: cannot be read as a video ({error}); expected one such as .mp4 or .mkv"
        ) from None
    playback = Playback(f"replay of {path}", realtime=settings.realtime, clock=clock)
    period_ns = round(_NS_PER_S / (video.fps or settings.fps))
    return PlayedCamera(playback, _frames(video, path, period_ns, settings.loop), video.close)


def _frames(video: Video, path: Path, period_ns: int, loop: bool) -> Iterator[Frame]:
    """Yield the video's frames, times strictly increasing also across a loop.

    A frame without a time, or with one that is no later than the last, comes a period after
    the last; so does the first of a further round.
    """
    sequence, last_ns = 0, -period_ns
    while True:
        first_of_round = sequence
        shift_ns: int | None = None  # from the file's clock to the frames' own
        try:
            for time_s, frame in video.frames():
                next_ns = last_ns + period_ns
                if time_s is not None:
                    time_ns = round(time_s * _NS_PER_S)
                    if shift_ns is None:
                        shift_ns = next_ns - time_ns
                    if time_ns + shift_ns > last_ns:
                        next_ns = time_ns + shift_ns
                last_ns = next_ns
                yield Frame(video.pixels(frame), sequence, last_ns)
                sequence += 1
        except VideoError as error:
            raise CameraError(f"{path}: cannot be read on ({error})") from None
        if sequence == first_of_round:
            raise ConfigError(f"{path}: not one of its frames can be decoded")
        if not loop:
            return
        video.rewind()
