"""What was measured of the networks in the zoo: the figures as they are kept, in JSON."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from pi_classifier_training.evaluation.metrics import Accuracy, wilson
from pi_classifier_training.networks.imagenet import PUBLISHED
from pi_classifier_training.networks.spec import NetworkSpec

from benchmarks.errors import BenchmarkError
from pi_classifier.system.files import read_json_object, write_json

_LARGEST = 16 << 20


@dataclass(frozen=True, slots=True)
class Counted:
    """How many of `n` photos were named rightly."""

    right: int
    n: int

    @property
    def accuracy(self) -> Accuracy:
        """The share with its 95 % interval."""
        return wilson(self.right, self.n)


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """A model file: its sizes in bytes, and its answers through the device's classifier."""

    sha256: str
    size_bytes: int
    gzip_bytes: int
    test: Counted
    validation: Counted

    @classmethod
    def of(cls, entries: Mapping[str, Any]) -> Self:
        """What `asdict` made of one."""
        counts = {split: Counted(**entries[split]) for split in ("test", "validation")}
        return cls(**{**entries, **counts})


@dataclass(frozen=True, slots=True)
class Training:
    """How a network was trained, and the command that does it again.

    `kept` is the phase whose weights it ended with: ``head``, ``fine-tuning`` or ``scratch``;
    `epochs` how many epochs of the whole network it took, kept or not. `data`, `negatives` and
    `teachers` are names of folders, `weights` is a file of published ones.
    """

    command: str
    kept: str
    epochs: int
    seed: int
    data: str
    weights: str
    negatives: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()

    @property
    def head_alone(self) -> bool:
        """Whether no more than the head was trained."""
        return self.kept == "head" and not self.epochs

    @property
    def words(self) -> str:
        """How it was trained, in a few words."""
        words = f"fine-tuned, {self.epochs} epochs"
        if self.kept == "head":
            words = "last layer alone"
            if self.epochs:
                words += f" (fine-tuned for {self.epochs} epochs: no gain)"
        elif self.kept == "scratch":
            words = f"from scratch, {self.epochs} epochs"
        if self.teachers:
            words += f", learning from {' and '.join(self.teachers)}"
        others = self.data.split(" + ")[1:]
        if self.negatives:
            others.append("photos of nothing")
        if others:
            words += f", with {' and '.join(others)}"
        if self.seed != 1:
            words += f", seed {self.seed}"
        return words

    @classmethod
    def of(cls, entries: Mapping[str, Any]) -> Self:
        """What `asdict` made of one."""
        lists = {key: tuple(value) for key, value in entries.items() if isinstance(value, list)}
        return cls(**{**entries, **lists})


@dataclass(frozen=True, slots=True)
class Entry:
    """A trained network: its files by kind (``float32``, ``int8``, …) with their figures.

    `folds` counts all photos, each named by a head that was fitted without it, where the head
    alone was trained.
    """

    name: str
    network: NetworkSpec
    training: Training
    files: Mapping[str, MeasuredFile]
    folds: Counted | None = None

    @classmethod
    def of(cls, entries: Mapping[str, Any]) -> Self:
        """What `asdict` made of one."""
        folds = entries["folds"]
        return cls(
            entries["name"],
            NetworkSpec(**entries["network"]),
            Training.of(entries["training"]),
            {kind: MeasuredFile.of(file) for kind, file in entries["files"].items()},
            None if folds is None else Counted(**folds),
        )


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """The photos that all networks are measured on; `id` tells them from any others."""

    name: str
    labels: int
    photos: int
    test: int
    validation: int
    id: str


@dataclass(frozen=True, slots=True)
class Zoo:
    """All that was measured on one set of photos, by the entries' names."""

    photos: PhotoSet
    entries: Mapping[str, Entry]

    def ordered(self) -> list[Entry]:
        """All entries: by family, width and side, last layers alone first."""
        names = list(PUBLISHED)

        def place(entry: Entry) -> tuple[int, int, bool, str]:
            spec = entry.network
            position = names.index((spec.name, spec.width))
            return position, spec.resolution, entry.training.kept != "head", entry.name

        return sorted(self.entries.values(), key=place)

    def with_entry(self, entry: Entry) -> Zoo:
        """The same with one entry more, or another in its place."""
        return replace(self, entries={**self.entries, entry.name: entry})


def read_zoo(path: Path) -> Zoo:
    """The figures kept in a file. Raises BenchmarkError where it does not hold any."""
    try:
        kept = read_json_object(path, _LARGEST)
        entries = [Entry.of(entry) for entry in kept["networks"]]
        return Zoo(PhotoSet(**kept["photos"]), {entry.name: entry for entry in entries})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BenchmarkError(
            f"{path}: does not hold the figures of a zoo ({error}); restore it, or name another "
            "--docs folder"
        ) from error


def write_zoo(zoo: Zoo, path: Path) -> None:
    """Write the figures, in one piece."""
    entries = [asdict(zoo.entries[name]) for name in sorted(zoo.entries)]
    write_json(path, {"photos": asdict(zoo.photos), "networks": entries})


def update(path: Path, photos: PhotoSet, change: Callable[[Zoo], Zoo]) -> Zoo:
    """Change the figures in a file while no other program does; return them.

    A file that is not there begins empty. Raises BenchmarkError where it is about other photos.
    """
    with _held(path.parent):
        zoo = read_zoo(path) if path.exists() else Zoo(photos, {})
        require_same_photos(zoo, photos, path)
        changed = change(zoo)
        if changed is not zoo or not path.exists():
            write_zoo(changed, path)
        return changed


def require_same_photos(zoo: Zoo, photos: PhotoSet, path: Path) -> None:
    """Raise BenchmarkError where the figures are of other photos: they cannot be compared."""
    if zoo.photos != photos:
        raise BenchmarkError(
            f"{path}: its figures are of {zoo.photos.photos} photos of {zoo.photos.name}, these "
            f"are {photos.photos} photos of {photos.name} with other names or splits; name the "
            "same --image-dir, or another --docs folder"
        )


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Wait until no other program changes what lies in `folder`; the kernel ends it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
