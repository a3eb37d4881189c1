"""A camera that gives one picture for each request, and what may go wrong with one."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers.mjpeg import PASSWORD, USER, picture

REALM, NONCE = "camera", "5f2b"


class StillServer:
    """Serves `content` at ``/snapshot.jpg``, a gray that counts the requests.

    ``/digest.jpg`` wants USER and PASSWORD by Digest; ``/to?ADDRESS`` redirects there,
    ``/loop`` to itself;
    ``/slow.jpg`` sends a byte each tenth of a second, ``/slow-head`` so its head;
    ``/endless.jpg`` never ends. `connections` counts those that were made, `stale` how often
    a right answer to Digest is refused as aged.
    """

    def __init__(self) -> None:
        self.kind = "image/jpeg"
        self.with_length = True
        self.content: Callable[[int], bytes] = picture
        self.requests = self.connections = self.stale = 0
        self.ended = threading.Event()
        self._start(0)

    def _start(self, port: int) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_GET(self) -> None:
                try:
                    outer._answer(self)
                except OSError:
                    self.close_connection = True

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass

        self.ended.clear()
        self._http = Server(("127.0.0.1", port), Handler)
        self.port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path: str = "/snapshot.jpg", user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.port}{path}"

    def cut(self) -> None:
        """Take no new connection; those that are kept end at their next request."""
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()

    def start_again(self) -> None:
        self._start(self.port)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path, _, query = handler.path.partition("?")
        if self.ended.is_set():
            handler.close_connection = True
        elif path in ("/to", "/loop"):
            handler.send_response(302)
            handler.send_header("Location", query or handler.path)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        elif path == "/digest.jpg" and not self._is_authorized(handler):
            handler.send_response(401)
            handler.send_header("WWW-Authenticate", f'Basic realm="{REALM}"')
            handler.send_header(
                "WWW-Authenticate", f'Digest realm="{REALM}", nonce="{NONCE}", qop="auth"'
            )
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        elif path == "/slow-head":
            self._trickle(handler, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000)
        elif not path.endswith(".jpg"):
            handler.send_error(404)
        else:
            self._picture(handler, path)

    def _picture(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        data = self.content(self.requests)
        self.requests += 1
        handler.send_response(200)
        handler.send_header("Content-Type", self.kind)
        if self.with_length and path != "/endless.jpg":
            handler.send_header("Content-Length", str(len(data)))
        else:
            handler.send_header("Connection", "close")
            handler.close_connection = True
        handler.end_headers()
        if path == "/slow.jpg":
            self._trickle(handler, data)
            return
        handler.wfile.write(data)
        while path == "/endless.jpg" and not self.ended.is_set():
            handler.wfile.write(bytes(1 << 20))

    def _trickle(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        for place in range(len(data)):
            handler.wfile.write(data[place : place + 1])
            if self.ended.wait(0.1):
                return

    def _is_authorized(self, handler: BaseHTTPRequestHandler) -> bool:
        said = handler.headers.get("Authorization", "")
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', said))
        if not said.startswith("Digest ") or fields.get("nonce") != NONCE:
            return False
        secret = _md5(f"{USER}:{REALM}:{PASSWORD}")
        what = _md5(f"GET:{handler.path}")
        right = _md5(f"{secret}:{NONCE}:{fields['nc']}:{fields['cnonce']}:auth:{what}")
        if self.stale:
            self.stale -= 1
            return False
        return fields.get("response") == right


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324  the standard's


@contextmanager
def still_server() -> Iterator[StillServer]:
    server = StillServer()
    try:
        yield server
    finally:
        server.cut()
