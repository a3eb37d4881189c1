"""Takes rights away from this process, for good: for what reads files that others made.

Two means of the Linux kernel that need no privileges. Landlock (landlock(7), Linux 5.13) names
the files that may be read and written, and with newer kernels closes TCP, signals and abstract
sockets. A seccomp filter (seccomp(2)) takes away the system calls for sockets, for other
programs and their memory, and those that change files in ways Landlock does not know of.
What is still possible: to see that a file exists, how large it is and when it was changed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# The same on every processor.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_TRUNCATE = 1 << 14
# All that a version of Landlock can handle: what no rule allows is denied.
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP, _SCOPES = 0b11, 0b11
_TCP_SINCE, _SCOPES_SINCE = 4, 6

_READ = _READ_FILE | _READ_DIR
_CHANGE = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE
# A rule on what is no folder may name these only.
_OF_FILES = _WRITE_FILE | _READ_FILE | _TRUNCATE

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_LOAD, _JUMP_EQUAL, _JUMP_FROM, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_X32 = 0x40000000  # x86-64's second set of numbers

# Numbers since Linux 5.1 are the same everywhere: io_uring_setup, open_tree, move_mount, fsopen,
# fsconfig, fsmount, fspick, pidfd_send_signal, pidfd_open, pidfd_getfd, process_madvise,
# mount_setattr, fchmodat2, setxattrat, removexattrat, open_tree_attr, file_setattr.
_NEWER = (425, 428, 429, 430, 431, 432, 433, 424, 434, 438, 440, 442, 452, 463, 466, 467, 469)


@dataclass(frozen=True, slots=True)
class _Processor:
    """AUDIT_ARCH of linux/audit.h, and the system calls that are taken away."""

    architecture: int
    calls: Mapping[str, int]


# From the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h.
_PROCESSORS = {
    "x86_64": _Processor(
        0xC000003E,
        {
            "socket": 41, "socketpair": 53, "execve": 59, "execveat": 322, "kill": 62,
            "rt_sigqueueinfo": 129, "ptrace": 101, "process_vm_readv": 310,
            "process_vm_writev": 311, "kcmp": 312, "truncate": 76, "chmod": 90, "fchmod": 91,
            "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
            "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197,
            "lremovexattr": 198, "fremovexattr": 199, "utime": 132, "utimes": 235,
            "futimesat": 261, "utimensat": 280, "mount": 165, "umount2": 166, "pivot_root": 155,
            "chroot": 161, "unshare": 272, "setns": 308, "open_by_handle_at": 304, "bpf": 321,
            "perf_event_open": 298, "userfaultfd": 323, "add_key": 248, "request_key": 249,
            "keyctl": 250, "kexec_load": 246, "init_module": 175, "finit_module": 313,
            "shmget": 29, "shmat": 30, "semget": 64, "msgget": 68, "mq_open": 240,
        },
    ),
    "aarch64": _Processor(
        0xC00000B7,
        {
            "socket": 198, "socketpair": 199, "execve": 221, "execveat": 281, "kill": 129,
            "rt_sigqueueinfo": 138, "ptrace": 117, "process_vm_readv": 270,
            "process_vm_writev": 271, "kcmp": 272, "truncate": 45, "fchmod": 52, "fchmodat": 53,
            "fchownat": 54, "fchown": 55, "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7,
            "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, "utimensat": 88,
            "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97,
            "setns": 268, "open_by_handle_at": 265, "bpf": 280, "perf_event_open": 241,
            "userfaultfd": 282, "add_key": 217, "request_key": 218, "keyctl": 219,
            "kexec_load": 104, "init_module": 105, "finit_module": 273, "shmget": 194,
            "shmat": 196, "semget": 190, "msgget": 186, "mq_open": 180,
        },
    ),
}  # fmt: skip


class ConfinementUnavailable(Exception):
    """This system cannot confine a process; the message says what is missing."""


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def confine(read: Iterable[Path], write: Iterable[Path], listed: Iterable[Path] = ()) -> None:
    """Leave this process nothing but to read below `read` and to change files below `write`.

    The names of files below `listed` can be read too; paths that do not exist are left out.
    Nothing can be run, no socket opened, no other process touched. It holds for threads and
    children begun later, so the process must have one thread only. Raises
    ConfinementUnavailable where the system has not got the means; nothing is undone then.
    """
    processor = _PROCESSORS.get(platform.machine())
    if processor is None:
        raise ConfinementUnavailable(f"no list of system calls for {platform.machine()}")
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise RuntimeError("a process with several threads cannot be confined as a whole")
    libc = ctypes.CDLL(None, use_errno=True)
    _restrict_files(libc, [(read, _READ), (write, _READ | _CHANGE), (listed, _READ_DIR)])
    _restrict_calls(libc, _filter(processor))


def _restrict_files(libc: ctypes.CDLL, rules: Iterable[tuple[Iterable[Path], int]]) -> None:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        raise ConfinementUnavailable("the kernel has no Landlock, or it is switched off")
    handled = _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= version)]
    fields = [handled]
    if version >= _TCP_SINCE:
        fields.append(_TCP)
    if version >= _SCOPES_SINCE:
        fields.append(_SCOPES)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _checked(libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        for paths, rights in rules:
            for path in paths:
                _allow(libc, ruleset, path, rights & handled)
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, place)
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(place)


def _filter(processor: _Processor) -> bytes:
    """The seccomp filter: instructions ``(code, jump if true, jump if false, value)``."""
    refused = sorted({*processor.calls.values(), *_NEWER})
    # Each jump goes to the last instruction, which refuses; the last but one allows.
    tests = [(_JUMP_FROM, _X32), *((_JUMP_EQUAL, number) for number in refused)]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 0, len(tests) + 2, processor.architecture),
        (_LOAD, 0, 0, _NUMBER_AT),
        *((code, len(tests) - i, 0, value) for i, (code, value) in enumerate(tests)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _restrict_calls(libc: ctypes.CDLL, instructions: bytes) -> None:
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = _Program(len(instructions) // 8, ctypes.addressof(buffer))
    done = libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)
    if done != 0:
        raise ConfinementUnavailable("the kernel has no seccomp filters")


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise ConfinementUnavailable(f"the kernel refused Landlock: {os.strerror(number)}")
    return result
