"""Runs in the place of the service, in its sandbox, and prints what it may do: one JSON object.

Of the program it uses only what advises whoever may not open a device.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def outcome(attempt: Callable[[], object]) -> str:
    """``yes``, or the name of the error it ended with."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "yes"


def called(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def written(folder: str) -> str:
    path = Path(folder, "probe")

    def write() -> None:
        path.write_text("x")
        path.unlink()

    return outcome(write)


def opened(device: str) -> str:
    return outcome(lambda: os.close(os.open(device, os.O_RDWR)))


def sockets(family: int, kind: int = socket.SOCK_STREAM) -> str:
    return outcome(lambda: socket.socket(family, kind).close())


def over_loopback() -> str:
    def connect() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), 2).close()

    return outcome(connect)


def callback() -> str:
    """A function of Python called from C, which needs a piece of code made at run time."""
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    values = (ctypes.c_int * 3)(3, 1, 2)
    calls = []

    def compared(_first: int, _second: int) -> int:
        calls.append(1)
        return 0

    _libc.qsort(values, 3, 4, compare(compared))
    return "yes" if calls else "never called"


def spoken() -> str:
    done = subprocess.run(
        ["espeak-ng", "--stdout", "hello"], capture_output=True, check=False, timeout=20
    )
    return "yes" if done.returncode == 0 and len(done.stdout) > 1000 else repr(done.stderr)


def secret(name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        return "no folder"
    path = Path(folder, name)
    return path.read_text() if path.exists() else "missing"


def advice(device: str) -> str:
    sys.path.insert(0, "/usr/lib/pi-classifier")
    from pi_classifier.system.device_access import permission_advice

    return permission_advice(Path(device))


def main() -> None:
    status = dict(
        line.split(":\t", 1)
        for line in Path("/proc/self/status").read_text().splitlines()
        if ":\t" in line
    )
    writable = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    state = os.environ.get("STATE_DIRECTORY", "")
    found = {
        "user": os.getuid(),
        "groups": sorted(os.getgroups()),
        "folder": str(Path.cwd()),
        "write": {folder: written(folder) for folder in sys.argv[1].split(",")},
        "list /home": outcome(lambda: list(Path("/home").iterdir())),
        "open": {device: opened(device) for device in sys.argv[2].split(",")},
        "interfaces": [name for _, name in socket.if_nameindex()],
        "AF_INET": sockets(socket.AF_INET),
        "AF_INET6": sockets(socket.AF_INET6),
        "AF_PACKET": sockets(socket.AF_PACKET, socket.SOCK_RAW),
        "AF_NETLINK": sockets(socket.AF_NETLINK, socket.SOCK_RAW),
        "AF_UNIX": sockets(socket.AF_UNIX),
        "loopback": over_loopback(),
        "NoNewPrivs": status["NoNewPrivs"],
        "Seccomp": status["Seccomp"],
        "capabilities": {
            status[f"Cap{which}"].strip("0") for which in ("Inh", "Prm", "Eff", "Bnd")
        }
        == {""},
        "see process 1": outcome(lambda: Path("/proc/1/stat").read_text()),
        "cpuinfo": "processor" in Path("/proc/cpuinfo").read_text(),
        "set-user-id": outcome(lambda: Path(state).chmod(0o4750)),
        "new namespace": outcome(lambda: called(_libc.unshare(_CLONE_NEWUSER))),
        "mount": outcome(lambda: called(_libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))),
        "real time": outcome(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
        "write and execute": outcome(lambda: mmap.mmap(-1, 4096, prot=writable).close()),
        "callback": callback(),
        "speak": spoken(),
        "lower priority": outcome(lambda: os.nice(1)),
        "advice": advice("/dev/video0"),
        "password": secret("camera-password"),
    }
    print(json.dumps(found))


main()
