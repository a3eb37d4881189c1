"""The same chart through every source, mirrored, turned and cut: the same picture of it.

Red rises from left to right, green from top to bottom, so a color tells the place.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pi_classifier.cameras import open_camera
from pi_classifier.cameras.replay.recording import Recorder
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.webcam import open_webcam
from pi_classifier.errors import ConfigError
from pi_classifier.types import Camera, Frame
from tests.emulated_picamera2 import HARDWARE, Platform
from tests.servers.mjpeg import mjpeg_server
from tests.servers.stills import still_server

WIDTH, HEIGHT = 320, 240
X, Y = np.meshgrid(np.linspace(0, 255, WIDTH), np.linspace(0, 255, HEIGHT))
CHART = np.dstack([X, Y, np.full_like(X, 128)]).astype(np.uint8)

Opened = Callable[..., Camera]


def encoded(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(CHART).save(buffer, kind, **options)
    return buffer.getvalue()


JPEG = encoded("JPEG", quality=98, subsampling=0)


def opener(source: str) -> Opened:
    return lambda **asked: open_camera(CameraSettings(source=source, realtime=False, **asked))


@contextmanager
def photos(folder: Path) -> Iterator[Opened]:
    (folder / "chart.png").write_bytes(encoded("PNG"))
    yield opener(f"replay:{folder}")


@contextmanager
def video(folder: Path) -> Iterator[Opened]:
    import av

    with av.open(str(folder / "chart.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj444p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(CHART, format="rgb24")))
        container.mux(stream.encode(None))
    yield opener(f"replay:{folder / 'chart.mkv'}")


@contextmanager
def stills(folder: Path) -> Iterator[Opened]:
    with still_server() as server:
        server.content = lambda number: JPEG
        yield opener(server.url())


@contextmanager
def stream(folder: Path) -> Iterator[Opened]:
    with mjpeg_server() as server:
        server.damage = lambda number, data: JPEG
        yield opener(server.url)


@contextmanager
def webcam(folder: Path) -> Iterator[Opened]:
    path, ended = folder / "video0", threading.Event()
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as device:
            while not ended.wait(0.01):
                try:
                    device.write(JPEG)
                except BrokenPipeError:
                    return

    writer = threading.Thread(target=write)
    writer.start()
    settings = partial(CameraSettings, source="webcam", width=WIDTH, height=HEIGHT)
    yield lambda **asked: open_webcam(str(path), settings(**asked), 480, demuxer="mjpeg")
    ended.set()
    writer.join()


def pi(platform: Platform) -> Callable[[Path], Any]:
    @contextmanager
    def plugged(folder: Path) -> Iterator[Opened]:
        HARDWARE.plug("imx219", platform=platform, pace="virtual")

        def opened(**asked: Any) -> Camera:
            # its frames are as large as configured, however they are turned
            size = (WIDTH, HEIGHT)[:: -1 if asked.get("rotation", 0) % 180 else 1]
            return open_camera(CameraSettings(source="pi", width=size[0], height=size[1], **asked))

        yield opened

    return plugged


SOURCES = {
    "photos": photos,
    "video": video,
    "still pictures": stills,
    "stream": stream,
    "webcam": webcam,
    "pi 4": pi("vc4"),
    "pi 5": pi("pisp"),
}

# What is asked for, and the place on the chart of each corner: upper left, upper right, lower
# right, lower left; columns and rows from 0 to 1.
CASES: dict[str, tuple[dict[str, Any], list[tuple[float, float]]]] = {
    "nothing": ({}, [(0, 0), (1, 0), (1, 1), (0, 1)]),
    "mirrored": ({"hflip": True}, [(1, 0), (0, 0), (0, 1), (1, 1)]),
    "upside down": ({"vflip": True}, [(0, 1), (1, 1), (1, 0), (0, 0)]),
    "a quarter": ({"rotation": 90}, [(0, 1), (0, 0), (1, 0), (1, 1)]),
    "a half": ({"rotation": 180}, [(1, 1), (0, 1), (0, 0), (1, 0)]),
    "three quarters": ({"rotation": 270}, [(1, 0), (1, 1), (0, 1), (0, 0)]),
    "mirrored, a quarter": (
        {"hflip": True, "rotation": 90},
        [(1, 1), (1, 0), (0, 0), (0, 1)],
    ),
    "a part": (
        {"roi": (0.5, 0.25, 0.5, 0.5)},
        [(0.5, 0.25), (1, 0.25), (1, 0.75), (0.5, 0.75)],
    ),
    # the upper right quarter of what is seen is the lower left one of what the sensor sees
    "a half, a part": (
        {"rotation": 180, "roi": (0.5, 0.0, 0.5, 0.5)},
        [(0.5, 1), (0, 1), (0, 0.5), (0.5, 0.5)],
    ),
    "mirrored, a quarter, a part": (
        {"hflip": True, "rotation": 90, "roi": (0.0, 0.5, 0.5, 0.5)},
        [(0.5, 1), (0.5, 0.5), (0, 0.5), (0, 1)],
    ),
}


def corners(frame: Frame) -> list[tuple[float, float]]:
    places = ((2, 2), (2, -3), (-3, -3), (-3, 2))
    return [tuple(frame.pixels[place][:2] / 255) for place in places]


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_shows_the_same(source: str, tmp_path: Path) -> None:
    with SOURCES[source](tmp_path) as opened:
        for name, (asked, places) in CASES.items():
            if source == "webcam" and name != "mirrored, a quarter, a part":
                continue  # a pipe is read once
            with closing(opened(**asked)) as camera:
                (frame,) = islice(camera.frames(), 1)
            for seen, place in zip(corners(frame), places, strict=True):
                assert seen == pytest.approx(place, abs=0.03), name
            part = asked.get("roi", (0, 0, 1, 1))
            size = (HEIGHT, WIDTH)[:: -1 if asked.get("rotation", 0) % 180 else 1]
            if not source.startswith("pi "):  # the Pi makes a part as large as the whole
                whole = (size[0] * part[3], size[1] * part[2])
                assert frame.pixels.shape[:2] == pytest.approx(whole, abs=1), name


def test_the_emulated_camera_shows_what_it_draws() -> None:
    plain = next(opener("emulated")(fps=10.0).frames()).pixels
    asked = {"hflip": True, "rotation": 90, "roi": (0.5, 0.0, 0.5, 1.0)}
    seen = next(opener("emulated")(**asked).frames()).pixels
    assert np.array_equal(seen, np.rot90(plain[:, ::-1], -1)[:, plain.shape[0] // 2 :])
    dark = next(opener("emulated")(faults=("dark@0:1",), **asked).frames()).pixels
    assert dark.shape == seen.shape


@pytest.mark.parametrize("asked", [{"rotation": 90}, {"hflip": True}, {"roi": (0, 0, 0.5, 0.5)}])
def test_a_recording_is_played_as_it_was_seen(asked: dict[str, Any], tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "kept", source="emulated", max_bytes=10**7)
    with closing(recorder):
        recorder.add(next(opener("emulated")().frames()))
    (name,) = asked
    with pytest.raises(ConfigError, match=f"as the camera saw it; remove camera.{name}"):
        opener(f"replay:{tmp_path / 'kept'}")(**asked)


def test_what_the_network_in_a_sensor_sees_cannot_be_cut(tmp_path: Path) -> None:
    (tmp_path / "a.rpk").write_bytes(b"network")
    with pytest.raises(ConfigError, match=r"sees all the sensor sees; remove camera\.roi"):
        opener(f"imx500:{tmp_path / 'a.rpk'}")(roi=(0.0, 0.0, 0.5, 0.5))
