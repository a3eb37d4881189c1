"""Network cameras against real servers that are slowed, halted, cut off and started again."""

from __future__ import annotations

import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, pairwise
from pathlib import Path

import pytest

from pi_classifier.cameras import CameraSettings, open_camera
from pi_classifier.cameras.recovery import RecoveringCamera, RecoveryStep
from pi_classifier.cameras.video import network
from pi_classifier.cameras.video.network import open_network_camera
from pi_classifier.errors import CameraError, CameraTimeout, CameraUnavailable, ConfigError
from tests.servers import Open, gray
from tests.servers.mjpeg import MjpegServer, mjpeg_server
from tests.servers.rtsp import HEIGHT, PASSWORD, USER, WIDTH, RtspServer, rtsp_server


@pytest.fixture
def http() -> Iterator[MjpegServer]:
    with mjpeg_server() as server:
        yield server


@pytest.fixture(scope="module")
def rtsp() -> Iterator[RtspServer]:
    with rtsp_server() as server:
        yield server


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_a_slow_consumer_gets_the_newest_picture_and_the_gap_is_counted(
    http: MjpegServer, opened: Open
) -> None:
    stream = opened(http.url).frames()
    before = next(stream)
    served = http.served
    wait_until(lambda: http.served >= served + 30)
    after = next(stream)
    # the oldest that was missed would be the next; some of the newest may be on their way
    assert gray(after) >= served + 15
    assert after.sequence - before.sequence >= 15
    assert after.timestamp_ns <= time.monotonic_ns()


def test_pictures_beyond_the_frame_rate_are_passed_over(http: MjpegServer, opened: Open) -> None:
    first, *_, last = islice(opened(http.url, fps=5.0).frames(), 4)
    assert gray(last) - gray(first) >= 2 * (last.sequence - first.sequence)


@pytest.mark.parametrize("which", ["http", "rtsp"])
def test_a_stall_is_a_time_out_and_frames_come_again(
    request: pytest.FixtureRequest, opened: Open, which: str
) -> None:
    server: MjpegServer | RtspServer = request.getfixturevalue(which)
    camera = opened(server.url, timeout_s=2.0)
    stream = camera.frames()
    next(stream)
    halt, go_on = (
        (server.flowing.clear, server.flowing.set)
        if isinstance(server, MjpegServer)
        else (server.halt, server.go_on)
    )
    camera._timeout_s = 0.3  # the reader's own, two seconds, must not be the one that counts
    halt()
    try:
        with pytest.raises(CameraTimeout, match=r"no frame within 0\.3 s"):
            list(stream)
    finally:
        go_on()
    camera._timeout_s = 5.0
    assert next(camera.frames()).sequence > 0


@pytest.mark.parametrize("which", ["http", "rtsp"])
def test_a_camera_that_goes_away_comes_back(which: str) -> None:
    """Cut off in the middle, started again meanwhile: numbers and times go on."""
    server: MjpegServer | RtspServer = MjpegServer() if which == "http" else RtspServer()
    cut, again = (
        (server.cut, server.start_again)
        if isinstance(server, MjpegServer)
        else (server.kill, server.start)
    )
    steps: list[RecoveryStep] = []

    def note(step: RecoveryStep) -> None:
        steps.append(step)
        if step.phase == "waiting" and step.attempt == 1:
            again()

    settings = CameraSettings(source=server.url, timeout_s=2.0, fps=50.0)
    camera = RecoveringCamera(
        lambda: open_camera(settings), 20.0, on_step=note, jitter=lambda: 0.0
    )
    try:
        stream = camera.frames()
        frames = list(islice(stream, 3))
        cut()
        frames += islice(stream, 12)
    finally:
        camera.close()
        cut()
    assert "recovered" in [step.phase for step in steps]
    failed = next(step for step in steps if step.phase == "failed")
    assert "connection broke" in failed.reason or "has ended" in failed.reason
    for one, other in pairwise(frames):
        assert other.sequence > one.sequence
        assert other.timestamp_ns > one.timestamp_ns


def test_damaged_pictures_are_left_out(
    http: MjpegServer, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    http.damage = lambda number, data: data[:40] if number % 2 else data
    camera = opened(http.url)
    frames = list(islice(camera.frames(), 8))
    assert {gray(frame) % 2 for frame in frames} == {0}
    with caplog.at_level(logging.WARNING):
        camera.close()
    assert "pictures were damaged on the way" in caplog.text


def test_nothing_but_damaged_pictures_is_a_time_out(http: MjpegServer, opened: Open) -> None:
    camera = opened(http.url, timeout_s=2.0)
    next(camera.frames())
    http.damage = lambda number, data: data[:40]
    camera._timeout_s = 0.5
    with pytest.raises(CameraTimeout):
        list(camera.frames())


def test_a_picture_without_end_is_no_picture(http: MjpegServer, opened: Open) -> None:
    """However fast it comes: its size is bounded, not only its time."""
    camera = opened(http.url, timeout_s=30.0)
    next(camera.frames())
    http.damage = lambda number, data: bytes(40_000_000)
    with pytest.raises(CameraError, match="connection broke: more than 32,000,000 bytes came"):
        list(camera.frames())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/private.mjpg", r"401.*check the name and password"),
        ("/nowhere", r"404.*check the path"),
        ("/page", "is no video"),
    ],
)
def test_what_http_cameras_refuse(
    http: MjpegServer, opened: Open, path: str, message: str
) -> None:
    with pytest.raises(CameraUnavailable, match=message):
        opened(http.url.replace("/stream.mjpg", path))


def test_a_password_opens_and_is_never_shown(
    http: MjpegServer,
    opened: Open,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    right = f"http://{USER}:{PASSWORD}@127.0.0.1:{http.port}/private.mjpg"
    wrong = right.replace(PASSWORD, "Gu3ss")
    with caplog.at_level(logging.DEBUG):
        camera = opened(right)
        next(camera.frames())
        with pytest.raises(CameraUnavailable, match=r"http://\*\*\*@127") as refused:
            opened(wrong)
        http.cut()
        with pytest.raises(CameraError) as ended:
            list(camera.frames())
    output = caplog.text + str(capfd.readouterr()) + str(refused.value) + str(ended.value)
    output += repr(refused.value.__cause__) + camera._reader.name
    assert PASSWORD not in output
    assert "Gu3ss" not in output


def test_the_services_credential_is_the_password(
    http: MjpegServer, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://{USER}@127.0.0.1:{http.port}/private.mjpg"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(CameraUnavailable, match="401"):
        opened(url)
    http.password = "p@ss/w:rd%"  # noqa: S105
    (tmp_path / "camera-password").write_text(f"{http.password}\n")
    assert next(opened(url).frames()).sequence == 0


def test_an_rtsp_camera_with_a_password(opened: Open) -> None:
    with rtsp_server(password=True) as server:
        right = server.url.replace("//", f"//{USER}:{PASSWORD}@")
        assert next(opened(right, timeout_s=5.0).frames()).sequence == 0
        with pytest.raises(CameraUnavailable, match=r"401.*check the name and password"):
            opened(server.url)


def test_frames_are_scaled_to_the_side_asked_for(rtsp: RtspServer) -> None:
    settings = CameraSettings(source=rtsp.url, fps=50.0)
    for model_size, shape in ((None, (HEIGHT, WIDTH, 3)), ((60, 48), (60, 80, 3))):
        camera = open_camera(settings, model_size)
        try:
            assert next(iter(camera.frames())).pixels.shape == shape
        finally:
            camera.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rtsp://127.0.0.1:9/x", "connection refused; check the address"),
        ("http://127.0.0.1:9/x", "connection refused; check the address"),
        ("rtsp://no-such-host.invalid/x", "check the address"),
    ],
)
def test_a_camera_that_is_not_there(opened: Open, url: str, message: str) -> None:
    with pytest.raises(CameraUnavailable, match=message):
        opened(url)


def test_a_service_without_network_is_told_how_to_get_it(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox of the unit: no name can be looked up in it."""
    monkeypatch.setattr(network, "service_unit", lambda: "pi-classifier.service")
    with pytest.raises(CameraUnavailable, match=r"pi-classifier\.service has no.*network\.conf"):
        opened("rtsp://no-such-host.invalid/x")
    with pytest.raises(CameraUnavailable, match="refused; check the address"):
        opened("rtsp://127.0.0.1:9/x")


def test_a_camera_that_never_answers_is_a_time_out(opened: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(CameraUnavailable, match=r"no picture within 0\.4 s"):
            opened(url, timeout_s=0.4)


def test_a_camera_that_stops_after_its_head_is_a_time_out(opened: Open) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as half, ThreadPoolExecutor() as pool:
        answered = pool.submit(lambda: half.accept()[0])
        answered.add_done_callback(lambda done: done.result().sendall(head))
        with pytest.raises(CameraUnavailable, match=r"no picture within 0\.4 s"):
            opened(f"http://127.0.0.1:{half.getsockname()[1]}/x", timeout_s=0.4)
        answered.result().close()


@pytest.mark.parametrize("url", ["rtsp:///path", "http://", "rtsp://host:port/x"])
def test_addresses_without_a_host_are_refused(opened: Open, url: str) -> None:
    with pytest.raises(ConfigError, match="no host in it"):
        opened(url)


def test_nothing_is_left_after_many_openings(http: MjpegServer, opened: Open) -> None:
    def cycle() -> None:
        camera = opened(http.url)
        next(camera.frames())
        camera.close()

    def ours() -> int:
        return sum(thread.name.startswith("reader of") for thread in threading.enumerate())

    def descriptors() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    cycle()
    wait_until(lambda: ours() == 0)
    before = descriptors()
    for _ in range(10):
        cycle()
    assert ours() == 0
    # the server's side of a connection, in this process too, may take a moment
    wait_until(lambda: descriptors() <= before + 1)


def test_without_pyav_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(CameraUnavailable, match=r"apt install python3-av.*pip install av"):
        open_camera(CameraSettings(source="rtsp://127.0.0.1:9/x"))


@pytest.mark.parametrize("source", ["rtsp://admin:abc/def@host", "rtsp://u:p@ss#w0rd@host"])
def test_a_password_that_breaks_its_address_is_explained_and_not_shown(source: str) -> None:
    with pytest.raises(ConfigError, match="write / as %2F") as refused:
        open_network_camera(source, CameraSettings(source=source), 64)
    assert not {"abc", "w0rd", "admin"} & set(re.findall(r"\w+", str(refused.value)))
