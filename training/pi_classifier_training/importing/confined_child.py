"""Reads a model in a child process that can harm nobody: the child, and how the two talk.

`python -m pi_classifier_training.importing.confined_child` gets one request on its standard
input, gives up all rights but those the request names, reads and converts the model, and
then computes scores for the pictures it is sent. Libraries that start threads are imported only
when the rights are gone: what a thread may do is settled when it begins.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pi_classifier
import pi_classifier_training
from pi_classifier.errors import PiClassifierError
from pi_classifier.system.confinement import ConfinementUnavailable, confine

if TYPE_CHECKING:
    from pi_classifier_training.importing.original import Original
    from pi_classifier_training.importing.sources import Recognized

MEMORY_LIMIT = 12 << 30
_FILE_LIMIT = 4 << 30
_LARGEST_REQUEST = 1 << 20
_LARGEST_PICTURE = 1 << 28
_LENGTH = struct.Struct("<Q")
# A picture: whether other kernels than the fastest are meant, and its shape; then float32.
PICTURE = struct.Struct("<?4I")
DONE, FAILED = b"\0", b"\1"
INSTEAD = "convert the model to TensorFlow Lite where it was made, and import that"
_TOO_LARGE = ("MemoryError", "ResourceExhaustedError")

_SYSTEM = (
    "/usr", "/lib", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system",
    "/sys/fs/cgroup", "/proc/sys/vm/overcommit_memory",
)  # fmt: skip


def send(stream: IO[bytes], message: bytes) -> None:
    """Write one message: its length, then its bytes."""
    stream.write(_LENGTH.pack(len(message)) + message)
    stream.flush()


def receive(stream: IO[bytes], limit: int) -> bytes:
    """Read one message. Raises EOFError where there is none, or one above `limit` bytes."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > limit:
        raise EOFError(f"a message of {length} bytes; expected at most {limit}")
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the other side has closed")
    return data


def main() -> int:
    """Serve one request, then pictures until the parent closes."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # What libraries print must not get between the answers.
    os.dup2(2, 1)
    request = json.loads(receive(requests, _LARGEST_REQUEST))
    try:
        _give_up_rights(request)
        if request.get("describe"):
            send(answers, json.dumps({"described": _described(request)}).encode())
            return 0
        original = _read(request)
        description, tflite = _description(original), original.tflite
    except Exception as error:  # noqa: BLE001  the parent says it
        traceback.print_exc()
        send(answers, json.dumps(_refusal(request, error)).encode())
        return 1
    send(answers, json.dumps(description).encode())
    send(answers, tflite)
    while True:
        try:
            picture = receive(requests, _LARGEST_PICTURE)
        except EOFError:
            return 0
        send(answers, _scores(original, picture))


def _give_up_rights(request: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_LIMIT, _FILE_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if request["trusted"]:
        return
    read, listed = installed()
    files = [Path(file) for file in request["files"]]
    try:
        confine([*read, *files], [Path(request["folder"]), Path(os.devnull)], listed)
    except ConfinementUnavailable:
        # A TensorFlow Lite file is no program: it goes through what any device runs it with.
        if request["recognized"]["format"] != "tflite":
            raise


def installed() -> tuple[list[Path], list[Path]]:
    """What Python and its libraries are read from, and the folders that are searched for them."""
    paths = [Path(place) for place in sys.path if place]
    read = [
        *map(Path, _SYSTEM),
        *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")),
        *(Path(sys.prefix, name) for name in ("lib", "lib64", "pyvenv.cfg")),
        Path(sys.base_prefix, "lib"),
        *(path for path in paths if path.name in ("site-packages", "dist-packages")),
        *(Path(file).parent for file in (pi_classifier.__file__, pi_classifier_training.__file__)),
    ]
    return read, paths


def _described(request: dict[str, Any]) -> dict[str, Any]:
    from pi_classifier_training.importing.description import describe

    return describe(_recognized(request))


def _read(request: dict[str, Any]) -> Original:
    from pi_classifier_training.importing.sources import Choices, read_original

    return read_original(_recognized(request), Choices(**request["choices"]))


def _recognized(request: dict[str, Any]) -> Recognized:
    from pi_classifier_training.importing.sources import Recognized

    named = request["recognized"]
    return Recognized(named["format"], Path(named["path"]), None, named["teachable_machine"])


def _description(original: Original) -> dict[str, Any]:
    known = original.normalization
    return {
        "normalization": None if known is None else {"mean": known.mean, "std": known.std},
        "normalization_source": original.normalization_source,
        "resize": original.resize,
        "takes_raw_pixels": original.takes_raw_pixels,
        "has_other_kernels": original.other_kernels is not None,
    }


def _refusal(request: dict[str, Any], error: Exception) -> dict[str, Any]:
    if isinstance(error, ConfinementUnavailable):
        return {"unconfined": str(error)}
    if isinstance(error, ModuleNotFoundError):
        return {"missing": error.name}
    return {"error": _sentence(request["recognized"]["path"], error, trusted=request["trusted"])}


def _sentence(path: str, error: Exception, *, trusted: bool) -> str:
    from pi_classifier_training.conversion.converter import first_line

    if isinstance(error, PiClassifierError):
        return str(error)
    if type(error).__name__ in _TOO_LARGE:
        limit = f"{MEMORY_LIMIT >> 30} GiB"
        return f"{path}: takes more than {limit} of memory to read; no image classifier does"
    if isinstance(error, PermissionError | ImportError) and not trusted:
        return (
            f"{path}: what reads it was denied something ({error}). If that is a part of Python "
            "or TensorFlow in an unusual place, and you trust whoever made the model, add --trust"
        )
    return f"{path}: cannot be read: {first_line(error)}; {INSTEAD}"


def _scores(original: Original, picture: bytes) -> bytes:
    """Scores float32 of one picture, behind a byte that says whether it went well."""
    import numpy as np

    others, *shape = PICTURE.unpack_from(picture)
    values = np.frombuffer(picture, np.float32, offset=PICTURE.size)
    run = original.other_kernels if others and original.other_kernels else original.run
    try:
        scores = run(values.reshape(shape))
    except Exception:  # noqa: BLE001  the parent says it
        traceback.print_exc()
        return FAILED
    return DONE + np.asarray(scores, np.float32).tobytes()


if __name__ == "__main__":
    code = main()
    # What native libraries do at the end takes half a second and saves nothing.
    os._exit(code)
