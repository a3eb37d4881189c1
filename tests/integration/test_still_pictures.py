"""Cameras that give one picture for each request, against a real server."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pi_classifier.cameras import CameraSettings, open_camera
from pi_classifier.cameras.recovery import RecoveringCamera, RecoveryStep
from pi_classifier.cameras.video.http import MOST_PICTURE_BYTES, digest
from pi_classifier.errors import CameraError, CameraUnavailable
from tests.servers import Open, gray
from tests.servers.certificates import self_signed
from tests.servers.mjpeg import PASSWORD, USER, MjpegServer, picture
from tests.servers.stills import StillServer, still_server

NAMED = f"{USER}:{PASSWORD}@"


@pytest.fixture
def server() -> Iterator[StillServer]:
    with still_server() as one:
        yield one


def test_each_picture_is_asked_for_over_one_connection(server: StillServer, opened: Open) -> None:
    frames = list(islice(opened(server.url()).frames(), 8))
    assert [frame.sequence for frame in frames] == sorted({frame.sequence for frame in frames})
    assert all(gray(one) < gray(other) for one, other in pairwise(frames))
    assert frames[0].pixels.shape == (48, 64, 3)
    assert server.connections == 1


def test_it_is_asked_no_more_often_than_configured(server: StillServer, opened: Open) -> None:
    frames = list(islice(opened(server.url(), fps=10.0).frames(), 5))
    assert server.requests <= 6
    assert frames[-1].timestamp_ns - frames[0].timestamp_ns > 0.3e9


@pytest.mark.parametrize(
    ("kind", "with_length", "image_format"),
    [
        ("image/jpeg", False, "JPEG"),
        ("application/octet-stream", True, "JPEG"),
        ("text/html", True, "PNG"),
        ("image/png", True, "PNG"),
        ("image/webp", False, "WEBP"),
    ],
)
def test_a_picture_is_known_by_its_type_or_its_beginning(
    server: StillServer, opened: Open, kind: str, with_length: bool, image_format: str
) -> None:
    def content(number: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number, 0, 0)).save(buffer, image_format, lossless=True)
        return buffer.getvalue()

    server.kind, server.with_length, server.content = kind, with_length, content
    frames = list(islice(opened(server.url()).frames(), 3))
    assert [frame.pixels.shape for frame in frames] == [(48, 64, 3)] * 3


def test_a_large_jpeg_is_decoded_smaller(server: StillServer, opened: Open) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((960, 1280, 3), np.uint8)).save(buffer, "JPEG")
    server.content = lambda number: buffer.getvalue()
    assert next(opened(server.url()).frames()).pixels.shape == (120, 160, 3)
    half = opened(server.url(), roi=(0.0, 0.0, 0.5, 0.5))
    assert next(half.frames()).pixels.shape == (60, 80, 3)


def test_damaged_pictures_are_left_out(
    server: StillServer, opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    server.content = lambda number: picture(number)[: 60 if number % 2 else None]
    camera = opened(server.url())
    assert {gray(frame) % 2 for frame in islice(camera.frames(), 6)} == {0}
    with caplog.at_level(logging.WARNING):
        camera.close()
    assert "pictures were damaged on the way" in caplog.text


def test_a_camera_that_goes_away_comes_back(server: StillServer) -> None:
    steps: list[RecoveryStep] = []

    def note(step: RecoveryStep) -> None:
        steps.append(step)
        if step.phase == "waiting" and step.attempt == 1:
            server.start_again()

    settings = CameraSettings(source=server.url(), timeout_s=2.0, fps=50.0)
    camera = RecoveringCamera(
        lambda: open_camera(settings), 20.0, on_step=note, jitter=lambda: 0.0
    )
    try:
        stream = camera.frames()
        frames = list(islice(stream, 3))
        server.cut()
        frames += islice(stream, 5)
    finally:
        camera.close()
    assert [step.phase for step in steps][-1] == "recovered"
    assert all(other.sequence > one.sequence for one, other in pairwise(frames))


def test_a_connection_that_was_not_kept_is_made_again(server: StillServer, opened: Open) -> None:
    server.with_length = False  # so each ends its connection
    list(islice(opened(server.url()).frames(), 4))
    assert server.connections >= 4


@pytest.mark.parametrize("stale", [0, 1])
def test_a_password_by_digest(
    server: StillServer,
    opened: Open,
    stale: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG):
        stream = opened(server.url("/digest.jpg?channel=1", NAMED)).frames()
        next(stream)
        server.stale = stale  # answered anew, and the same camera goes on
        list(islice(stream, 3))
        with pytest.raises(CameraUnavailable, match=r"401 Unauthorized; check the name and"):
            opened(server.url("/digest.jpg", f"{USER}:Gu3ss@"))
    assert not {PASSWORD, "Gu3ss"} & set(caplog.text + str(capfd.readouterr()))


def test_digest_as_the_standard_has_it() -> None:
    """RFC 7616, 3.9.1: its example with SHA-256 and with MD5."""
    asked = {
        "realm": "http-auth@example.org",
        "qop": "auth, auth-int",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }
    nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    of_both = {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }
    for algorithm, response in of_both.items():
        answer = digest(
            asked | {"algorithm": algorithm},
            "Mufasa",
            "Circle of Life",
            "/dir/index.html",
            1,
            nonce,
        )
        assert f'response="{response}"' in answer
        assert f'opaque="{asked["opaque"]}"' in answer


def test_a_redirect_is_followed_on_the_same_host(server: StillServer, opened: Open) -> None:
    assert next(opened(server.url("/to?/snapshot.jpg")).frames()).sequence == 0
    with still_server() as other:  # the same host, another port
        assert next(opened(server.url(f"/to?{other.url()}")).frames()).sequence == 0


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://localhost:9/x.jpg", "redirects to another host or by another protocol"),
        ("https://127.0.0.1:9/x.jpg", "another protocol"),
        ("file:///etc/passwd", "another host or by another protocol"),
        ("ftp://127.0.0.1/x.jpg", "another protocol"),
        ("http://127.0.0.1:x/", "to what is no address"),
        ("/nowhere", "404 Not Found; check the path"),
    ],
)
def test_other_redirects_are_not_followed(
    server: StillServer, opened: Open, location: str, message: str
) -> None:
    with pytest.raises(CameraUnavailable, match=message):
        opened(server.url(f"/to?{location}"))


def test_a_redirect_to_itself_ends(server: StillServer, opened: Open) -> None:
    with pytest.raises(CameraUnavailable, match="redirects from one address to the next"):
        opened(server.url("/loop"))


@pytest.mark.parametrize("path", ["/slow.jpg", "/slow-head"])
def test_a_byte_now_and_then_is_a_time_out(server: StillServer, opened: Open, path: str) -> None:
    began_s = time.monotonic()
    with pytest.raises(CameraUnavailable, match=r"no picture within 0\.5 s"):
        opened(server.url(path), timeout_s=0.5)
    assert time.monotonic() - began_s < 3


def test_a_picture_without_end_is_refused(server: StillServer, opened: Open) -> None:
    with pytest.raises(CameraUnavailable, match=r"larger than 32 MB|more than 32,000,000 bytes"):
        opened(server.url("/endless.jpg"), timeout_s=20.0)
    assert MOST_PICTURE_BYTES == 32_000_000


def test_closing_ends_what_is_waited_for(server: StillServer, opened: Open) -> None:
    camera = opened(server.url(), fps=0.1)
    next(camera.frames())
    camera.close()
    assert not any(thread.name == camera._reader.name for thread in threading.enumerate())
    with pytest.raises(CameraError):
        next(camera.frames())


@pytest.mark.parametrize("kind", ["still", "stream"])
def test_over_https_the_cameras_own_certificate_will_do(
    kind: str, opened: Open, tmp_path: Path
) -> None:
    """Even one that ended long ago: cameras have no other."""
    server: StillServer | MjpegServer = StillServer() if kind == "still" else MjpegServer()
    http = server._http
    http.socket = self_signed(tmp_path).wrap_socket(http.socket, server_side=True)
    try:
        url = server.url() if isinstance(server, StillServer) else server.url
        camera = opened(url.replace("http:", "https:"))
        assert len(list(islice(camera.frames(), 3))) == 3
        camera.close()
        assert not camera._reader.is_alive()
    finally:
        server.cut()
