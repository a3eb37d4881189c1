"""What is wrong with a Raspberry Pi camera, and what its owner can do about it."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from pi_classifier.errors import (
    CameraBusy,
    CameraError,
    CameraUnavailable,
    ConfigError,
    PiClassifierError,
)
from pi_classifier.system.open_files import processes_using

PICAMERA2_AT_LEAST = (0, 3, 21)
_INSTALL = "sudo apt install python3-picamera2 --no-install-recommends"
_WITHOUT = '; without a camera there are "emulated" and "replay:FOLDER"'
_APT_PACKAGES = Path("/usr/lib/python3/dist-packages")
_KNOWN = (errno.EACCES, errno.ENOMEM, errno.EBUSY)
_DEVICES = ("media*", "video*")
_HEAPS = ("vidbuf_cached", "linux,cma")  # the order picamera2 looks in
_MEMORY_CURE = (
    "ask for smaller frames (camera.width, camera.height), turn camera.picture off, stop other "
    "programs that use the camera, or give the camera more: in /boot/firmware/config.txt write "
    "dtoverlay=vc4-kms-v3d,cma-256 and start the computer again"
)
_CABLE = (
    "check with the power off that both ends of its cable sit straight and are locked, and try "
    "rpicam-hello --list-cameras"
)


def import_failure(error: Exception, apt_packages: Path = _APT_PACKAGES) -> CameraUnavailable:
    """Return why picamera2 cannot be imported, and the cure."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if isinstance(error, ValueError | ImportError) and re.search(
        r"numpy\.(dtype|ndarray) size changed|numpy\.core\.multiarray|_ARRAY_API", str(error)
    ):
        return CameraUnavailable(
            f'camera "pi": picamera2 does not load, because this environment has a numpy of its '
            f"own that apt's packages were not made for ({error}); remove it, and apt's is used: "
            f"{sys.executable} -m pip uninstall numpy simplejpeg"
        )
    if missing in ("picamera2", "libcamera"):
        if sys.prefix != sys.base_prefix and any(apt_packages.glob(f"{missing}*")):
            return CameraUnavailable(
                f'camera "pi": {missing} is installed on this computer but not visible in the '
                f"environment {sys.prefix}; make that again: python3 -m venv "
                f"--system-site-packages {sys.prefix}"
            )
        return CameraUnavailable(
            f'camera "pi": {missing} is not installed; on Raspberry Pi OS: {_INSTALL} (pip alone '
            "does not have it; a virtual environment sees it if it was made with "
            f"--system-site-packages){_WITHOUT}"
        )
    return CameraUnavailable(
        f'camera "pi": picamera2 does not load ({type(error).__name__}: {error}); install it '
        f"whole: {_INSTALL}"
    )


def no_imx500(error: Exception) -> CameraUnavailable:
    """Return what picamera2 misses for the AI Camera."""
    return CameraUnavailable(
        f'camera "imx500": picamera2 cannot use it here ({error}); sudo apt update, then '
        "sudo apt install imx500-all python3-picamera2"
    )


def too_old(version: str) -> CameraUnavailable:
    """Return that picamera2 is too old."""
    wanted = ".".join(str(part) for part in PICAMERA2_AT_LEAST)
    return CameraUnavailable(
        f'camera "pi": picamera2 {version} is too old, {wanted} or later is needed: '
        "sudo apt update, then sudo apt full-upgrade"
    )


def check_heap(devices: Path = Path("/dev")) -> None:
    """Raise CameraUnavailable when the memory for frames may not be taken.

    picamera2 takes it once the camera is open, and leaves a traceback when it cannot.
    """
    heaps = [devices / "dma_heap" / name for name in _HEAPS]
    heap = next((heap for heap in heaps if heap.exists()), None)
    if heap is not None and not os.access(heap, os.R_OK | os.W_OK):
        raise _forbidden(heap)


def no_camera(devices: Path = Path("/dev")) -> CameraUnavailable:
    """Return that none is connected, or that this program may not look."""
    for path in _media(devices):
        if not os.access(path, os.R_OK | os.W_OK):
            return _forbidden(path)
    return CameraUnavailable(f'camera "pi": no camera is found; {_CABLE}{_WITHOUT}')


def _media(devices: Path) -> Iterable[Path]:
    return sorted(devices.glob("media*"))


def explained(error: Exception, doing: str, devices: Path = Path("/dev")) -> PiClassifierError:
    """Turn what picamera2 or libcamera raised while `doing` into an error with its cure."""
    if isinstance(error, PiClassifierError):
        return error
    causes = list(_chain(error))
    text = ": ".join(dict.fromkeys(str(cause) or type(cause).__name__ for cause in causes))
    system = {cause.errno: cause for cause in causes if isinstance(cause, OSError)}
    # libcamera's own errors have the words only
    numbers = {number for number in _KNOWN if number in system or os.strerror(number) in text}
    if errno.EACCES in numbers:
        return _forbidden(_path_of(system.get(errno.EACCES), devices))
    if errno.ENOMEM in numbers:
        return CameraUnavailable(
            f'camera "pi": out of contiguous memory (CMA) while {doing}; {_MEMORY_CURE}'
        )
    if errno.EBUSY in numbers:
        return _busy(devices)
    return _other(text, doing)


def _path_of(error: OSError | None, devices: Path) -> Path:
    if error is not None and error.filename:
        return Path(error.filename)
    return next(iter(_media(devices)), Path("/dev/media0"))


def _busy(devices: Path) -> CameraUnavailable:
    paths = (path for pattern in _DEVICES for path in devices.glob(pattern))
    users = processes_using(*paths)
    by = f"by {', '.join(users)}" if users else "by another program, perhaps of another user"
    return CameraBusy(
        f'camera "pi": busy, in use {by}; stop that first (a camera serves one program)', users
    )


def in_use_here() -> CameraUnavailable:
    """Return that this very program has the camera already."""
    users = ["this program itself"]
    return CameraBusy('camera "pi": busy, in use by this program itself; close it first', users)


def _other(text: str, doing: str) -> PiClassifierError:
    if "dmaHeap" in text:
        return CameraUnavailable(
            f'camera "pi": there is no /dev/dma_heap for its frames ({text}); update the '
            "system, or pass --device /dev/dma_heap to the container"
        )
    if "Invalid camera configuration" in text or "not advertised" in text:
        return ConfigError(
            f'camera "pi": it does not support these settings ({text}); change camera.width, '
            "camera.height or camera.controls"
        )
    return CameraError(f'camera "pi": failed while {doing}: {text}; {_CABLE}')


def _forbidden(path: Path) -> CameraUnavailable:
    from pi_classifier.system.device_access import permission_advice

    return CameraUnavailable(
        f'camera "pi": no permission to open {path}; {permission_advice(path)}'
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
