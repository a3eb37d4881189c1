"""What every camera must do; one suite over all of them.

To hold another camera to it, add its factory to `CAMERAS`: given a temporary
folder and keywords it returns a new camera that shows the same thing every time.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from pi_classifier.cameras import open_camera
from pi_classifier.cameras.emulated.camera import open_emulated_camera
from pi_classifier.cameras.raspberry_pi.camera import PiCamera
from pi_classifier.cameras.recovery import RecoveringCamera
from pi_classifier.cameras.replay.photo_folder import open_photo_folder
from pi_classifier.cameras.replay.recording import Recorder, open_recording
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.several import SeveralCameras
from pi_classifier.cameras.video.file import open_video_file
from pi_classifier.cameras.video.network import open_network_camera
from pi_classifier.errors import CameraClosed, CameraError
from pi_classifier.types import Camera, Frame
from tests.emulated_picamera2 import HARDWARE
from tests.servers.films import film
from tests.servers.mjpeg import MjpegServer
from tests.servers.rtsp import RtspServer
from tests.servers.stills import StillServer

if TYPE_CHECKING:
    from emulation.hardware import Pace, Platform

Maker = Callable[..., Camera]


def emulated(folder: Path, *, fps: float = 100.0, realtime: bool = False) -> Camera:
    return open_emulated_camera(
        CameraSettings(width=64, height=48, fps=fps, seed=3, realtime=realtime)
    )


def replay(folder: Path, *, fps: float = 100.0, realtime: bool = False) -> Camera:
    rng = np.random.default_rng(0)
    for name in ("a/1.png", "b/2.png"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (31, 45, 3), np.uint8)).save(path)
    settings = CameraSettings(fps=fps, realtime=realtime, loop=True, hold_s=0.02)
    return open_photo_folder(str(folder), settings)


def video_file(folder: Path, *, fps: float = 100.0, realtime: bool = False) -> Camera:
    path = film(folder / "video.mkv", frames=40, fps=Fraction(fps).limit_denominator(1000))
    return open_video_file(path, CameraSettings(realtime=realtime), side=48)


def recording(folder: Path, *, fps: float = 100.0, realtime: bool = False) -> Camera:
    kept = folder / f"kept at {fps:g}"
    if not kept.exists():
        recorder = Recorder(kept, source="emulated", max_bytes=10**7)
        for frame in islice(emulated(folder, fps=fps).frames(), 40):
            recorder.add(frame)
        recorder.close()
    return open_recording(kept, CameraSettings(realtime=realtime))


def recovering(folder: Path, *, fps: float = 100.0, realtime: bool = False) -> Camera:
    """What the service reads from: any camera with the recovery around it."""
    return RecoveringCamera(lambda: emulated(folder, fps=fps, realtime=realtime), 0.0)


def several(folder: Path, *, fps: float = 100.0, realtime: bool = False) -> Camera:
    """What the service reads from where the configuration has [[cameras]]."""
    cameras = SeveralCameras()
    cameras.add("garden", recovering(folder, fps=fps, realtime=realtime))
    return cameras


def rtsp(folder: Path, *, fps: float = 50.0, realtime: bool = True) -> Camera:
    settings = CameraSettings(source=_rtsp_server().url, fps=fps)
    return open_network_camera(settings.source, settings, side=120)


def mjpeg(folder: Path, *, fps: float = 50.0, realtime: bool = True) -> Camera:
    settings = CameraSettings(source=_mjpeg_server().url, fps=fps)
    return open_network_camera(settings.source, settings, side=48)


def stills(folder: Path, *, fps: float = 50.0, realtime: bool = True) -> Camera:
    settings = CameraSettings(source=_still_server().url(), fps=fps)
    return open_network_camera(settings.source, settings, side=48)


@cache
def _rtsp_server() -> RtspServer:
    server = RtspServer()
    atexit.register(server.kill)
    return server


@cache
def _mjpeg_server() -> MjpegServer:
    server = MjpegServer()
    atexit.register(server.cut)
    return server


@cache
def _still_server() -> StillServer:
    server = StillServer()
    atexit.register(server.cut)
    return server


def picamera2(folder: Path, *, fps: float = 50.0, realtime: bool = False) -> Camera:
    """A Pi 4's camera that loses no frame and keeps exact time; each camera has its own sensor."""
    return _pi_camera("vc4", "lockstep" if realtime else "virtual", fps)


def picamera2_pi5(folder: Path, *, fps: float = 50.0, realtime: bool = False) -> Camera:
    return _pi_camera("pisp", "lockstep" if realtime else "virtual", fps)


def picamera2_live(folder: Path, *, fps: float = 50.0, realtime: bool = True) -> Camera:
    return _pi_camera("vc4", "real", fps)


def _pi_camera(platform: Platform, pace: Pace, fps: float) -> Camera:
    in_use = [sensor for sensor in HARDWARE.sensors if sensor.held_by is not None]
    if not in_use:
        HARDWARE.plug("imx708", "imx708", platform=platform)
    sensor = HARDWARE.sensors[len(in_use)]
    sensor.pace = pace
    return PiCamera(CameraSettings(fps=fps), sensor.id, (48, 64))


def hardware(folder: Path, *, fps: float = 10.0, realtime: bool = True) -> Camera:
    """The camera of this computer, for whoever sets PI_CLASSIFIER_TEST_CAMERA=pi on a Pi."""
    return open_camera(CameraSettings(source=os.environ[TEST_CAMERA], fps=fps), (224, 224))


TEST_CAMERA = "PI_CLASSIFIER_TEST_CAMERA"

# What live sources show depends on when one looks: some properties are not theirs.
LIVE = {"rtsp": rtsp, "mjpeg": mjpeg, "stills": stills, "picamera2 live": picamera2_live}
REPEATABLE = {
    "emulated": emulated,
    "replay": replay,
    "recording": recording,
    "video file": video_file,
    "recovering": recovering,
    "several": several,
    "picamera2": picamera2,
    "picamera2 Pi 5": picamera2_pi5,
}
if TEST_CAMERA in os.environ:
    LIVE, REPEATABLE = {"hardware": hardware}, {}
CAMERAS = REPEATABLE | LIVE


@pytest.fixture(params=CAMERAS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Maker]:
    yield from makers(CAMERAS[request.param], tmp_path)


@pytest.fixture(params=REPEATABLE)
def make_repeatable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Maker]:
    yield from makers(REPEATABLE[request.param], tmp_path)


def makers(maker: Maker, folder: Path) -> Iterator[Maker]:
    opened: list[Camera] = []

    def make_one(**changes: object) -> Camera:
        opened.append(maker(folder, **changes))
        return opened[-1]

    yield make_one
    for camera in opened:
        camera.close()


def first(camera: Camera, count: int) -> list[Frame]:
    return list(islice(camera.frames(), count))


def test_pixels_are_read_only_contiguous_rgb(make: Maker) -> None:
    frames = first(make(), 20)
    assert len(frames) == 20
    for frame in frames:
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.ndim == 3
        assert frame.pixels.shape[2] == 3
        assert frame.pixels.flags.c_contiguous
        assert not frame.pixels.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            frame.pixels[0, 0, 0] = 1


def test_frames_are_not_reused_for_other_contents(make: Maker) -> None:
    stream = make().frames()
    frame = next(stream)
    before = frame.pixels.tobytes()
    list(islice(stream, 10))
    assert frame.pixels.tobytes() == before


def test_sequence_and_timestamps_strictly_increase(make: Maker) -> None:
    frames = first(make(), 30)
    assert frames[0].sequence == 0
    for one, other in pairwise(frames):
        assert other.sequence > one.sequence
        assert other.timestamp_ns > one.timestamp_ns
    assert all(isinstance(frame.timestamp_ns, int) for frame in frames)


def test_frames_called_again_go_on(make: Maker) -> None:
    camera = make()
    numbers = [frame.sequence for frame in first(camera, 3) + first(camera, 3)]
    assert numbers[0] == 0
    assert all(one < other for one, other in pairwise(numbers))


def test_no_frame_is_left_out(make_repeatable: Maker) -> None:
    camera = make_repeatable()
    frames = first(camera, 3) + first(camera, 3)
    assert [frame.sequence for frame in frames] == list(range(6))


def test_equal_cameras_give_equal_bytes(make_repeatable: Maker) -> None:
    one, other = first(make_repeatable(), 12), first(make_repeatable(), 12)
    for a, b in zip(one, other, strict=True):
        assert a.pixels.tobytes() == b.pixels.tobytes()
        assert (a.sequence, a.timestamp_ns, a.truth) == (b.sequence, b.timestamp_ns, b.truth)


def test_the_pace_changes_no_byte_and_no_timestamp(make_repeatable: Maker) -> None:
    quick = first(make_repeatable(), 4)
    paced = first(make_repeatable(realtime=True), 4)
    for a, b in zip(quick, paced, strict=True):
        assert a.pixels.tobytes() == b.pixels.tobytes()
        assert a.timestamp_ns == b.timestamp_ns


def test_stop_from_another_thread_ends_the_frames_soon(make: Maker) -> None:
    camera = make(fps=0.1, realtime=True)  # the second frame would be due in ten seconds
    started = threading.Event()
    got: list[int] = []

    def consume() -> None:
        for frame in camera.frames():
            got.append(frame.sequence)
            started.set()

    consumer = threading.Thread(target=consume)
    consumer.start()
    assert started.wait(10)
    stopped = time.monotonic()
    camera.stop()
    consumer.join(10)
    assert not consumer.is_alive()
    assert time.monotonic() - stopped < 0.5
    assert got == [0]


def test_stop_before_the_first_frame_is_not_lost(make: Maker) -> None:
    camera = make()
    camera.stop()
    assert list(camera.frames()) == []


def test_stop_twice_and_after_close_is_harmless(make: Maker) -> None:
    camera = make()
    camera.stop()
    camera.stop()
    camera.close()
    camera.stop()
    with pytest.raises(CameraClosed):
        next(camera.frames())


def test_close_is_idempotent_and_frames_then_refused(make: Maker) -> None:
    camera = make()
    assert len(first(camera, 2)) == 2
    camera.close()
    camera.close()
    with pytest.raises(CameraClosed, match="closed"):
        camera.frames()


def test_a_stream_left_open_is_refused_after_close(make: Maker) -> None:
    camera = make()
    stream = camera.frames()
    next(stream)
    camera.close()
    with pytest.raises(CameraClosed):
        next(stream)


def test_frames_outlive_the_camera(make: Maker) -> None:
    camera = make()
    (frame,) = first(camera, 1)
    before = frame.pixels.tobytes()
    camera.close()
    assert frame.pixels.tobytes() == before


def test_two_consumers_at_once_are_refused(make: Maker) -> None:
    camera = make()
    stream = camera.frames()
    next(stream)
    with pytest.raises(CameraError, match="another consumer"):
        next(camera.frames())
