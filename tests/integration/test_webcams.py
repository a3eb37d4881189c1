"""Webcams as far as they go without one: real refusals, and JPEG pictures out of a pipe.

Where the kernel has no webcam, its demuxer's errors are real, and its pictures come from
a pipe read by the same code; no real device has been read by these tests.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest

from pi_classifier.cameras import CameraSettings, open_camera
from pi_classifier.cameras.video.webcam import open_webcam
from pi_classifier.errors import CameraError, CameraUnavailable
from tests.servers.mjpeg import picture

SETTINGS = CameraSettings(source="webcam", width=64, height=48, fps=50.0, timeout_s=5.0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("webcam:77", "webcam /dev/video77: there is no such device"),
        ("/dev/video77", "webcam /dev/video77: there is no such device"),
        ("webcam:/dev/v4l/by-id/usb-None-index0", "usb-None-index0: there is no such device"),
        ("/dev/null", "webcam /dev/null: is no device that gives pictures"),
    ],
)
def test_what_is_no_webcam_is_named(source: str, message: str) -> None:
    with pytest.raises(CameraUnavailable, match=message):
        open_camera(CameraSettings(source=source))


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, threading.Event]]:
    """A pipe through which JPEG pictures come at 50 a second, until the event is set."""
    path = tmp_path / "video0"
    os.mkfifo(path)
    ended = threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            number = 0
            while not ended.wait(0.02):
                try:
                    stream.write(picture(number))
                except BrokenPipeError:
                    return
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    yield path, ended
    ended.set()
    writer.join()


def test_pictures_of_a_device_and_its_end(pipe: tuple[Path, threading.Event]) -> None:
    path, ended = pipe
    camera = open_webcam(str(path), SETTINGS, 48, demuxer="mjpeg")
    frames = list(islice(camera.frames(), 10))
    assert [frame.pixels.shape for frame in frames] == [(48, 64, 3)] * 10
    assert all(one.sequence < other.sequence for one, other in pairwise(frames))
    ended.set()
    with pytest.raises(CameraError, match=r"webcam .*(unplugged|has ended)"):
        list(camera.frames())
    camera.close()
