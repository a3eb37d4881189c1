"""A folder to copy to the Pi: a model, or a cascade with its models; whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pi_classifier.modelfile.locate import CASCADE
from pi_classifier.system.files import PARTIAL_PREFIX, write_atomic
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.modelfile.cascade_file import StageThresholds, toml_text

TOML, MODEL = ".toml", ".tflite"

# The configuration's lines that go with the models.
SETTINGS_FILE = "pi_classifier.toml"
_STAGES = ("first", "second", "third")


def require_writable(folder: Path) -> None:
    """Raise OSError where no file can be made in `folder`: now, not after minutes of work."""
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, which takes its place when the block ends well.

    What was there before stays until then. A folder that holds anything but models and what
    belongs to them is never replaced. Raises TrainingError, and OSError, which names `path`.
    """
    require_model_folder(path)
    partial = path.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-{path.name}")
    before = path.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-before-{path.name}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        yield partial
        if path.exists():
            path.rename(before)
        partial.rename(path)
    except OSError as error:
        if error.filename is None or str(partial) in str(error.filename):
            raise OSError(error.errno or 0, error.strerror or str(error), str(path)) from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if before.exists() and not path.exists():  # the new one could not take its place
            before.rename(path)
        shutil.rmtree(before, ignore_errors=True)


def require_model_folder(path: Path) -> None:
    """Refuse to replace what is no folder, or one that holds something else.

    Raises TrainingError.
    """
    if not path.is_dir() and (path.exists() or path.suffix == MODEL):
        raise TrainingError(f"{path}: is no folder; name a folder to make")
    if not path.exists():
        return
    others = [p.name for p in sorted(path.iterdir()) if not _is_ours(p)]
    if others:
        raise TrainingError(
            f"{path}: holds {others[0]}, which is no part of a model; name a new folder"
        )


def _is_ours(path: Path) -> bool:
    return path.is_file() and (path.suffix == MODEL or path.name in (CASCADE, SETTINGS_FILE))


def write_cascade(
    models: Sequence[Path],
    name: str,
    output: Path,
    thresholds: StageThresholds,
    record: Mapping[str, Any],
) -> Path:
    """Write a cascade; return its ``cascade.toml``. The models come in the order they are asked.

    `output` is a file ending in ``.toml``, which names the models where they lie, or a folder,
    into which they are copied: it can then be taken anywhere. `record` is what was measured.
    Raises TrainingError and OSError.
    """
    if output.suffix == TOML:
        text = toml_text(models, name, output, thresholds, record)
        write_atomic(output, text.encode())
        return output
    with replacing_folder(output) as folder:
        copies = [folder / file for file in stage_files(len(models))]
        for model, copy in zip(models, copies, strict=True):
            shutil.copyfile(model, copy)
        text = toml_text(copies, name, folder / CASCADE, thresholds, record)
        write_atomic(folder / CASCADE, text.encode())
    return output / CASCADE


def stage_files(count: int) -> tuple[str, ...]:
    """What the models of a cascade are called in its folder, in the order they are asked."""
    more = (f"stage{number}" for number in range(len(_STAGES) + 1, count + 1))
    return tuple(f"{name}{MODEL}" for name in (*_STAGES[:count], *more))
