"""A child process with a hard time limit that another thread can kill at any moment.

Engines and players hang, crash and start processes of their own. Each child therefore leads a
session, and so a process group, of its own: killing the group leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_SHORTEST_POLL_S = 0.002
_LONGEST_POLL_S = 0.02
_DEATH_S = 1.0
_STDERR_BYTES = 8192


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child ended; `returncode` is minus the signal number, 127 when it did not start."""

    returncode: int
    stderr: str
    timed_out: bool
    killed: bool

    @property
    def stderr_tail(self) -> str:
        """The last line it wrote to stderr, or what became of it."""
        lines = self.stderr.strip().splitlines()
        if lines:
            return lines[-1].strip()
        if self.returncode < 0:
            return f"ended by signal {-self.returncode}"
        return f"exit status {self.returncode}"


class ChildProcess:
    """Runs one child at a time; `run` is called by one thread, `kill` and `close` by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        # From before the child exists until it is reaped, so that a `kill` in between counts.
        self._running = False
        self._killed = False
        self._closed = False

    def run(
        self,
        argv: Sequence[str],
        *,
        limit_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        largest_file: int | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> ChildResult:
        """Run a command to its end, or kill it after `limit_s` seconds.

        `stdin` must be short enough for a pipe to hold. A child that is no longer
        `wanted` when it has started is killed at once: so a caller that gives out
        tickets loses no interrupt that came before `run`. No file that it writes gets
        larger than `largest_file` bytes.
        """
        with self._lock:
            if self._closed:
                return ChildResult(-signal.SIGKILL, "", timed_out=False, killed=True)
            self._running, self._killed = True, False
        try:
            process = _start(argv, stdin, env)
        except OSError as error:
            self._running = False
            return ChildResult(127, f"{argv[0]}: {error.strerror}", timed_out=False, killed=False)
        try:
            if largest_file is not None:
                with contextlib.suppress(OSError):  # it has ended already
                    limit = (largest_file, largest_file)
                    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limit)
            self._register(process, wanted)
            if process.stdin is not None:
                # A child that ends without reading is judged by its status, not by the pipe's.
                with contextlib.suppress(OSError), process.stdin as pipe:
                    pipe.write(stdin)
            timed_out = not _wait(process.pid, limit_s)
        finally:  # also when this thread is interrupted by Ctrl-C
            killed = self._finish(process)
        return ChildResult(process.returncode, _read_stderr(process), timed_out, killed)

    def kill(self) -> None:
        """Kill the running child with all its descendants; does nothing when there is none."""
        with self._lock:
            self._killed = self._running
            if self._process is not None:
                _kill_group(self._process.pid)

    def close(self) -> None:
        """Kill the running child, and from now on every other at once."""
        with self._lock:
            self._closed = True
        self.kill()

    def _register(self, process: subprocess.Popen[bytes], wanted: Callable[[], bool]) -> None:
        """Let `kill` find the child; one that came while it was being started is made up for."""
        with self._lock:
            self._process = process
            self._killed = self._killed or not wanted()
            if self._killed:
                _kill_group(process.pid)

    def _finish(self, process: subprocess.Popen[bytes]) -> bool:
        """Kill what is left of the group and reap the child; True when `kill` had been called."""
        with self._lock:
            self._process, self._running = None, False
            killed = self._killed
            # Only now, before the child is reaped: from then on the kernel may give its number,
            # which is the group's, to a stranger. For the same reason `_wait` does not reap.
            _kill_group(process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_DEATH_S)  # a device driver may keep even a killed process
        if process.returncode is None:
            process.returncode = -signal.SIGKILL
        return killed


def _start(
    argv: Sequence[str], stdin: bytes, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=env,
    )


def _wait(pid: int, limit_s: float) -> bool:
    """Wait until the child has ended, without reaping it; False at the time limit."""
    try:
        fd = os.pidfd_open(pid)
    except (OSError, AttributeError):  # an old kernel, or a Python made on one
        return _wait_by_polling(pid, limit_s)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(limit_s * 1000))
    finally:
        os.close(fd)


def _wait_by_polling(pid: int, limit_s: float) -> bool:
    deadline_s = time.monotonic() + limit_s
    poll_s = _SHORTEST_POLL_S
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(poll_s, left_s))
        poll_s = min(2 * poll_s, _LONGEST_POLL_S)
    return True


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _read_stderr(process: subprocess.Popen[bytes]) -> str:
    """What is in the pipe now; its end may never come when something else holds it open."""
    pipe = process.stderr
    if pipe is None:
        return ""
    with pipe:
        os.set_blocking(pipe.fileno(), False)
        try:
            return os.read(pipe.fileno(), _STDERR_BYTES).decode("utf-8", "replace")
        except BlockingIOError:
            return ""
