"""The bottleneck cache: what the untouched network makes of a photo, computed once for ever.

A photo is known by the SHA-256 of its bytes, so the same picture is recognized under any
name, in any data set, by any run. Bottlenecks lie in one folder per network, weights and
preprocessing; see `row_store` for how they are kept whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pi_classifier.preprocessing.photos import PIXELS_VERSION
from pi_classifier.preprocessing.preprocessor import Resize
from pi_classifier.system.files import write_json
from pi_classifier.system.folders import cache_folder
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.errors import CacheError
from pi_classifier_training.features.computing import BATCH, Compute, ComputedHere, Work
from pi_classifier_training.features.photo_hashes import hash_photos
from pi_classifier_training.features.row_store import KEY_BYTES, Keys, RowStore
from pi_classifier_training.networks.network import Network, weights_id
from pi_classifier_training.progress import Progress

log = logging.getLogger(__name__)

NONE = "none"
_FREE_MARGIN_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Bottlenecks:
    """Bottlenecks of photos, in memory-mapped tables.

    `indices` are the label indices, int64 ``[n]``. `rows` are the row numbers in each
    of `tables`, int64 ``[views, n]``; a table is float32 ``[rows, channels]``. The first
    view is the photo as it is, the second its mirror image. `unreadable` lists photos
    left out, one message each.
    """

    photos: tuple[Photo, ...]
    indices: NDArray[np.int64]
    tables: tuple[NDArray[np.float32], ...]
    rows: NDArray[np.int64]
    unreadable: tuple[str, ...]

    def __len__(self) -> int:
        """Photos times views: sample i is photo ``i % n`` in view ``i // n``."""
        return self.rows.size

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and channels: what an array of all would have."""
        return len(self), self.tables[0].shape[1]

    def __getitem__(self, samples: slice) -> NDArray[np.float32]:
        """Samples in a row, as `gather` reads them."""
        return self.gather(np.arange(*samples.indices(len(self))))

    def gather(self, samples: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read the bottlenecks of `samples`, float32 ``[len(samples), channels]``."""
        out = np.empty((len(samples), self.tables[0].shape[1]), np.float32)
        views, photos = np.divmod(samples, len(self.indices))
        for view, table in enumerate(self.tables):
            chosen = views == view
            out[chosen] = table[self.rows[view, photos[chosen]]]
        return out

    def labels_of(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Label indices of `samples`, int64."""
        return self.indices[samples % len(self.indices)]


class BottleneckCache:
    """A folder of bottlenecks and a note of which file has which content.

    With `folder` None the same is kept in files without a name, for this run only.
    """

    def __init__(self, folder: Path | None, compute: Compute | None = None) -> None:
        """Keep rows in `folder`; what is missing is made by `compute`, None: by this process."""
        self.folder = folder
        self._open_stores: list[RowStore] = []
        self._here = ComputedHere()
        self._compute = compute or self._here
        self._contents = self._store("", "photos", KEY_BYTES)

    @classmethod
    def at(cls, text: str | None, compute: Compute | None = None) -> BottleneckCache:
        """The cache a user names: a folder, ``none``, or None for the usual one."""
        if text == NONE:
            return cls(None, compute)
        return cls(cache_folder() / "bottlenecks" if text is None else Path(text), compute)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self._open_stores:
            store.close()

    def _store(self, part: str, name: str, row_bytes: int) -> RowStore:
        if self.folder is not None:
            store = RowStore(self.folder / part, name, row_bytes)
        else:
            scratch = Path(tempfile.mkdtemp(prefix="pi-classifier-bottlenecks-"))
            try:
                store = RowStore(scratch, name, row_bytes)
            finally:
                # Open files stay usable without a name, and nothing is left behind.
                shutil.rmtree(scratch)
        self._open_stores.append(store)
        return store

    def contents(self, photos: Sequence[Photo]) -> Keys:
        """SHA-256 of every photo's bytes, ``S32`` ``[n]``; empty where it cannot be read."""
        return hash_photos(photos, self._contents)

    def features(
        self,
        network: Network,
        resize: Resize,
        photos: Sequence[Photo],
        keys: Keys,
        *,
        mirrored: bool,
        title: str,
    ) -> Bottlenecks:
        """Bottlenecks of `photos` with contents `keys`, computed where they are missing.

        Raises CacheError where they cannot be kept.
        """
        channels = int(network.backbone.outputs[-1].shape[-1])
        part = self._part(network, resize)
        names = ("plain", "mirrored") if mirrored else ("plain",)
        stores = [self._store(part, name, 4 * channels) for name in names]
        unique, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
        wanted = np.sort(firsts[unique != b""])
        missing = np.zeros(len(wanted), bool)
        for store in stores:
            missing |= store.find(keys[wanted]) < 0
        todo = wanted[missing]
        self._require_space(len(todo) * len(stores) * 4 * channels)
        work = Work(network, resize, photos, keys, todo, len(stores))
        made = self._compute(work)
        with Progress(title, len(todo)) as progress:
            for rows, views in made:
                for store, features in zip(stores, views, strict=True):
                    _add_missing(store, keys[rows], features)
                progress.step(len(rows))
        for store in stores:
            store.refresh()
        rows = np.stack([store.find(keys) for store in stores])
        reasons = _reasons(photos, keys, inverse, work.failed)
        return _as_bottlenecks(photos, network.labels, stores, rows, reasons)

    def features_per_second(
        self, network: Network, resize: Resize, photos: Sequence[Photo]
    ) -> float:
        """How many photos a second become features here, reading their files included.

        The first of two batches, in which TensorFlow compiles the network, is not counted.
        """
        todo = np.resize(np.arange(len(photos)), 2 * BATCH)
        made = self._here(Work(network, resize, photos, np.empty(0, "S32"), todo, 1))
        next(made)
        started = time.monotonic()
        count = sum(len(rows) for rows, _ in made)
        return count / (time.monotonic() - started)

    def _part(self, network: Network, resize: Resize) -> str:
        about = {
            "network": network.spec.as_dict(),
            "weights": weights_id(network.spec, network.backbone),
            "resize": resize,
            "preprocessing": preprocessing_id(),
        }
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        part = f"{network.spec.name}-{network.spec.resolution}-{digest}"
        if self.folder is not None:
            try:
                (self.folder / part).mkdir(parents=True, exist_ok=True)
                write_json(self.folder / part / "about.json", about)
            except OSError as error:
                raise CacheError.of(self.folder, error) from error
        return part

    def _require_space(self, size_bytes: int) -> None:
        if self.folder is None or not size_bytes:
            return
        free = shutil.disk_usage(self.folder).free
        if free < size_bytes + _FREE_MARGIN_BYTES:
            raise CacheError(
                f"{self.folder}: has {free / 1e6:.0f} MB free, and these photos' bottlenecks "
                f"need {(size_bytes + _FREE_MARGIN_BYTES) / 1e6:.0f} MB; free some space, name "
                "another folder with --cache-dir, or keep none with --cache-dir none"
            )


def preprocessing_id() -> str:
    """What decides the pixels a network sees: our code and the library reading the files."""
    from importlib.metadata import version

    return f"{PIXELS_VERSION}, pillow {version('pillow')}"


def _add_missing(store: RowStore, keys: Keys, features: NDArray[np.float32]) -> None:
    new = store.find(keys) < 0
    if new.any():
        store.add(keys[new], np.ascontiguousarray(features[new]).view(np.uint8))


def _as_bottlenecks(
    photos: Sequence[Photo],
    labels: Sequence[str],
    stores: Sequence[RowStore],
    rows: NDArray[np.int64],
    reasons: dict[int, str],
) -> Bottlenecks:
    kept = np.flatnonzero((rows >= 0).all(axis=0))
    index = {label: i for i, label in enumerate(labels)}
    tables = tuple(store.mapped().view(np.float32) for store in stores)
    chosen = photos if len(kept) == len(photos) else [photos[i] for i in kept.tolist()]
    return Bottlenecks(
        tuple(chosen),
        np.fromiter((index[photo.label] for photo in chosen), np.int64, len(chosen)),
        tables,
        rows[:, kept],
        tuple(reasons[i] for i in sorted(reasons)),
    )


def _reasons(
    photos: Sequence[Photo], keys: Keys, inverse: NDArray[np.intp], failed: dict[int, str]
) -> dict[int, str]:
    """Why photos could not be read, one message each, also for copies of one content."""
    reasons = {}
    by_content = {int(inverse[number]): number for number in failed}
    for number in np.flatnonzero((keys == b"") | np.isin(inverse, list(by_content))).tolist():
        first = by_content.get(int(inverse[number]))
        if first is None:
            reasons[number] = f"{photos[number].path}: cannot be opened; check its permissions"
        else:
            text = failed[first]
            reasons[number] = text.replace(str(photos[first].path), str(photos[number].path))
    return reasons
