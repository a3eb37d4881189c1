"""Files in memory: what must never lie on a disk, and still be mapped and handed to a child."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import weakref
from collections.abc import Iterable
from pathlib import Path

# linux/memfd.h, since Linux 6.3: what is in it can never be run as a program.
_MFD_NOEXEC_SEAL = 0x0008
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
_PR_SET_DUMPABLE = 4  # linux/prctl.h


class MemoryFile:
    """An open file that has no place on a disk; it is closed when this object goes.

    `path` opens it in this process, and in a child that is given its `descriptor`. Its
    memory is free again with the last descriptor and mapping.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.path = Path(f"/proc/self/fd/{descriptor}")
        weakref.finalize(self, os.close, descriptor)


def sealed_memory_file(name: str, pieces: Iterable[bytes]) -> MemoryFile:
    """Return a file in memory that holds `pieces`, and can never change.

    `name` is what /proc shows of it. What `pieces` raises goes on, and nothing stays.
    Raises OSError.
    """
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        descriptor = os.memfd_create(name, flags | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        descriptor = os.memfd_create(name, flags)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return MemoryFile(descriptor)


def forbid_core_dumps() -> None:
    """Keep this process's memory out of core dumps, and other processes of its user out of it.

    prctl(2), PR_SET_DUMPABLE. A limit of 0 on core files would not do: the kernel asks no
    limit where it pipes them into a program, as systemd-coredump. Raises OSError.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
