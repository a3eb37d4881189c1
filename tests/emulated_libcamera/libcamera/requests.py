"""Requests and the buffers in them."""

from __future__ import annotations

import contextlib
import enum
import mmap
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from libcamera.controls import ControlId

if TYPE_CHECKING:
    from libcamera.streams import Stream


class FrameMetadata:
    """What is known of the frame in a buffer."""

    class Status(enum.Enum):
        """How the frame came out."""

        Success = 0
        Error = 1
        Cancelled = 2
        Startup = 3

    class Plane:
        """The bytes used of one plane."""

        def __init__(self) -> None:
            self.bytes_used = 0

    def __init__(self, planes: int) -> None:
        self.status = self.Status.Success
        self.sequence = 0
        self.timestamp = 0
        self.planes = [self.Plane() for _ in range(planes)]


class FrameBuffer:
    """Memory for one frame; planes hold duplicates of the descriptors they are given."""

    class Plane:
        """A part of a file descriptor's memory."""

        def __init__(self) -> None:
            self._fd = -1
            self.offset = 0
            self.length = 0

        @property
        def fd(self) -> int:
            """The plane's own descriptor."""
            return self._fd

        @fd.setter
        def fd(self, value: int) -> None:
            self.free()
            self._fd = os.dup(value) if value >= 0 else -1

        def free(self) -> None:
            """Close the descriptor."""
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

        def __del__(self) -> None:
            # The number stays: picamera2's allocator, collected in the same moment, goes by it.
            if self._fd >= 0:
                with contextlib.suppress(OSError):
                    os.close(self._fd)

    def __init__(self, planes: Sequence[Plane], cookie: int = 0) -> None:
        self.planes = list(planes)
        self.cookie = cookie
        self.metadata = FrameMetadata(len(self.planes))
        self._memory = mmap.mmap(self.planes[0].fd, self.planes[0].length)
        self.bytes = np.frombuffer(self._memory, np.uint8)
        # what was there before: rubbish, also between the rows
        self.bytes[:] = 0xA5


class Request:
    """Buffers to fill, with what is to hold for the frame."""

    class Status(enum.Enum):
        """Where it is."""

        Pending = 0
        Complete = 1
        Cancelled = 2

    def __init__(self, cookie: int) -> None:
        self.cookie = cookie
        self.buffers: dict[Stream, FrameBuffer] = {}
        self.status = self.Status.Pending
        self.metadata: dict[ControlId, Any] = {}
        self.controls: dict[ControlId, Any] = {}
        self.sequence = 0

    def add_buffer(self, stream: Stream, buffer: FrameBuffer) -> None:
        """Fill `buffer` from `stream`."""
        self.buffers[stream] = buffer

    def set_control(self, control: ControlId, value: Any) -> None:
        """Set a control from this frame on."""
        self.controls[control] = value

    def reuse(self) -> None:
        """Make it ready to be queued again."""
        self.status = self.Status.Pending
        self.metadata = {}
        self.controls = {}
