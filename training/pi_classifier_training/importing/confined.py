"""Reads a model in a child process that can harm nobody: the parent's side.

TensorFlow, Keras, HDF5 and the converter run in the child only (`confined_child`). It may read
the model and the installed programs, change files in one temporary folder, and do nothing else
(`pi_classifier.system.confinement`). What it answers is bounded, and checked here.
"""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import math
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NoReturn, cast, get_args

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.manifest import Resize
from pi_classifier.modelfile.tflite_metadata import Normalization
from pi_classifier.printable import printable
from pi_classifier.system.python_child import module_command, with_this_package
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.confined_child import (
    DONE,
    INSTEAD,
    MEMORY_LIMIT,
    PICTURE,
    receive,
    send,
)
from pi_classifier_training.importing.original import Original
from pi_classifier_training.importing.sources import Choices, Recognized

log = logging.getLogger(__name__)

CHILD = module_command("pi_classifier_training.importing.confined_child")
TIME_LIMIT_S = 30 * 60.0
_LARGEST_MODEL = 1 << 30
_LARGEST_DESCRIPTION = 1 << 16
_LARGEST_RECORD = 4 << 20
_LARGEST_SCORES = 4 << 20
_LONGEST_TEXT = 900
_LAST_WORDS = 4096
# All that the child gets to see of the environment: it may hold secrets.
_ENVIRONMENT = ("LANG", "LANGUAGE", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_ENVIRONMENT_PREFIXES = ("LC_", "TF_", "OMP_")


@contextlib.contextmanager
def read_confined(
    recognized: Recognized, choices: Choices, *, trusted: bool = False
) -> Iterator[Original]:
    """Read a recognized model in a confined child, which computes its scores in the block.

    `trusted` leaves the child this user's rights. Raises ExportError, also where the system
    cannot confine a process.
    """
    with _asked(recognized, {"choices": asdict(choices), "trusted": trusted}) as child:
        yield _original(recognized, child)


def describe_confined(recognized: Recognized, *, trusted: bool = False) -> dict[str, Any]:
    """What a recognized model holds, as `description.describe` has it, from a confined child.

    Raises ExportError as `read_confined` does.
    """
    wanted = {"describe": True, "trusted": trusted}
    with _asked(recognized, wanted) as child, _sound_answers(recognized.path):
        answer = json.loads(child.receive(_LARGEST_RECORD))
        _raise_refusal(recognized.path, answer)
        described = dict(_cleaned_values(answer["described"]))
    read = [path for file in _files(recognized) for path in (file, *file.rglob("*"))]
    return {"bytes": sum(p.stat().st_size for p in read if p.is_file()), **described}


def _cleaned_values(value: Any) -> Any:
    """The same JSON values with texts that cannot steer a terminal."""
    if isinstance(value, dict):
        return {
            printable(str(key), _LONGEST_TEXT): _cleaned_values(entry)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [_cleaned_values(entry) for entry in value]
    return printable(value, _LONGEST_TEXT) if isinstance(value, str) else value


@contextlib.contextmanager
def _asked(recognized: Recognized, wanted: dict[str, Any]) -> Iterator[_Child]:
    """A child that has been given its request: the model, its files and what is `wanted`."""
    request = {
        "recognized": {
            "format": recognized.format,
            "path": str(recognized.path),
            "teachable_machine": recognized.teachable_machine,
        },
        "files": list(map(str, _files(recognized))),
        **wanted,
    }
    with (
        tempfile.TemporaryDirectory(prefix="pi-classifier-import-") as folder,
        _started(recognized.path, folder) as child,
    ):
        child.send(json.dumps({**request, "folder": folder}).encode())
        yield child


def _files(recognized: Recognized) -> list[Path]:
    """What the child may read of the model; not the whole folder it happens to lie in."""
    path = recognized.path
    if recognized.format == "savedmodel":
        return [path / "saved_model.pb", path / "variables"]
    if recognized.format == "graph":
        return [path, path.parent / "variables"] if path.name == "saved_model.pb" else [path]
    if recognized.format == "checkpoint":
        return list(path.parent.glob(f"{glob.escape(path.name)}.*"))
    if recognized.format == "tensorflowjs":
        return [path, *path.parent.glob("*.bin"), *path.parent.glob("*shard*")]
    return [path]


@contextlib.contextmanager
def _started(path: Path, folder: str) -> Iterator[_Child]:
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            CHILD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(folder),
            start_new_session=True,  # Ctrl-C is for the parent, which ends the child.
        )
        timer = threading.Timer(TIME_LIMIT_S, process.kill)
        timer.name = "import-limit"
        timer.daemon = True
        timer.start()
        child = _Child(path, process, errors)
        try:
            yield child
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            child.close()


def _environment(folder: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)
    }
    own = {
        "HOME": folder,
        "TMPDIR": folder,
        "CUDA_VISIBLE_DEVICES": "-1",
        "GRPC_VERBOSITY": "ERROR",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    return with_this_package({**kept, **own})


class _Child:
    """Talks to the child; its end, whatever the cause, becomes one sentence."""

    def __init__(self, path: Path, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._path, self._process, self._errors = path, process, errors
        self._requests = cast("IO[bytes]", process.stdin)
        self._answers = cast("IO[bytes]", process.stdout)

    def send(self, message: bytes) -> None:
        try:
            send(self._requests, message)
        except OSError:
            self._ended()

    def receive(self, limit: int) -> bytes:
        try:
            return receive(self._answers, limit)
        except (OSError, EOFError):
            self._ended()

    def close(self) -> None:
        for stream in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                stream.close()

    def scores(self, image: NDArray[np.float32], *, others: bool) -> NDArray[np.float32]:
        """Scores float32 ``[outputs]`` of an input such as ``[1, height, width, 3]``."""
        self.send(PICTURE.pack(others, *image.shape) + image.astype(np.float32).tobytes())
        answer = self.receive(_LARGEST_SCORES)
        if answer[:1] != DONE or len(answer) % 4 != 1:
            raise ExportError(f"{self._path}: cannot be run on a picture; {INSTEAD}")
        return np.frombuffer(answer, np.float32, offset=1)

    def _ended(self) -> NoReturn:
        """Say why there is no answer."""
        self._process.kill()
        code = self._process.wait()
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(self._errors.tell() - _LAST_WORDS, 0))
        words = self._errors.read().decode("utf-8", "replace")
        log.debug("%s", words)
        lines = [line for line in words.splitlines() if line.strip()]
        last = f" ({printable(lines[-1], 200)})" if lines else ""
        raise ExportError(
            f"{self._path}: TensorFlow ended with {_cause(code)} when it read this model{last}; "
            f"it may take {TIME_LIMIT_S / 60:.0f} minutes and {MEMORY_LIMIT >> 30} GiB; {INSTEAD}"
        )


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _original(recognized: Recognized, child: _Child) -> Original:
    """What the child says of the model, checked."""
    path = recognized.path
    with _sound_answers(path):
        answer = json.loads(child.receive(_LARGEST_DESCRIPTION))
        _raise_refusal(path, answer)
        return Original(
            recognized.format,
            path,
            child.receive(_LARGEST_MODEL),
            lambda image: child.scores(image, others=False),
            normalization=_normalization(answer["normalization"]),
            normalization_source=printable(str(answer["normalization_source"]), _LONGEST_TEXT),
            resize=_resize(answer["resize"]),
            takes_raw_pixels=answer["takes_raw_pixels"] is True,
            other_kernels=(
                (lambda image: child.scores(image, others=True))
                if answer["has_other_kernels"] is True
                else None
            ),
        )


@contextlib.contextmanager
def _sound_answers(path: Path) -> Iterator[None]:
    """Raise ExportError for answers that are not of the form that was agreed."""
    try:
        yield
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ExportError(f"{path}: made its reader answer with nonsense; {INSTEAD}") from error


def _raise_refusal(path: Path, answer: Any) -> None:
    if not isinstance(answer, dict):
        raise TypeError(f"expected an object, not {answer!r}")
    if "missing" in answer:
        raise ModuleNotFoundError(name=printable(str(answer["missing"]), _LONGEST_TEXT))
    if "unconfined" in answer:
        raise ExportError(
            f"{path}: is not read, because this system cannot confine what reads it: "
            f"{printable(str(answer['unconfined']), _LONGEST_TEXT)}. Import it on Linux 5.13 or "
            "newer, or convert it to TensorFlow Lite where it was made; if you trust whoever "
            "made it as you trust a program you run, add --trust"
        )
    if "error" in answer:
        raise ExportError(printable(str(answer["error"]), _LONGEST_TEXT))


def _normalization(answer: Any) -> Normalization | None:
    if answer is None:
        return None
    mean, std = (tuple(float(value) for value in answer[name]) for name in ("mean", "std"))
    if len(mean) not in (1, 3) or len(mean) != len(std):
        raise ValueError(f"{len(mean)} means, {len(std)} deviations")
    if not all(map(math.isfinite, (*mean, *std))) or min(std) <= 0:
        raise ValueError(f"mean {mean}, deviation {std}")
    return Normalization(mean, std)


def _resize(answer: Any) -> Resize:
    if answer not in get_args(Resize):
        raise ValueError(f"resize {answer!r}")
    chosen: Resize = answer
    return chosen
