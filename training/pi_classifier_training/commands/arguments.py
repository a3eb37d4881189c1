"""Kinds of arguments that several commands take, and how lines are printed."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path


def add_image_dir(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add ``--image-dir``, which may be given several times."""
    parser.add_argument(
        "--image-dir",
        type=Path,
        action="append",
        required=required,
        metavar="DIR",
        help="folder of photos, one sub-folder per label; may be given several times",
    )


def add_split(parser: argparse.ArgumentParser) -> None:
    """Add ``--split``: which of the photos are taken."""
    parser.add_argument(
        "--split",
        choices=("all", "test", "validation"),
        default="test",
        help="test: the held-out tenth (default); validation: the tenth that choices are made "
        "on; all: for photos never trained on",
    )


def add_label_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--labels`` and ``--map``, for models whose labels are not the folders' names."""
    parser.add_argument("--labels", metavar="FILE", help="label file of a model without labels")
    parser.add_argument(
        "--map",
        type=Path,
        metavar="FILE",
        help="lines 'folder = label', for folders not named as the model's labels; "
        "'folder =' leaves one out",
    )


def count(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def above_zero(text: str) -> float:
    """A number above 0, such as a learning rate."""
    return _number(text, lambda value: 0 < value < math.inf, "above 0")


def fraction(text: str) -> float:
    """A number from 0 to 1: a score, a share."""
    return _number(text, lambda value: 0 <= value <= 1, "from 0 to 1")


def points(text: str) -> float:
    """A number of percentage points from 0 to 100."""
    return _number(text, lambda value: 0 <= value <= 100, "of points from 0 to 100")


def _number(text: str, allowed: Callable[[float], bool], expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan  # within no bounds
    if not allowed(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number {expected}")
    return value


def print_lines(lines: Iterable[str]) -> int:
    """Print lines as they come; return exit code 0."""
    for line in lines:
        print(line, flush=True)
    return 0
