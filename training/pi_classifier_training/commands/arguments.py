"""Arguments that several commands take, and how lines are printed."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from pi_classifier.config.options import add_options
from pi_classifier.printable import printable
from pi_classifier_training.errors import TrainingError


def path_of(text: str) -> Path:
    """An argument that names a file or folder, in which ``~`` is the home folder."""
    return Path(text).expanduser()


def photos_of(text: str) -> Path | str:
    """An argument that names a folder of photos, or the address of one, as text."""
    from pi_classifier_training.data.mirror import is_address

    return text if is_address(text) else path_of(text)


def add_image_dir(
    parser: argparse.ArgumentParser, *, required: bool = True, split: bool = True
) -> None:
    """Add ``--image-dir``, which may be given several times; none given is an empty list.

    With `split` the options that say how its photos are shared out (`SplitOptions`) too.
    """
    from pi_classifier_training.data.splits import SplitOptions

    parser.add_argument(
        "--image-dir",
        type=photos_of,
        action="append",
        required=required,
        default=None if required else [],
        metavar="DIR",
        help="folder of photos, one sub-folder per label, or its address (s3://…, sftp://…, "
        "zip://…); may be given several times",
    )
    if split:
        title = "which photos train, validate and test"
        add_options(parser.add_argument_group(title), SplitOptions)


def add_ray(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--ray``: several machines for `what`."""
    parser.add_argument(
        "--ray",
        metavar="auto|ADDRESS",
        help=f"{what} on all machines of a cluster of Ray (HOST:PORT; auto: the one this machine "
        "is in)",
    )


def add_source(
    parser: argparse.ArgumentParser, model: str = "a float .tflite file (see import)"
) -> None:
    """Add what a command is about: a run's folder or a `model` file."""
    parser.add_argument(
        "source",
        type=path_of,
        metavar="RUN|MODEL",
        help=f"output folder of retrain, or {model}",
    )


def add_output(
    parser: argparse.ArgumentParser, metavar: str, text: str, *, required: bool = False
) -> None:
    """Add ``-o`` or ``--output``: the file to write."""
    parser.add_argument(
        "-o", "--output", type=path_of, required=required, metavar=metavar, help=text
    )


def require_folder(path: Path | None) -> None:
    """Refuse a file to write whose folder is missing or shut, before hours of work end there.

    Raises TrainingError.
    """
    if path is None:
        return
    if path.is_dir():
        raise TrainingError(f"{path}: is a folder; name the file to write in it")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise TrainingError(f"{path}: there is no folder {path.parent}; make it first")
    from pi_classifier_training.modelfile.model_folder import require_writable

    try:
        require_writable(folder)
    except OSError as error:
        raise TrainingError(
            f"{path}: files cannot be written in the folder {path.parent} ({error.strerror}); "
            "name another one"
        ) from error


def add_json(parser: argparse.ArgumentParser, text: str = "print one JSON object") -> None:
    """Add ``--json``: results for programs."""
    parser.add_argument("--json", action="store_true", help=text)


def print_lines(lines: Iterable[str]) -> int:
    """Print lines as they come; return exit code 0."""
    for line in lines:
        print(printable(line), flush=True)
    return 0
