"""Checks a folder of photos before anyone trains on it."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.photos import PHOTO_FORMATS, load_image
from pi_classifier_training.data.dataset import (
    Photo,
    listed_in,
    require_different,
    split_photos,
    walk,
)
from pi_classifier_training.data.label_folders import PHOTO_SUFFIXES, LabelFolder, label_folders
from pi_classifier_training.data.near_duplicates import DisjointSets, similar_pairs
from pi_classifier_training.data.sharing import Listed
from pi_classifier_training.data.similarity import GRAY_SIDE
from pi_classifier_training.data.splits import SPLITS, Split, SplitRule
from pi_classifier_training.data_check.finding_kinds import KINDS
from pi_classifier_training.data_check.findings import SEVERITIES, CheckResult, Finding
from pi_classifier_training.data_check.photo_probe import BROKEN, PhotoProbe, probe_photo

PathProgress = Callable[[Sequence[str]], Iterable[str]]

FEW_PHOTOS = 30
FEW_TO_TEST = 3
IMBALANCE = 4
_OTHER_PHOTOS = (
    ".heic",
    ".heif",
    ".avif",
    ".jp2",
    ".jxl",
    ".dng",
    ".cr2",
    ".nef",
)
_VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".h264", ".mpg")
# From this correlation on the photos may be the same pixel by pixel.
_MAYBE_EQUAL = 0.995


def check(
    image_dirs: Sequence[Path], progress: PathProgress = iter, rule: SplitRule | None = None
) -> CheckResult:
    """Probe every file of one or more folders of photos, shared out by `rule`.

    `progress` passes paths on and may show progress. Raises DatasetError where a folder is
    missing or has no label folders; all else is a finding.
    """
    listing = _Listing(image_dirs, rule or SplitRule())
    with _ProbeStore(len(listing.photos)) as store, warnings.catch_warnings():
        # Set once for all threads; sizes are checked before anything is decoded.
        warnings.simplefilter("ignore")
        for path, probe in _probed(listing.paths(), progress):
            store.add(probe)
            for kind in probe.kinds:
                listing.note(kind, (path,))
        _copies(listing, store)
    broken = {group[0] for kind in BROKEN for group in listing.groups.get(kind, ())}
    usable = [p for p in listing.photos if p.path_text not in broken]
    counts = _counts(usable, listing.labels)
    _note_labels(listing, counts)
    return _result(image_dirs, listing, counts)


class _Listing:
    """The photos, and findings about all other files."""

    def __init__(self, image_dirs: Sequence[Path], rule: SplitRule) -> None:
        self.labels: set[str] = set()
        self.groups: dict[str, list[tuple[str, ...]]] = {}
        self.splits: dict[str, Split] = {}
        require_different(image_dirs)
        listed = [self._list(image_dir) for image_dir in image_dirs]
        self.photos: Sequence[Photo] = split_photos(listed, rule)

    def note(self, kind: str, paths: tuple[str, ...]) -> None:
        self.groups.setdefault(kind, []).append(paths)

    def paths(self) -> Sequence[str]:
        return _Paths(self.photos)

    def _list(self, image_dir: Path) -> list[Listed]:
        photos: list[Listed] = []
        folders = label_folders(image_dir)
        self._note_around(image_dir, folders)
        nested = 0
        for folder in folders:
            before = len(photos)
            self.labels.add(folder.label)
            for place_text, name, kind in walk(str(folder.path)):
                if kind == "photo":
                    photos.append(listed_in(folder, place_text, name))
                else:
                    self._note_other(f"{place_text}/{name}", kind)
            if len(photos) == before:
                self.note("empty-label", (str(folder.path),))
            places = {photo.folder for photo in photos[before:]}
            nested += len(places) > 1 and str(folder.path) not in places
        if nested == len(folders) and not any(folder.split for folder in folders):
            self.note("folders-within", tuple(folder.label for folder in folders))
        return photos

    def _note_around(self, image_dir: Path, folders: Sequence[LabelFolder]) -> None:
        """What lies beside the folders of labels, and around them."""
        above = {folder.path.parent for folder in folders}
        around = {image_dir, *above} | {p for place in above for p in place.parents}
        within = {place for place in around if place.is_relative_to(image_dir)}
        listed = within | {folder.path for folder in folders}
        for place in sorted(within):
            for path in sorted(place.iterdir()):
                if path not in listed:
                    lost = path.name.lower().endswith(PHOTO_SUFFIXES) and path.name[0] != "."
                    self.note("no-label" if lost else "ignored", (str(path),))
        if any(folder.split for folder in folders):
            for place in sorted(above):
                self.note("stated-splits", (str(place),))

    def _note_other(self, path: str, kind: str) -> None:
        ending = Path(path).suffix.lower()
        if kind == "other" and ending in _OTHER_PHOTOS:
            self.note("other-format", (path,))
        else:
            self.note("video" if kind == "other" and ending in _VIDEOS else "ignored", (path,))


class _Paths(Sequence[str]):
    """Paths made when asked for: a large data set has very many."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, i: int) -> str:  # type: ignore[override]
        return self._photos[i].path_text


class _ProbeStore:
    """What is kept of each probe: 24 bytes in memory, the small picture in a nameless file."""

    def __init__(self, count: int) -> None:
        self.digests = np.zeros(count, "V16")
        self.hashes = np.zeros(count, np.uint64)
        self.shown = np.zeros(count, bool)
        self._file = tempfile.TemporaryFile(prefix="pi-classifier-check-")  # noqa: SIM115
        self._count = 0

    def add(self, probe: PhotoProbe) -> None:
        i = self._count
        self.digests[i] = probe.digest or i.to_bytes(16, "big")
        if probe.gray is not None:
            self.hashes[i] = probe.difference_hash
            self.shown[i] = True
            self._file.seek(i * GRAY_SIDE**2)
            self._file.write(probe.gray.tobytes())
        self._count += 1

    def small(self, i: int) -> NDArray[np.uint8]:
        """The small picture of photo `i`; `flush` first."""
        data = os.pread(self._file.fileno(), GRAY_SIDE**2, i * GRAY_SIDE**2)
        return np.frombuffer(data, np.uint8)

    def flush(self) -> None:
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _probed(paths: Sequence[str], progress: PathProgress) -> Iterator[tuple[str, PhotoProbe]]:
    """Probe files on all processors, in order, few at a time.

    Few, so that what waits to be yielded does not fill the memory.
    """
    workers = os.cpu_count() or 1
    waiting: deque[tuple[str, Future[PhotoProbe]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for path in progress(paths):
            waiting.append((path, pool.submit(probe_photo, path)))
            if len(waiting) > 8 * workers:
                done, probe = waiting.popleft()
                yield done, probe.result()
        for done, probe in waiting:
            yield done, probe.result()


def _copies(listing: _Listing, store: _ProbeStore) -> None:
    """Find copies, by bytes and by pixels, and photos that look alike."""
    store.flush()
    same = DisjointSets(len(listing.photos))
    order = np.argsort(store.digests, kind="stable")
    digests = store.digests[order]
    for k in np.flatnonzero(digests[1:] == digests[:-1]).tolist():
        same.join(int(order[k]), int(order[k + 1]))
    repeated = {i for group in same.members() for i in group[1:]}
    chosen = np.array([i for i in np.flatnonzero(store.shown) if int(i) not in repeated], np.int64)
    near = DisjointSets(len(listing.photos))
    pairs = similar_pairs(store.hashes[chosen], lambda i: store.small(int(chosen[i])))
    for a, b, value in pairs:
        i, j = int(chosen[a]), int(chosen[b])
        near.join(i, j)
        if value >= _MAYBE_EQUAL and _equal(listing.photos[i].path, listing.photos[j].path):
            same.join(i, j)
    for group in same.members():
        _note_group(listing, group, ("two-labels", "copy-across-splits", "copy"))
    for group in near.members():
        # Copies have a finding of their own: of each only the first counts here.
        firsts = sorted({same.root(i) for i in group})
        if len(firsts) > 1:
            _note_group(listing, firsts, ("alike-two-labels", "alike-across-splits", "alike"))


def _equal(a: Path, b: Path) -> bool:
    """Whether two photos have the same pixels, once turned as their EXIF data says."""
    try:
        with (
            Image.open(a, formats=PHOTO_FORMATS) as one,
            Image.open(b, formats=PHOTO_FORMATS) as other,
        ):
            if sorted(one.size) != sorted(other.size):
                return False
        return bool(np.array_equal(load_image(a), load_image(b)))
    except (ImageError, OSError):
        return False


def _note_group(listing: _Listing, group: Sequence[int], kinds: tuple[str, str, str]) -> None:
    photos = [listing.photos[i] for i in group]
    if len({p.label for p in photos}) > 1:
        kind = kinds[0]
    else:
        kind = kinds[1] if len({p.split for p in photos}) > 1 else kinds[2]
    listing.note(kind, tuple(p.path_text for p in photos))
    listing.splits.update((p.path_text, p.split) for p in photos)


def _counts(photos: Iterable[Photo], labels: Iterable[str]) -> dict[str, dict[str, int]]:
    counted = Counter((p.label, p.split) for p in photos)
    return {label: {split: counted[label, split] for split in SPLITS} for label in sorted(labels)}


def _note_labels(listing: _Listing, counts: dict[str, dict[str, int]]) -> None:
    """Findings about labels; their `paths` are label names."""
    totals = {label: sum(splits.values()) for label, splits in counts.items()}
    if len(counts) < 2:
        listing.note("one-label", tuple(counts))
    for label, splits in counts.items():
        if not all(splits.values()):
            listing.note("too-few", (label,))
        elif totals[label] < FEW_PHOTOS or min(splits.values()) < FEW_TO_TEST:
            listing.note("few", (label,))
        if totals[label] * IMBALANCE < max(totals.values()):
            listing.note("imbalance", (label,))


def _result(
    image_dirs: Sequence[Path], listing: _Listing, counts: dict[str, dict[str, int]]
) -> CheckResult:
    start = f"{image_dirs[0]}/" if len(image_dirs) == 1 else ""
    findings = [
        Finding(
            kind,
            about.severity,
            about.message,
            about.advice,
            tuple(
                tuple(path.removeprefix(start) for path in group) for group in listing.groups[kind]
            ),
        )
        for kind, about in KINDS.items()
        if kind in listing.groups
    ]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    splits = {path.removeprefix(start): split for path, split in listing.splits.items()}
    return CheckResult(tuple(map(str, image_dirs)), tuple(findings), counts, splits)
