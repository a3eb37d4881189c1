"""What a preview draws, and when; pictures and lines without a camera."""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from pi_classifier.cameras import CameraSettings
from pi_classifier.cameras.video.network import open_network_camera
from pi_classifier.errors import ConfigError
from pi_classifier.preview import drawing
from pi_classifier.preview.ansi import colors_of, fitted, lines
from pi_classifier.preview.files import PictureFile
from pi_classifier.preview.latest_view import Latest, View
from pi_classifier.preview.looker import Looker
from pi_classifier.preview.screen import text_line
from pi_classifier.preview.web import MOST_CONNECTIONS, PreviewServer
from pi_classifier.types import Category, Frame, Prediction

RED, BLUE = (255, 0, 0), (0, 0, 255)


def view(
    number: int = 0,
    labels: tuple[str, ...] = ("daisy", "rose"),
    decided: str | None = "daisy",
    size: tuple[int, int] = (48, 64),
) -> View:
    pixels = np.full((*size, 3), (0, 128, 0), np.uint8)
    scores = [0.75, 0.2, 0.05]
    categories = tuple(Category(i, each, scores[i]) for i, each in enumerate(labels))
    prediction = Prediction(categories, "m", 0, 1) if labels else None
    return View(Frame(pixels, number, number * 100_000_000), prediction, decided)


def stripes(*colors: tuple[int, int, int]) -> np.ndarray:
    return np.repeat(np.array(colors, np.uint8)[:, None, :], 2, axis=1)


# --- characters


def test_half_blocks_carry_two_pixels_a_cell_and_say_a_color_once() -> None:
    (line,) = lines(stripes(RED, BLUE), 1, 2, "24-bit", halves=True)
    assert line == "\x1b[38;2;252;4;4m\x1b[48;2;4;4;252m▀▀\x1b[0m"


def test_256_colors_are_the_nearest_of_the_cube() -> None:
    (line,) = lines(stripes(RED, BLUE), 1, 2, "256", halves=True)
    assert line == "\x1b[38;5;196m\x1b[48;5;21m▀▀\x1b[0m"
    for value, level in ((0, 16), (47, 16), (48, 59), (115, 102), (255, 231)):
        (line,) = lines(stripes((value,) * 3), 1, 1, "256", halves=False)
        assert line == f"\x1b[48;5;{level}m \x1b[0m"


def test_without_half_blocks_a_cell_is_one_color() -> None:
    assert lines(stripes(RED, RED), 1, 2, "24-bit", halves=False) == [
        "\x1b[48;2;252;4;4m  \x1b[0m"
    ]


def test_without_colors_there_are_shades_of_ink() -> None:
    shades = [lines(stripes((v,) * 3), 1, 1, "none", halves=True)[0] for v in (0, 128, 255)]
    assert shades == [" ", "+", "@"]


@pytest.mark.parametrize(
    ("environment", "colors"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "24-bit"),
        ({"TERM": "xterm-direct"}, "24-bit"),
        ({"TERM": "screen-256color"}, "256"),
        ({"TERM": "linux"}, "none"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "none"),
        ({}, "none"),
    ],
)
def test_colors_a_terminal_has(environment: dict[str, str], colors: str) -> None:
    assert colors_of(environment) == colors


@pytest.mark.parametrize(
    ("room", "expected"),
    [((20, 80), (20, 53)), ((40, 80), (30, 80)), ((1, 1), (1, 1)), ((100, 4), (2, 4))],
)
def test_the_picture_keeps_its_shape_in_cells(
    room: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fitted(480, 640, *room) == expected


def test_a_line_of_text() -> None:
    assert text_line(view(12)) == "1.2 s: daisy (daisy 0.75, rose 0.20)"
    assert text_line(view(0, (), None)) == "0.0 s: nothing I know (not classified)"


# --- pictures


def test_labels_and_scores_are_drawn_below_the_frame() -> None:
    drawn = np.asarray(drawing.picture(view(size=(480, 640))))
    assert drawn.shape[1] == 640
    assert drawn.shape[0] > 480
    assert (drawn[:480] == (0, 128, 0)).all()
    panel = drawn[480:]
    bar = (panel == drawing._DECIDED).all(axis=2)
    widest = bar.sum(axis=1).max()
    assert 0.7 * 640 < widest < 0.75 * 640  # a score of 0.75, less the letters on it
    undecided = np.asarray(drawing.picture(view(size=(480, 640), decided=None)))[480:]
    assert not (undecided == drawing._DECIDED).all(axis=2).any()


@pytest.mark.parametrize(("size", "width"), [((24, 32), 480), ((1440, 2560), 1280)])
def test_small_frames_are_enlarged_and_large_ones_made_smaller(
    size: tuple[int, int], width: int
) -> None:
    assert drawing.picture(view(size=size)).width == width


@pytest.mark.parametrize("fonts", [drawing._FONTS, (), None])
def test_any_label_can_be_drawn_with_any_font(
    monkeypatch: pytest.MonkeyPatch, fonts: tuple[str, ...] | None
) -> None:
    """Pillow's plain font, all there is before 10.1 without a font file, knows Latin only."""
    drawing._font.cache_clear()
    monkeypatch.setattr(drawing, "_FONTS", fonts or ())
    if fonts is None:
        monkeypatch.setattr(ImageFont, "load_default", ImageFont.load_default_imagefont)
    try:
        drawn = drawing.picture(view(labels=("жёлтый\nцветок", "雏菊", "née"), decided="雏菊"))
    finally:
        drawing._font.cache_clear()
    assert drawn.width == 480


def test_a_picture_file_is_replaced_whole(tmp_path: Path) -> None:
    file = PictureFile(str(tmp_path / "seen.png"))
    for number in range(3):
        file.write(view(number))
    assert [path.name for path in tmp_path.iterdir()] == ["seen.png"]
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.format == "PNG"


def test_a_sequence_is_numbered_by_frame(tmp_path: Path) -> None:
    file = PictureFile(str(tmp_path / "seen-%03d.png"))
    file.write(view(7))
    file.write(view(12))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seen-007.png", "seen-012.png"]


@pytest.mark.parametrize("name", ["%s%s.png", "100%.png", "a%%.png", "nowhere/a.png"])
def test_names_that_cannot_be_written_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="--png"):
        PictureFile(str(tmp_path / name))


# --- handing over


def test_the_newest_view_is_handed_over_and_none_twice() -> None:
    latest = Latest()
    assert latest.after(None, 0) is None
    one, two = view(1), view(2)
    latest.put(one)
    latest.put(two)
    assert latest.after(None, 0) is two
    assert latest.after(two, 0.01) is None


def test_who_waits_is_woken_by_a_view_and_by_the_end() -> None:
    latest, got = Latest(), []
    waiter = threading.Thread(
        target=lambda: got.extend([latest.after(None, 10), latest.after(got or view(), 10)])
    )
    waiter.start()
    latest.put(only := view())
    waiter.join(10)
    assert got[0] is only
    latest.close()
    assert latest.after(only, 10) is None


def test_a_looker_shows_the_last_view_and_tells_of_failures() -> None:
    latest, shown = Latest(), []
    looker = Looker(latest, shown.append, 0.0, on_failure=lambda: None)
    latest.put(last := view(5))
    looker.close()
    assert shown[-1] is last
    failed = threading.Event()
    looker = Looker(Latest(), lambda view: None, 0.0, on_failure=failed.set)
    looker.close()
    assert not failed.is_set()

    def fail(view: View) -> None:
        raise OSError(28, "No space left on device")

    latest = Latest()
    looker = Looker(latest, fail, 0.0, on_failure=failed.set)
    latest.put(view())
    assert failed.wait(10)
    with pytest.raises(OSError, match="No space"):
        looker.close()


# --- the web page


@pytest.fixture
def latest() -> Iterator[Latest]:
    slot = Latest()
    yield slot
    slot.close()


@pytest.fixture
def server(latest: Latest) -> Iterator[PreviewServer]:
    preview = PreviewServer("127.0.0.1", 0, latest)
    yield preview
    latest.close()
    preview.close()


def get(server: PreviewServer, path: str, host: str = "localhost") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers={"Host": f"{host}:{server.port}"})
    response = connection.getresponse()
    found = response.status, response.headers.get_content_type(), response.read()
    connection.close()
    return found


def test_nothing_is_drawn_while_nobody_looks_and_once_for_all_who_do(
    server: PreviewServer, latest: Latest
) -> None:
    for number in range(50):
        latest.put(view(number))
    assert server.drawings == 0
    pictures = {get(server, "/picture.jpg")[2] for _ in range(3)}
    assert len(pictures) == 1
    assert server.drawings == 1
    assert Image.open(io.BytesIO(pictures.pop())).format == "JPEG"


def test_the_page_and_what_it_names_are_there(server: PreviewServer, latest: Latest) -> None:
    latest.put(view())
    status, kind, page = get(server, "/")
    assert (status, kind) == (200, "text/html")
    for name in re.findall(r'(?:src|href)="([^"]+)"', page.decode()):
        if name != "stream.mjpg":
            assert get(server, f"/{name}")[0] == 200, name
    assert get(server, "/etc/passwd")[0] == 404
    assert get(server, "/../../setup.py")[0] == 404


def test_the_state_is_json(server: PreviewServer, latest: Latest) -> None:
    latest.put(view(3, labels=("жёлтый",), decided=None))
    state = json.loads(get(server, "/state.json")[2])
    assert state == {
        "label": None,
        "sequence": 3,
        "timestamp_ns": 300_000_000,
        "categories": [{"label": "жёлтый", "score": 0.75}],
    }


def test_another_sites_page_gets_no_picture(server: PreviewServer, latest: Latest) -> None:
    latest.put(view())
    assert get(server, "/picture.jpg", host="evil.example")[0] == 403
    assert get(server, "/picture.jpg", host="127.0.0.1")[0] == 200


def test_the_stream_is_a_camera_for_another_pi_classifier(
    server: PreviewServer, latest: Latest
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
    server: PreviewServer, latest: Latest
) -> None:
    latest.put(view())
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(MOST_CONNECTIONS)]
    for each in held:
        each.sendall(b"GET /stream.mjpg HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert each.recv(12).startswith(b"HTTP/1.0 200")
    assert get(server, "/state.json")[0] == 503
    for each in held:
        each.close()
    for number in range(1, 500):
        latest.put(view(number))
        if get(server, "/state.json")[0] == 200:
            break
    assert get(server, "/state.json")[0] == 200


def test_addresses_that_cannot_be_had_are_named(server: PreviewServer, latest: Latest) -> None:
    with pytest.raises(ConfigError, match="another program listens there"):
        PreviewServer("127.0.0.1", server.port, latest)
    with pytest.raises(ConfigError, match="expected a number from 0 to 65535"):
        PreviewServer("127.0.0.1", 70000, latest)
    with pytest.raises(ConfigError, match=r"cannot listen on 203\.0\.113\.9"):
        PreviewServer("203.0.113.9", 0, latest)
