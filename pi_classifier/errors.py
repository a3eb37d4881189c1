"""The errors of the project and the exit codes they end the program with.

PiClassifierError
├─ ConfigError (ValueError)       exit 78
│  └─ KeyOutOfReach
├─ CameraError                    exit 75
│  ├─ CameraUnavailable
│  │  └─ CameraBusy
│  ├─ CameraTimeout (TimeoutError)
│  └─ CameraClosed
├─ ModelError                     exit 78
│  ├─ ModelFileError
│  ├─ ModelMismatch (ValueError)
│  ├─ AcceleratorUnavailable      exit 74
│  └─ InferenceError (RuntimeError)   exit 70
├─ ImageError (ValueError)        exit 65
├─ StateFolderTaken               exit 75
└─ SinkError                      never fatal

Every message names the thing, the value, what was expected and what to do.
The exit codes are those of sysexits.h: 65 EX_DATAERR, 70 EX_SOFTWARE (a fault of
this program), 74 EX_IOERR (the machine refuses now: disk full, out of memory), 75
EX_TEMPFAIL (worth another try, so systemd restarts), 78 EX_CONFIG (systemd must
not restart). A wrong command line exits with 2, as argparse does.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

EXIT_FAILURE = 1
EXIT_USAGE = 2  # argparse's
EXIT_DATA = 65
EXIT_BUG = 70
EXIT_SYSTEM = 74
EXIT_TEMPORARY = 75
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130  # as a shell reports SIGINT


class PiClassifierError(Exception):
    """Base of all errors a user can cause or meet."""

    exit_code = EXIT_FAILURE


class ConfigError(PiClassifierError, ValueError):
    """The configuration or the command line is wrong."""

    exit_code = EXIT_CONFIG


class KeyOutOfReach(ConfigError):
    """The key of an encrypted model is there, but this process may not have it."""


class CameraError(PiClassifierError):
    """The camera failed; another try may succeed."""

    exit_code = EXIT_TEMPORARY


class CameraUnavailable(CameraError):
    """There is no such camera, or it cannot be opened now."""


class CameraBusy(CameraUnavailable):
    """Another program has the camera open; `users` are those that are known."""

    def __init__(self, message: str, users: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.users = tuple(users)


class CameraTimeout(CameraError, TimeoutError):
    """The camera delivered no frame in time."""


class CameraClosed(CameraError):
    """The camera was used after it was closed."""


class ModelError(PiClassifierError):
    """The model cannot be used."""

    exit_code = EXIT_CONFIG


class ModelFileError(ModelError):
    """The model file is missing, damaged or not a model."""


class ModelMismatch(ModelError, ValueError):
    """The model file is sound but does not fit: labels, input, output or self-test."""


class AcceleratorUnavailable(ModelError):
    """The library of an accelerator is there, but it cannot use the accelerator now."""

    exit_code = EXIT_SYSTEM


class InferenceError(ModelError, RuntimeError):
    """The runtime failed while it ran the model: a model that could be run before."""

    exit_code = EXIT_BUG  # so that the service is started again


class ImageError(PiClassifierError, ValueError):
    """A file that should be a photo cannot be read as one."""

    exit_code = EXIT_DATA


class StateFolderTaken(PiClassifierError):
    """Another copy of the program holds the state folder; it may end."""

    exit_code = EXIT_TEMPORARY


class SinkError(PiClassifierError):
    """A sink could not deliver; never fatal: logged once, counted, retried."""


_MACHINE = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EDQUOT,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENODEV,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EREMOTEIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


def is_the_machines(error: OSError) -> bool:
    """Whether the machine refused, which may be over later, and not what was asked of it.

    A name that is wrong or a missing permission stays so until somebody mends it (78); a
    disk that cannot be read now, or files and memory that ran out, are tried again (74).
    """
    return error.errno in _MACHINE
