"""A cluster of Ray on this machine: two nodes, of which the second is like another machine.

It has an address of its own, a cache of its own, and does not see the files in one folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

HEAD, SECOND = "127.0.0.2", "127.0.0.3"
_START_LIMIT_S = 90
_HIDING = 'mount -t tmpfs none "$1" && shift && exec "$@"'


@dataclass(frozen=True, slots=True)
class TwoNodes:
    """The cluster's address, and the second node's process and cache."""

    address: str
    second: subprocess.Popen[bytes]
    second_cache: Path

    def kill_second(self) -> None:
        """End the second node with all that runs on it, as if its plug had been pulled."""
        os.killpg(self.second.pid, signal.SIGKILL)
        self.second.wait()


@contextlib.contextmanager
def two_nodes(hidden: Path, caches: Path) -> Iterator[TwoNodes]:
    """Start both nodes, of one processor each; the second sees nothing in `hidden`."""
    # Sockets lie in it, whose paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    port = _free_port()
    second_cache = caches / "second"
    second_cache.mkdir(parents=True)
    hiding = ("unshare", "--mount", "--map-root-user", "sh", "-c", _HIDING, "sh", str(hidden))
    head_options = (
        *("--head", "--port", str(port), "--node-ip-address", HEAD),
        *("--ray-client-server-port", str(_free_port()), "--include-dashboard=false"),
    )
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(_started(folder, "head", head_options, {}))
        _wait_for(lambda: _listens(HEAD, port), folder / "head.log")
        options = ("--address", f"{HEAD}:{port}", "--node-ip-address", SECOND)
        own = {"XDG_CACHE_HOME": str(second_cache)}
        started.append(_started(folder, "second", options, own, hiding))
        for log in (folder / "head.log", folder / "second.log"):
            _wait_for(partial(_says_started, log), log)
        yield TwoNodes(f"{HEAD}:{port}", started[1], second_cache / "pi-classifier")
    finally:
        for process in reversed(started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(folder)


def _started(
    folder: Path,
    name: str,
    options: Sequence[str],
    environment: dict[str, str],
    before: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    limits = ("--num-cpus", "1", "--object-store-memory", str(80 << 20), "--temp-dir", str(folder))
    ray = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block")
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [*before, *ray, *options, *limits],
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def _says_started(log: Path) -> bool:
    return b"runtime started" in log.read_bytes()


def _wait_for(reached: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + _START_LIMIT_S
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(log.read_text("utf-8", "replace"))
        time.sleep(0.1)
