"""A small web page with the live picture: MJPEG over HTTP, a few viewers at a time."""

from __future__ import annotations

import errno
import io
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from pi_classifier.errors import ConfigError
from pi_classifier.preview.drawing import picture
from pi_classifier.preview.latest_view import LatestView, View
from pi_classifier.sinks.json_line import detection_fields
from pi_classifier.system.bounded_socket import BoundedSocket

MOST_CONNECTIONS = 16
# A viewer that takes nothing for so long is cut off, one that waits for a first frame told so.
_VIEWER_TIMEOUT_S = 10.0
# What a viewer asks is there within so long, all of it, and no longer than this: one that sends
# a byte now and then holds a connection no longer than others.
_QUESTION_S = 5.0
_QUESTION_BYTES = 16_384
_FASTEST_S = 0.1
_QUALITY = 85
_BOUNDARY = "frame"
_PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/favicon.ico": ("page.svg", "image/svg+xml"),  # browsers ask for it by themselves
    "/page.svg": ("page.svg", "image/svg+xml"),
}
_SAFE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class PreviewServer:
    """Serves the page, ``/stream.mjpg``, ``/picture.jpg`` and ``/state.json``.

    A view is drawn when somebody looks, once for all who do. Raises ConfigError when
    the address cannot be had.
    """

    def __init__(self, host: str, port: int, latest: LatestView) -> None:
        self.latest = latest
        self.local = host in {"127.0.0.1", "::1", "localhost"}
        self._drawing = threading.Lock()
        self._drawn: tuple[View, bytes] | None = None
        self.drawings = 0
        try:
            self._http = _Server((host, port), self)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"--http {port}: {_listen_failure(error, host)}") from None
        self.port = self._http.server_port
        self.url = f"http://{_shown_host(host)}:{self.port}/"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no further viewers; those there are end with `latest`."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def jpeg(self, view: View) -> bytes:
        """The view as a JPEG, drawn once however many look."""
        with self._drawing:
            if self._drawn is None or self._drawn[0] is not view:
                buffer = io.BytesIO()
                picture(view).save(buffer, "JPEG", quality=_QUALITY)
                self._drawn = view, buffer.getvalue()
                self.drawings += 1
            return self._drawn[1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int], preview: PreviewServer) -> None:
        self.preview = preview
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        request.settimeout(1.0)
        with suppress(OSError):
            request.sendall(b"HTTP/1.0 503 Too many viewers\r\nRetry-After: 5\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: viewers go away in the middle of a picture."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _VIEWER_TIMEOUT_S
    server: _Server

    def setup(self) -> None:
        """Prepare for the one question of this connection."""
        super().setup()
        self.rfile = BoundedSocket(self.connection, _QUESTION_BYTES, _QUESTION_S).makefile()

    def do_GET(self) -> None:
        """Answer; another site's page must not get at a picture meant for this computer."""
        self.connection.settimeout(_VIEWER_TIMEOUT_S)
        if self.server.preview.local and not _is_local(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.FORBIDDEN, f"open it as {self.server.preview.url}")
            return
        path = self.path.partition("?")[0]
        answers: dict[str, Callable[[], None]] = {
            "/stream.mjpg": self._stream,
            "/picture.jpg": self._picture,
            "/state.json": self._state,
        }
        if path in answers:
            answers[path]()
        elif path in _PAGE:
            name, kind = _PAGE[path]
            self._send(kind, files("pi_classifier.preview").joinpath(name).read_bytes())
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  its name there
        """Log no requests: a page open all day would fill the log."""

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self._headers({"Content-Type": kind, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _headers(self, headers: dict[str, str]) -> None:
        for name, value in (headers | _SAFE).items():
            self.send_header(name, value)
        self.end_headers()

    def _view(self) -> View | None:
        latest = self.server.preview.latest
        return latest.newest or latest.after(None, _VIEWER_TIMEOUT_S)

    def _picture(self) -> None:
        view = self._view()
        if view is None:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "no frame yet")
            return
        self._send("image/jpeg", self.server.preview.jpeg(view))

    def _state(self) -> None:
        view = self._view()
        body = {} if view is None else _as_json(view)
        self._send("application/json", json.dumps(body, ensure_ascii=False).encode())

    def _stream(self) -> None:
        self.send_response(HTTPStatus.OK)
        self._headers({"Content-Type": f"multipart/x-mixed-replace; boundary={_BOUNDARY}"})
        preview, seen = self.server.preview, None
        while not preview.latest.closed or preview.latest.newest is not seen:
            view = preview.latest.after(seen, _VIEWER_TIMEOUT_S)
            if view is None:
                continue
            began_s, seen = time.monotonic(), view
            body = preview.jpeg(view)
            head = (
                f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            self.wfile.write(head.encode() + body + b"\r\n")
            time.sleep(max(0.0, _FASTEST_S - (time.monotonic() - began_s)))


def _shown_host(host: str) -> str:
    """What to write into a browser for an address that is listened on."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104  every address of this computer
        return os.uname().nodename
    return f"[{host}]" if ":" in host else host


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name in {"127.0.0.1", "localhost", "[::1]"}


def _as_json(view: View) -> dict[str, Any]:
    return {
        "label": view.decided,
        "sequence": view.frame.sequence,
        "timestamp_ns": view.frame.timestamp_ns,
        "categories": [
            {"label": category.label, "score": round(category.score, 4)}
            for category in view.best(5)
        ],
        "detections": [detection_fields(seen) for seen in view.detections],
    }


def _listen_failure(error: Exception, host: str) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return "another program listens there; choose another number, such as --http 8081"
    if number == errno.EACCES:
        return "numbers below 1024 are for root; choose another one, such as --http 8080"
    if isinstance(error, OverflowError):
        return "expected a number from 0 to 65535"
    return f"cannot listen on {host}: {getattr(error, 'strerror', None) or error}"
