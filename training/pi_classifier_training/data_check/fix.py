"""Moves problem files aside and renames wrong endings; never deletes, and can be undone."""

from __future__ import annotations

import csv
import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from pi_classifier.preprocessing.photos import PHOTO_FORMATS
from pi_classifier.system.files import replacing
from pi_classifier_training.data.splits import Split, group_of, place
from pi_classifier_training.data_check.findings import CheckResult, Finding
from pi_classifier_training.data_check.photo_probe import BROKEN, SUFFIXES
from pi_classifier_training.errors import DatasetError

LOG = "moved.csv"
_LONGEST_NAME = 255  # bytes, on the usual file systems
_COLUMNS = ("action", "from", "to", "kind", "why")
# Broken files but not those that merely cannot be opened: their owner may know better.
_ALL_ASIDE = (*(kind for kind in BROKEN if kind != "unreadable"), "two-labels")
_KEEP_ONE = ("copy-across-splits", "copy", "alike-across-splits")


@dataclass(frozen=True, slots=True)
class FileMove:
    """One file to move or rename."""

    action: Literal["moved", "renamed"]
    source: Path
    target: Path
    kind: str
    why: str


def fix(result: CheckResult, moved_to: Path) -> list[FileMove]:
    """Move problem files to `moved_to` and rename wrong endings; log each in moved.csv.

    Of copies the one in training is kept, so that no photo a network has seen ever
    becomes a test photo; of the same photo under two labels none is. Near-duplicates
    move only out of validation and test. Raises DatasetError when `moved_to` lies
    within the photos or the other way round.
    """
    for image_dir in map(Path, result.image_dirs):
        a, b = image_dir.resolve(), moved_to.resolve()
        if a == b or a in b.parents or b in a.parents:
            raise DatasetError(
                f"{moved_to}: lies within the photos in {image_dir}, or they within it; "
                "name a folder beside them for --moved-to"
            )
    moves = []
    places: dict[str, Path | None] = {}  # where the photos that were moved are; None is aside
    for finding in result.findings:
        for shown, move in _moves(result, finding, moved_to, places):
            _log(moved_to / LOG, move)
            _move(move.source, move.target)
            places[shown] = move.target if move.action == "renamed" else None
            moves.append(move)
    return moves


def undo(moved_to: Path) -> list[FileMove]:
    """Put everything in the log of `moved_to` back, the last first; what is back stays.

    Raises DatasetError when there is no log, or a file's old place is taken.
    """
    log = moved_to / LOG
    if not log.is_file():
        raise DatasetError(f"{log}: no such file; name the folder given as --moved-to")
    try:
        with log.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = [row for row in csv.DictReader(file) if row["action"] in ("moved", "renamed")]
        moves = [(Path(row["to"]), Path(row["from"]), row["kind"]) for row in reversed(rows)]
    except (csv.Error, KeyError, TypeError) as error:
        raise DatasetError(f"{log}: is not what --fix wrote, or is damaged ({error})") from error
    restored = []
    for source, target, kind in moves:
        if not source.exists():
            continue
        if target.exists():
            raise DatasetError(f"{target}: there is a file again; move it away, then undo")
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(source, target)
        restored.append(FileMove("moved", source, target, kind, "undone"))
    return restored


def _moves(
    result: CheckResult, finding: Finding, moved_to: Path, places: Mapping[str, Path | None]
) -> Iterator[tuple[str, FileMove]]:
    """What to do about a finding, with the path in it; `places` are those of moved photos."""
    for group in finding.groups:
        left = {
            shown: place.absolute()
            for shown in group
            if (place := places.get(shown, result.path_of(shown))) is not None
        }
        if finding.kind == "extension":
            for shown, source in left.items():
                for renaming in _renaming(source, finding):
                    yield shown, renaming
        for shown in _moved_aside(finding.kind, list(left), result.splits):
            source = left[shown]
            target = _free(moved_to.absolute() / finding.kind / _within(result, source))
            yield shown, FileMove("moved", source, target, finding.kind, finding.message)


def _moved_aside(kind: str, group: list[str], splits: Mapping[str, Split]) -> list[str]:
    """Which photos of a group move aside."""
    if kind in _ALL_ASIDE:
        return group
    if kind not in _KEEP_ONE:
        return []
    trained = [shown for shown in group if splits[shown] == "training"]
    kept = (trained or group)[:1]
    if kind == "alike-across-splits":
        # Views that look alike and are all trained on do no harm.
        kept = trained or kept
    return [shown for shown in group if shown not in kept]


def _within(result: CheckResult, source: Path) -> Path:
    """The path from the folder of photos on: label and name."""
    for image_dir in map(Path, result.image_dirs):
        if source.is_relative_to(image_dir.absolute()):
            return source.relative_to(image_dir.absolute())
    return Path(source.name)


def _renaming(source: Path, finding: Finding) -> Iterator[FileMove]:
    """Give a photo the ending of its format under a name that stays in its split."""
    with Image.open(source, formats=PHOTO_FORMATS) as image:
        endings = SUFFIXES.get(image.format or "", ())
    if not endings:
        return
    number = 0
    while True:
        target = source.with_name(_name(source.stem, number, endings[0]))
        if _tenth(target.name) == _tenth(source.name) and not target.exists():
            yield FileMove("renamed", source, target, finding.kind, finding.message)
            return
        number += 1


def _tenth(name: str) -> int:
    """The tenth of the order of all photos that one stands in: the first tests, as is usual."""
    return place(group_of(name)) * 10 >> 64


def _free(path: Path) -> Path:
    """The path, numbered where there is a file already."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(_name(path.stem, number, path.suffix))
    return free


def _name(stem: str, number: int, ending: str) -> str:
    """A file name of at most `_LONGEST_NAME` bytes; `number` 0 is none."""
    end = f"-{number}{ending}" if number else ending
    room = _LONGEST_NAME - len(os.fsencode(end))
    if len(os.fsencode(stem)) > room:
        # A letter of several bytes may be cut in two.
        stem = os.fsencode(stem)[:room].decode("utf-8", "ignore")
    return stem + end


def _log(log: Path, move: FileMove) -> None:
    """Write what is about to happen, so that whatever happened is in the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        if not file.tell():
            writer.writerow(_COLUMNS)
        writer.writerow((move.action, move.source, move.target, move.kind, move.why))
        file.flush()
        os.fsync(file.fileno())


def _move(source: Path, target: Path) -> None:
    """Move a file, also to another disk; it is whole in one of the two places."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with replacing(target) as copy:
            shutil.copy2(source, copy)
        source.unlink()
