"""The page, its picture, its stream and its state, over a real connection."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress

import numpy as np
import pytest
from PIL import Image

from pi_classifier.cameras import CameraSettings
from pi_classifier.cameras.video.network import open_network_camera
from pi_classifier.errors import ConfigError
from pi_classifier.preview import web
from pi_classifier.preview.latest_view import LatestView
from pi_classifier.preview.web import MOST_CONNECTIONS, PreviewServer
from tests.unit.pi_classifier.preview.views import view


@pytest.fixture
def latest() -> Iterator[LatestView]:
    slot = LatestView()
    yield slot
    slot.close()


@pytest.fixture
def server(latest: LatestView) -> Iterator[PreviewServer]:
    preview = PreviewServer("127.0.0.1", 0, latest)
    yield preview
    latest.close()
    preview.close()


def get(server: PreviewServer, path: str, host: str = "localhost") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers={"Host": f"{host}:{server.port}"})
    response = connection.getresponse()
    answer = response.status, response.headers.get_content_type(), response.read()
    connection.close()
    return answer


def test_nothing_is_drawn_while_nobody_looks_and_once_for_all_who_do(
    server: PreviewServer, latest: LatestView
) -> None:
    for number in range(50):
        latest.put(view(number))
    assert server.drawings == 0
    pictures = {get(server, "/picture.jpg")[2] for _ in range(3)}
    assert len(pictures) == 1
    assert server.drawings == 1
    assert Image.open(io.BytesIO(pictures.pop())).format == "JPEG"


def test_the_page_and_what_it_names_are_there(server: PreviewServer, latest: LatestView) -> None:
    latest.put(view())
    status, kind, page = get(server, "/")
    assert (status, kind) == (200, "text/html")
    for name in re.findall(r'(?:src|href)="([^"]+)"', page.decode()):
        if name != "stream.mjpg":
            assert get(server, f"/{name}")[0] == 200, name
    assert b"<h1" in page
    assert get(server, "/favicon.ico")[:2] == (200, "image/svg+xml")
    assert get(server, "/etc/passwd")[0] == 404
    assert get(server, "/../../setup.py")[0] == 404


def test_the_state_is_json(server: PreviewServer, latest: LatestView) -> None:
    latest.put(view(3, labels=("жёлтый",), decided=None))
    state = json.loads(get(server, "/state.json")[2])
    assert state == {
        "label": None,
        "sequence": 3,
        "timestamp_ns": 300_000_000,
        "categories": [{"label": "жёлтый", "score": 0.75}],
        "detections": [],
    }


def test_another_sites_page_gets_no_picture(server: PreviewServer, latest: LatestView) -> None:
    latest.put(view())
    assert get(server, "/picture.jpg", host="evil.example")[0] == 403
    assert get(server, "/picture.jpg", host="127.0.0.1")[0] == 200


def test_the_stream_is_a_camera_for_another_pi_classifier(
    server: PreviewServer, latest: LatestView
) -> None:
    done = threading.Event()

    def film() -> None:
        number = 0
        while not done.wait(0.02):
            latest.put(view(number))
            number += 1

    filming = threading.Thread(target=film)
    filming.start()
    url = f"http://127.0.0.1:{server.port}/stream.mjpg"
    camera = open_network_camera(url, CameraSettings(source=url, fps=50.0), side=48)
    stream = camera.frames()
    frames = [next(stream) for _ in range(3)]
    done.set()
    filming.join()
    camera.close()
    assert [frame.pixels.shape[2] for frame in frames] == [3, 3, 3]
    assert np.abs(frames[0].pixels[10, 10].astype(int) - (0, 128, 0)).max() < 12


def test_viewers_are_bounded_and_their_place_is_given_back(
    server: PreviewServer, latest: LatestView
) -> None:
    latest.put(view())
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(MOST_CONNECTIONS)]
    for viewer in held:
        viewer.sendall(b"GET /stream.mjpg HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert viewer.recv(12).startswith(b"HTTP/1.0 200")
    assert get(server, "/state.json")[0] == 503
    for viewer in held:
        viewer.close()
    for number in range(1, 500):
        latest.put(view(number))
        if get(server, "/state.json")[0] == 200:
            break
    assert get(server, "/state.json")[0] == 200


def test_addresses_that_cannot_be_had_are_named(server: PreviewServer, latest: LatestView) -> None:
    with pytest.raises(ConfigError, match="another program listens there"):
        PreviewServer("127.0.0.1", server.port, latest)
    with pytest.raises(ConfigError, match="expected a number from 0 to 65535"):
        PreviewServer("127.0.0.1", 70000, latest)
    with pytest.raises(ConfigError, match=r"cannot listen on 203\.0\.113\.9"):
        PreviewServer("203.0.113.9", 0, latest)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", r"http://127\.0\.0\.1:\d+/"), ("::1", r"http://\[::1\]:\d+/")],
)
def test_it_says_what_to_write_into_a_browser(latest: LatestView, host: str, url: str) -> None:
    latest.put(view())
    with closing(PreviewServer(host, 0, latest)) as server:
        assert re.fullmatch(url, server.url)
        with urllib.request.urlopen(server.url + "state.json", timeout=10) as answer:  # noqa: S310
            assert json.load(answer)["label"] == "daisy"


def test_who_asks_byte_by_byte_is_cut_off(
    server: PreviewServer, latest: LatestView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's own time-out would begin anew with every byte."""
    monkeypatch.setattr(web, "_QUESTION_S", 0.3)
    latest.put(view())
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.settimeout(0.05)
        began_s = time.monotonic()
        for byte in itertools.cycle(b"X: y\r\n"):
            assert time.monotonic() - began_s < 5
            try:
                slow.sendall(bytes([byte]))
                if slow.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert get(server, "/state.json")[0] == 200


def test_a_question_without_end_is_not_read(server: PreviewServer, latest: LatestView) -> None:
    latest.put(view())
    with socket.create_connection(("127.0.0.1", server.port)) as long, suppress(OSError):
        long.settimeout(10)
        for _ in range(100):
            long.sendall(b"X: " + b"y" * 1000 + b"\r\n")
        assert not long.recv(100).startswith(b"HTTP/1.0 200")
    assert get(server, "/state.json")[0] == 200
