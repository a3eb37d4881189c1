"""Every fault of a Pi's camera that can be made here: what is said, and that it comes back."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from pi_classifier.cameras.raspberry_pi import device
from pi_classifier.cameras.raspberry_pi.camera import PiCamera
from pi_classifier.cameras.recovery import RecoveringCamera, RecoveryStep
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraClosed, CameraError, CameraTimeout, CameraUnavailable
from pi_classifier.types import Frame
from tests.emulated_picamera2 import HARDWARE, EmulatedSensor, SensorClock

MODEL = (64, 64)
# By the sensor's clock, which runs ahead of ours: a wait for a sensor that is still costs
# one look around (0.2 s), however long it is.
SETTINGS = CameraSettings(fps=10.0, timeout_s=2.0)


@pytest.fixture
def sensor() -> EmulatedSensor:
    (only,) = HARDWARE.plug("imx708", pace="virtual")
    return only


def opened(sensor: EmulatedSensor, settings: CameraSettings = SETTINGS) -> PiCamera:
    return PiCamera(settings, model_size=MODEL, clock=SensorClock(sensor))


def numbers(frames: Iterator[Frame], count: int) -> list[int]:
    return [frame.sequence for frame in islice(frames, count)]


def stall(sensor: EmulatedSensor) -> None:
    sensor.faults.stalled = True


def fail_to_start(sensor: EmulatedSensor) -> None:
    """The cable came off: no frames, and the sensor does not answer either."""
    sensor.faults.stalled = True
    sensor.faults.start_errno = errno.EREMOTEIO


def taken_by_another(sensor: EmulatedSensor) -> None:
    sensor.faults.stalled = True
    sensor.faults.start_errno = errno.EIO
    sensor.faults.acquire_errno = errno.EBUSY


def run_out_of_memory(sensor: EmulatedSensor) -> None:
    sensor.faults.stalled = True
    sensor.faults.start_errno = errno.ENOMEM
    HARDWARE.largest_buffer = 100


def raise_in_event_loop(request: object) -> None:
    raise RuntimeError("ordered")


def mend(sensor: EmulatedSensor) -> None:
    sensor.faults.stalled = False
    sensor.faults.start_errno = sensor.faults.acquire_errno = 0
    HARDWARE.largest_buffer = None


FAULTS: dict[str, tuple[Callable[[EmulatedSensor], None], str]] = {
    "no more frames": (stall, "no frame within"),
    "cable off": (fail_to_start, "Remote I/O error.*cable"),
    "taken by another program": (taken_by_another, "busy, in use"),
    "no memory": (run_out_of_memory, "contiguous memory .CMA"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_ladder_brings_it_back(sensor: EmulatedSensor, fault: str) -> None:
    """Broken for the first tries, then mended: frames go on, with numbers and times growing."""
    harm, words = FAULTS[fault]
    steps: list[RecoveryStep] = []

    def watch(step: RecoveryStep) -> None:
        steps.append(step)
        if step.phase == "waiting" and step.attempt == 2:
            mend(sensor)

    camera = RecoveringCamera(
        lambda: opened(sensor), 60.0, on_step=watch, clock=SensorClock(sensor)
    )
    with closing(camera):
        stream = camera.frames()
        before = list(islice(stream, 3))
        harm(sensor)
        after = list(islice(stream, 8))
    everything = [*before, *after]
    assert [frame.sequence for frame in everything] == sorted({f.sequence for f in everything})
    times = [frame.timestamp_ns for frame in everything]
    assert times == sorted(set(times))
    kinds = [step.phase for step in steps]
    # all but one sees the camera started again at once, to stall again: nobody mended it yet
    assert kinds[:3] == ["opening", "failed", "waiting"]
    assert kinds[-1] == "recovered"
    assert "restarting" in kinds
    said = " ".join(step.reason for step in steps)
    assert re.search(words, said), said


def test_restart_mends_a_stall(sensor: EmulatedSensor) -> None:
    with closing(opened(sensor)) as camera:
        assert numbers(camera.frames(), 2) == [0, 1]
        sensor.faults.stalled = True
        with pytest.raises(CameraTimeout, match=r"\(imx708\): no frame within 2.1 s"):
            numbers(camera.frames(), 10)
        sensor.faults.stalled = False
        camera.restart()
        frames = list(islice(camera.frames(), 3))
        first = frames[0].sequence
        assert first > 10  # the time without frames is a gap
        assert [frame.sequence for frame in frames] == [first, first + 1, first + 2]


def test_a_restart_while_it_still_stalls_fails_again_within_its_limit(
    sensor: EmulatedSensor,
) -> None:
    with closing(opened(sensor)) as camera:
        sensor.faults.stalled = True
        for _ in range(2):
            with pytest.raises(CameraTimeout):
                next(camera.frames())
            camera.restart()


def test_libcamera_says_so_too(sensor: EmulatedSensor, capfd: pytest.CaptureFixture[str]) -> None:
    with closing(opened(sensor)) as camera:
        sensor.faults.stalled = True
        with pytest.raises(CameraTimeout):
            next(camera.frames())
    assert "Camera frontend has timed out!" in capfd.readouterr().err


def test_stop_amid_a_stall_ends_the_frames_soon(sensor: EmulatedSensor) -> None:
    sensor.pace = "real"
    with closing(PiCamera(CameraSettings(timeout_s=60.0), model_size=MODEL)) as camera:
        stream = camera.frames()
        next(stream)
        sensor.faults.stalled = True
        ended = threading.Event()

        def read_to_the_end() -> None:
            for _ in stream:
                pass
            ended.set()

        reader = threading.Thread(target=read_to_the_end)
        reader.start()
        time.sleep(0.15)  # for the reader to be waiting
        camera.stop()
        assert ended.wait(0.5)
        reader.join()


def test_close_amid_a_wait_is_told_to_whoever_waits(sensor: EmulatedSensor) -> None:
    sensor.pace = "real"
    camera = PiCamera(CameraSettings(timeout_s=60.0), model_size=MODEL)
    stream = camera.frames()
    next(stream)
    sensor.faults.stalled = True
    failures: list[BaseException] = []

    def read() -> None:
        try:
            list(stream)
        except CameraClosed as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.15)
    started_s = time.monotonic()
    camera.close()
    reader.join(2)
    assert time.monotonic() - started_s < 2
    assert len(failures) == 1
    assert sensor.held_by is None


def test_a_damaged_stream_of_frames_times_out(sensor: EmulatedSensor) -> None:
    """Frames come, but all of them damaged: picamera2 drops them without a word."""
    with closing(opened(sensor)) as camera:
        next(camera.frames())
        sensor.faults.errors = 1_000_000
        with pytest.raises(CameraTimeout):
            numbers(camera.frames(), 3)
        sensor.faults.errors = 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_death_of_picamera2s_thread_is_survived_by_opening_anew(
    sensor: EmulatedSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_CLOSE_S", 0.3)
    steps: list[str] = []
    cameras: list[PiCamera] = []

    def opener() -> PiCamera:
        cameras.append(opened(sensor, CameraSettings(fps=10.0, timeout_s=0.2)))
        return cameras[-1]

    # a sensor whose frames nobody fetches any more stands still: this takes real time
    camera = RecoveringCamera(
        opener,
        60.0,
        on_step=lambda step: steps.append(step.phase),
        clock=SensorClock(sensor),
    )
    threads = threading.active_count()
    with closing(camera):
        stream = camera.frames()
        before = numbers(stream, 2)
        cameras[0]._device.picamera.pre_callback = raise_in_event_loop
        after = numbers(stream, 3)
    assert before[-1] < after[0]
    assert steps.count("restarting") == 1
    assert "reopening" in steps
    assert steps[-1] == "recovered"
    assert settles(lambda: threading.active_count() <= threads)


def settles(condition: Callable[[], bool], timeout_s: float = 3.0) -> bool:
    """Whether the condition holds soon: threads take a moment to end."""
    end_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.01)
    return condition()


def test_closing_never_hangs_even_if_the_driver_does(
    sensor: EmulatedSensor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device, "_CLOSE_S", 0.3)
    camera = opened(sensor)
    next(camera.frames())
    released = sensor.faults.hang_on_stop = threading.Event()
    with pytest.raises(CameraError, match=r"did not stop within 0.3 s.*start the computer again"):
        camera.restart()
    started_s = time.monotonic()
    camera.close()
    assert time.monotonic() - started_s < 2
    assert "did not close within 0.3 s, so its driver hangs" in caplog.text
    with pytest.raises(CameraUnavailable, match="busy, in use"):
        opened(sensor)
    released.set()
    sensor.faults.hang_on_stop = None
    assert settles(lambda: sensor.held_by is None)
    with closing(opened(sensor)) as camera:
        assert numbers(camera.frames(), 2) == [0, 1]


def test_no_camera() -> None:
    HARDWARE.plug()
    with pytest.raises(CameraUnavailable, match=r"no camera is found.*cable.*--list-cameras"):
        PiCamera(SETTINGS, model_size=MODEL)
    (sensor,) = HARDWARE.plug("imx219", pace="virtual")
    with closing(opened(sensor)) as camera:
        assert numbers(camera.frames(), 2) == [0, 1]


def test_a_camera_serves_one_program(sensor: EmulatedSensor) -> None:
    sensor.faults.acquire_errno = errno.EBUSY
    with pytest.raises(CameraUnavailable, match=r"busy, in use by another program.*stop that"):
        opened(sensor)
    sensor.faults.acquire_errno = 0
    with closing(opened(sensor)) as camera:
        with pytest.raises(CameraUnavailable, match=r"busy, in use by this program itself"):
            opened(sensor)
        assert numbers(camera.frames(), 2) == [0, 1]  # which the other one does not notice


def test_out_of_memory_names_the_cure_and_a_smaller_size_works(sensor: EmulatedSensor) -> None:
    HARDWARE.largest_buffer = 200_000
    with pytest.raises(
        CameraUnavailable, match=r"out of contiguous memory \(CMA\).*smaller.*cma-256"
    ):
        PiCamera(CameraSettings(width=640, height=480))
    with closing(opened(sensor)) as camera:
        assert numbers(camera.frames(), 2) == [0, 1]


# picamera2's own: its half-made allocator complains when it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_permission_says_which_group(sensor: EmulatedSensor) -> None:
    heap = "/dev/dma_heap/linux,cma"
    HARDWARE.heap_error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), heap)
    with pytest.raises(CameraUnavailable, match=f"no permission to open {heap}"):
        opened(sensor)
    assert sensor.held_by is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_heap_to_take_frames_from(sensor: EmulatedSensor) -> None:
    HARDWARE.heap_error = RuntimeError("Could not open any dmaHeap device")  # type: ignore[assignment]
    with pytest.raises(CameraUnavailable, match=r"no /dev/dma_heap.*--device"):
        opened(sensor)


def test_failed_openings_leave_nothing_behind(sensor: EmulatedSensor) -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    def fail() -> None:
        with pytest.raises(CameraUnavailable):
            opened(sensor)

    sensor.faults.acquire_errno = errno.EBUSY
    fail()
    before = held()
    for _ in range(10):
        fail()
    assert held() == before
    sensor.faults.acquire_errno = 0
    HARDWARE.largest_buffer = 100
    for _ in range(10):
        fail()
    assert settles(lambda: held() <= before), (held(), before)


def test_opening_and_closing_leaves_nothing_behind(sensor: EmulatedSensor) -> None:
    counts = []
    for _ in range(6):
        with closing(opened(sensor)) as camera:
            next(camera.frames())
        gc.collect()
        counts.append((len(list(Path("/proc/self/fd").iterdir())), threading.active_count()))
    assert max(counts[1:]) == counts[1]


def test_a_consumer_that_fails_does_not_keep_the_cameras_memory(sensor: EmulatedSensor) -> None:
    with closing(opened(sensor)) as camera:
        for number in range(7):  # more than there are buffers
            with contextlib.suppress(ZeroDivisionError):
                for _ in camera.frames():
                    _ = number // 0
        assert len(numbers(camera.frames(), 3)) == 3


def test_picamera2_is_quiet_about_what_is_told_anyway(
    sensor: EmulatedSensor, caplog: pytest.LogCaptureFixture
) -> None:
    sensor.faults.acquire_errno = errno.EBUSY
    with pytest.raises(CameraUnavailable):
        opened(sensor)
    assert [record for record in caplog.records if record.name.startswith("picamera2")] == []
    assert "picamera2" in sys.modules
