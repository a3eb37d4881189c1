"""The three places where picamera2 goes round libcamera, to the kernel."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from emulation.hardware import HARDWARE


def prepare() -> None:
    """Have picamera2 meet this computer from now on, whatever is plugged in later."""
    if apply not in HARDWARE.on_plug:
        HARDWARE.on_plug.append(apply)


def apply() -> None:
    """Give picamera2, once it is imported, memory without /dev/dma_heap, and its platform."""
    if "picamera2.picamera2" not in sys.modules or "Picamera2" not in vars(
        sys.modules["picamera2.picamera2"]
    ):
        return
    from picamera2 import Picamera2, platform
    from picamera2.allocators import dmaallocator

    dmaallocator.DmaHeap = MemoryHeap
    dmaallocator.fcntl = _NoCaches
    chosen = platform.Platform.PISP if HARDWARE.platform == "pisp" else platform.Platform.VC4
    platform._platform = chosen
    Picamera2.platform = chosen


class MemoryHeap:
    """Contiguous memory, from where any memory comes."""

    def __init__(self) -> None:
        if HARDWARE.heap_error is not None:
            raise HARDWARE.heap_error

    def alloc(self, name: str, size: int) -> Any:
        """Return a descriptor of `size` bytes; raises OSError as the kernel does."""
        from picamera2.dma_heap import UniqueFD

        if HARDWARE.largest_buffer is not None and size > HARDWARE.largest_buffer:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
        descriptor = os.memfd_create(name)
        os.ftruncate(descriptor, size)
        return UniqueFD(descriptor)

    def close(self) -> None:
        """Do nothing: there is no device."""


class _NoCaches:
    """In place of `fcntl`: this memory needs no synchronizing."""

    @staticmethod
    def ioctl(descriptor: int, request: int, argument: object = None) -> int:
        """Do nothing, successfully."""
        del descriptor, request, argument
        return 0
