"""An HTTP camera that sends JPEG pictures one after the other, as webcams and ESP32-CAMs do."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

USER, PASSWORD = "robin", "s3cret"
WIDTH, HEIGHT = 64, 48
FPS = 50


def picture(number: int) -> bytes:
    """A JPEG whose gray tells its number, modulo 250."""
    pixels = np.full((HEIGHT, WIDTH, 3), number % 250, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


class MjpegServer:
    """Serves ``/stream.mjpg`` at `FPS`; clear `flowing` to stall, call `cut` to hang up.

    ``/private.mjpg`` wants USER and PASSWORD; ``/page`` is no video; `damage` may change
    the bytes of each picture.
    """

    def __init__(self) -> None:
        self.flowing = threading.Event()
        self.flowing.set()
        self.damage: Callable[[int, bytes], bytes] = lambda number, data: data
        self._cut = threading.Event()
        self.password = PASSWORD
        self.served = 0
        self._start(0)

    def _start(self, port: int) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self._cut.clear()
        ThreadingHTTPServer.allow_reuse_address = True
        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream.mjpg"

    def cut(self) -> None:
        """End every connection and take no new one."""
        self._cut.set()
        self.flowing.set()
        self._http.shutdown()
        self._http.server_close()

    def start_again(self) -> None:
        self._start(self.port)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = "Basic " + base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        if handler.path == "/private.mjpg" and handler.headers.get("Authorization") != wanted:
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", 'Basic realm="camera"')
            handler.end_headers()
            return
        if not handler.path.endswith(".mjpg"):
            handler.send_error(404 if handler.path != "/page" else 200)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        number = 0
        while not self._cut.wait(1 / FPS):
            if not self.flowing.wait(0.1):
                continue
            data = self.damage(number, picture(number))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                handler.wfile.write(head.encode() + data + b"\r\n")
            except OSError:
                return
            number += 1
            self.served = number


@contextmanager
def mjpeg_server() -> Iterator[MjpegServer]:
    server = MjpegServer()
    try:
        yield server
    finally:
        server.cut()
