"""An RTSP camera: GStreamer's server, in a process that can be halted, killed and started anew.

Run by the system's Python, which has GStreamer's bindings:
apt install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-{base,good,ugly}
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATH = "/garden"
USER, PASSWORD = "robin", "s3cret"
WIDTH, HEIGHT, FPS = 160, 120, 50
_SYSTEM_PYTHON = "/usr/bin/python3"


class RtspServer:
    """A running server; `port` is the same after `start` following `kill`."""

    def __init__(self, *, password: bool = False) -> None:
        self._arguments = ["--password"] if password else []
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [_SYSTEM_PYTHON, str(Path(__file__)), str(self.port), *self._arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}{PATH}"

    def halt(self) -> None:
        """Let it hang, connections open."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a goodbye; a halted one too."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def rtsp_server(*, password: bool = False) -> Iterator[RtspServer]:
    server = RtspServer(password=password)
    try:
        yield server
    finally:
        server.kill()


def _serve(port: str, *, password: bool) -> None:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball ! "
        f"video/x-raw,width={WIDTH},height={HEIGHT},framerate={FPS}/1 ! "
        "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 threads=1 ! "
        "rtph264pay name=pay0 pt=96 )"
    )
    factory.set_shared(True)
    if password:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, PASSWORD), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        role = Gst.Structure.new_from_string(
            "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true;"
        )
        permissions.add_role_from_structure(role)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(PATH, factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    _serve(sys.argv[1], password="--password" in sys.argv)
