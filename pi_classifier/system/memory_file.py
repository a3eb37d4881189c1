"""Files in memory: what must never lie on a disk, and still be mapped and handed to a child."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterable

# linux/memfd.h, since Linux 6.3: what is in it can never be run as a program.
_MFD_NOEXEC_SEAL = 0x0008
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
_PR_SET_DUMPABLE = 4  # linux/prctl.h


def sealed_memory_file(name: str, pieces: Iterable[bytes]) -> int:
    """Return the descriptor of a file in memory that holds `pieces`, and can never change.

    `name` is what /proc shows of it. Whoever has the descriptor reads it as a file, through
    /proc/self/fd as well; it is gone with the last descriptor and mapping. What `pieces`
    raises goes on, and nothing stays. Raises OSError.
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
    return descriptor


def forbid_core_dumps() -> None:
    """Keep this process's memory out of core dumps, and other processes of its user out of it.

    prctl(2), PR_SET_DUMPABLE. A limit of 0 on core files would not do: the kernel asks no
    limit where it pipes them into a program, as systemd-coredump. Raises OSError.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
