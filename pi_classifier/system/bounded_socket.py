"""A connection that ends: so many bytes, until so late, whatever the other side does."""

from __future__ import annotations

import errno
import io
import socket
import time
from contextlib import suppress
from typing import Any

_BUFFER_BYTES = 64 * 1024


class BoundedSocket:
    """A connected socket that is read and written until a deadline and up to a size.

    A time-out of a socket counts anew with every byte, so that one who sends a byte a second
    holds it for ever; the deadline of `allow` counts for all that is read and written until
    the next call. Raises TimeoutError past the deadline, OSError (EMSGSIZE) past the size.
    """

    def __init__(self, connected: socket.socket, most_bytes: int, limit_s: float) -> None:
        self._socket = connected
        self.allow(most_bytes, limit_s)

    def allow(self, most_bytes: int, limit_s: float) -> None:
        """From now on so many bytes may come, for so long."""
        self._most_bytes = self._left_bytes = most_bytes
        self._deadline_s = time.monotonic() + limit_s

    def receive_into(self, buffer: Any) -> int:
        """Read what has come, at least a byte; 0 where the other side has ended."""
        self._wait_no_longer()
        if self._left_bytes <= 0:
            raise OSError(errno.EMSGSIZE, f"more than {self._most_bytes:,} bytes came at once")
        count = self._socket.recv_into(memoryview(buffer)[: self._left_bytes])
        self._left_bytes -= count
        return count

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._wait_no_longer()
        self._socket.sendall(data)

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """Return a file to read from, as `http.client` asks a socket for."""
        del mode
        return io.BufferedReader(_Reader(self), _BUFFER_BYTES)

    def interrupt(self) -> None:
        """End what is waited for at this moment; may be called from any thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _wait_no_longer(self) -> None:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(errno.ETIMEDOUT, "nothing came within the time allowed")
        self._socket.settimeout(left_s)


class _Reader(io.RawIOBase):
    def __init__(self, bounded: BoundedSocket) -> None:
        self._bounded = bounded

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._bounded.receive_into(buffer)
