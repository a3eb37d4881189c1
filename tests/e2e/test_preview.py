"""`pi-classifier preview` in a real terminal, to a real browser's requests, into files."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.browser import Browser

Program = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "AbstractContextManager[subprocess.Popen[str]]"]

MODEL = Path(__file__).parents[1] / "data/int8.tflite"


class Terminal:
    """The other end of a terminal that a program writes into."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process = process
        self._fd = fd
        self.seen = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, pattern: bytes) -> None:
        """Read on until the pattern was seen; forget what was before its end."""
        deadline_s = time.monotonic() + 20
        while (found := re.search(pattern, self.seen)) is None:
            readable, _, _ = select.select([self._fd], [], [], 20)
            assert readable, (pattern, self.seen[-300:])
            assert time.monotonic() < deadline_s, (pattern, self.seen[-300:])
            self.seen = self.seen[-200_000:] + os.read(self._fd, 65536)
        self.seen = self.seen[found.end() :]

    def rest(self) -> bytes:
        """Everything until the program closes the terminal."""
        while True:
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                break
            if not data:
                break
            self.seen += data
        return self.seen


@contextmanager
def terminal(photos: Path, **environment: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
    command = [sys.executable, "-m", "pi_classifier", "preview", "--model", str(MODEL)]
    with subprocess.Popen(
        [*command, "--camera", f"replay:{photos}", "--set", "camera.loop=true"],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        cwd=MODEL.parents[2],
        env={"PATH": os.environ["PATH"], "HOME": str(photos.parent), "PYTHONIOENCODING": "utf-8"}
        | environment,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)


@pytest.mark.parametrize(
    ("environment", "cell"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, rb"\x1b\[48;2;\d+;\d+;\d+m"),
        ({"TERM": "xterm-256color"}, rb"\x1b\[48;5;\d+m"),
        ({"TERM": "vt100"}, rb"[.:=+*#-]{20}"),
    ],
)
def test_a_terminal_shows_it_and_is_given_back(
    photos: Path, environment: dict[str, str], cell: bytes
) -> None:
    with terminal(photos, **environment) as screen:
        screen.until(re.escape(b"\x1b[?1049h\x1b[?25l"))
        screen.until(cell)
        screen.until(rb"\x1b\[\d+;1HI see cyan")
        screen.process.send_signal(signal.SIGINT)
        rest = screen.rest()
        assert rest.endswith(b"\x1b[0m\x1b[?25h\x1b[?1049l")
        assert screen.process.wait(10) == 0
        assert screen.process.stderr is not None
        assert screen.process.stderr.read() == b""


def test_it_follows_the_size_of_the_terminal(photos: Path) -> None:
    with terminal(photos, TERM="vt100", PYTHONIOENCODING="ascii") as screen:
        screen.until(rb"\x1b\[1;1H([^\x1b]{40})\x1b\[K\x1b\[2;1H")
        screen.resize(40, 100)
        screen.until(re.escape(b"\x1b[2J"))
        screen.until(rb"\x1b\[34;1H([^\x1b]{93})\x1b\[K")
        screen.resize(2, 10)
        screen.until(re.escape(b"\x1b[2J"))
        screen.until(rb"\x1b\[2;1H([^\x1b]{5})\x1b\[K")


def test_a_terminal_that_is_closed_ends_it(photos: Path) -> None:
    with terminal(photos, TERM="vt100") as screen:
        screen.until(rb"I see")
        os.close(screen._fd)
        screen._fd = os.open(os.devnull, os.O_RDONLY)  # for closing once more
        assert screen.process.wait(10) != 0


def test_without_a_terminal_it_is_lines_of_text(program: Program, photos: Path) -> None:
    done = program("preview", "--model", MODEL, "--camera", f"replay:{photos}", "--frames", 8)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("0.0 s: nothing I know (cyan ")
    assert lines[-1].startswith("0.7 s: cyan (cyan ")
    assert "\x1b" not in done.stdout


def test_into_a_file(program: Program, photos: Path, tmp_path: Path) -> None:
    camera = ("--model", MODEL, "--camera", f"replay:{photos}", "--frames", 12)
    done = program("preview", *camera, "--png", tmp_path / "seen.png")
    assert done.returncode == 0
    assert done.stderr == f"writes {tmp_path}/seen.png every 1 s; Ctrl-C ends it\n"
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.format == "PNG"
        assert seen.width == 480
    done = program("preview", *camera, "--png", tmp_path / "s-%03d.png", "--every", 0.001)
    assert len(list(tmp_path.glob("s-*.png"))) >= 3
    assert not list(tmp_path.glob(".*"))


def fetched(address: str, path: str, most: int | None = None) -> bytes:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read(most)
    finally:
        connection.close()


def test_on_a_web_page(start: Start, photos: Path) -> None:
    watching = ("--model", MODEL, "--camera", f"replay:{photos}", "--set", "camera.loop=true")
    with start("preview", *watching, "--http", 0) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "others cannot see it" in said
        address = re.findall(r"http://(127\.0\.0\.1:\d+)/", said)[0]
        assert b"stream.mjpg" in fetched(address, "/")
        label = None
        while label != "magenta":  # the second photo
            label = json.loads(fetched(address, "/state.json"))["label"]
        assert b"image/jpeg" in fetched(address, "/stream.mjpg", most=200)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_laptop_shows_all_of_it_at_once(start: Start, browser: Browser) -> None:
    """1366 by 768 pixels, of which the browser itself takes a part."""
    size = ("--set", "camera.width=1280", "--set", "camera.height=960")
    camera = ("--model", MODEL, "--camera", "emulated", *size)
    with start("preview", *camera, "--http", 0) as server:
        assert server.stderr is not None
        address = re.findall(r"http://127\.0\.0\.1:\d+/", server.stderr.readline())[0]
        browser.open(address, 1366, height=640)
        for _ in range(200):
            label = browser.evaluate("document.querySelector('h1').innerText")
            if label.startswith("I see") and browser.evaluate("document.images[0].naturalWidth"):
                break
            time.sleep(0.05)
        for name in ("h1", "img", "a"):
            box = f"document.querySelector('{name}').getBoundingClientRect()"
            assert browser.evaluate(f"{box}.bottom") <= 640, name
        assert browser.evaluate("document.images[0].getBoundingClientRect().height") > 400
        assert browser.problems == []
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=10)


def test_open_to_the_network_is_said_loudly(start: Start, photos: Path) -> None:
    camera = ("--model", MODEL, "--camera", f"replay:{photos}")
    with start("preview", *camera, "--http", 0, "--host", "0.0.0.0") as process:  # noqa: S104
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        assert "CAUTION: whoever reaches this computer over the network can watch" in said
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_a_host_without_a_page_is_a_mistake(program: Program) -> None:
    done = program("preview", "--camera", "emulated", "--host", "0.0.0.0")  # noqa: S104
    assert done.returncode == 78
    assert "write --http PORT as well" in done.stderr
