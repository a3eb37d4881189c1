"""What the machine that began hands to the others, and what it takes from them.

Photos and weights lie where the command was given; a node that has the same files under the
same names, on a shared file system for example, reads its own. What a trial leaves behind
goes back to that machine alone, so that no folder need be shared.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray

from pi_classifier.system.files import write_atomic, write_json
from pi_classifier.system.folders import cache_folder
from pi_classifier_training.cluster.connection import Cluster
from pi_classifier_training.data.dataset import Photo, walk
from pi_classifier_training.errors import ClusterError
from pi_classifier_training.features.bottlenecks import BottleneckCache

log = logging.getLogger(__name__)

Listing = list[tuple[str, bytes]]
"""Photos of a folder: path within it, and SHA-256 of the file."""

_AT_ONCE = 64
_CHUNK_BYTES = 8 * 1024 * 1024


class Depot:
    """Runs on the machine of the command, for all nodes."""

    def __init__(self, cache_dir: str | None) -> None:
        self._cache_dir = cache_dir
        self._listings: dict[str, Listing] = {}
        self._digests: dict[str, bytes] = {}

    def read(self, paths: Sequence[str]) -> list[bytes]:
        """The files' bytes; none of one that cannot be read."""
        return [_bytes_of(path) for path in paths]

    def listing(self, folder: str) -> Listing:
        """The photos of a folder; looked at once."""
        if folder not in self._listings:
            self._listings[folder] = listing(folder, self._cache_dir)
        return self._listings[folder]

    def digest(self, path: str) -> bytes:
        """SHA-256 of a file; looked at once."""
        if path not in self._digests:
            self._digests[path] = _digest(path)
        return self._digests[path]

    def begin(self, folder: str) -> None:
        """Make room for what a trial left, beside its folder."""
        arriving = _arriving(folder)
        shutil.rmtree(arriving, ignore_errors=True)
        arriving.mkdir(parents=True)

    def take(self, folder: str, name: str, part: bytes) -> None:
        """Add a part of one of its files."""
        path = _arriving(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(part)

    def finish(self, folder: str, name: str, result: dict[str, Any]) -> None:
        """Put the whole in its place, the result in the file `name` of it."""
        arriving = _arriving(folder)
        write_json(arriving / name, result)
        shutil.rmtree(folder, ignore_errors=True)
        arriving.rename(folder)


def opened_depot(cluster: Cluster, cache_dir: str | None) -> Any:
    """A depot on this machine; Ray's handle, which may be sent to any node."""
    kind = ray.remote(num_cpus=0, max_restarts=3, max_task_retries=3)(Depot)
    return kind.options(scheduling_strategy=cluster.here.affinity()).remote(cache_dir)


def send_back(depot: Any, source: Path, folder: str, name: str, result: dict[str, Any]) -> None:
    """Send the files in `source` to the machine that began, into `folder` there."""
    ray.get(depot.begin.remote(folder))
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source).as_posix()
        if path.is_file() and relative != name:
            with path.open("rb") as file:
                # The first part makes the file, even an empty one.
                part = file.read(_CHUNK_BYTES)
                while True:
                    ray.get(depot.take.remote(folder, relative, part))
                    part = file.read(_CHUNK_BYTES)
                    if not part:
                        break
    ray.get(depot.finish.remote(folder, name, result))


def photo_bytes(depot: Any, paths: Sequence[str], keys: Sequence[bytes]) -> list[bytes]:
    """The photos' files: this node's own where they are the same, else the depot's.

    Empty where neither has a file of that SHA-256.
    """
    own = [_bytes_of(path) for path in paths]
    lacking = [i for i, key in enumerate(keys) if hashlib.sha256(own[i]).digest() != key]
    if lacking:
        sent = ray.get(depot.read.remote([paths[i] for i in lacking]))
        for i, data in zip(lacking, sent, strict=True):
            own[i] = data if hashlib.sha256(data).digest() == keys[i] else b""
    return own


def local_folder(depot: Any, folder: str, cache_dir: str | None) -> str:
    """A folder on this node with the photos of `folder`: it itself, or a copy in the cache."""
    wanted: Listing = ray.get(depot.listing.remote(folder))
    if Path(folder).is_dir() and listing(folder, cache_dir) == wanted:
        return folder
    name = hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]
    copy = cache_folder() / "photos" / name / Path(folder).name
    if not copy.is_dir():
        _fetch(depot, folder, wanted, copy)
    return str(copy)


def local_file(depot: Any, path: str) -> str:
    """A file on this node with the bytes of `path`: it itself, or a copy in the cache."""
    wanted: bytes = ray.get(depot.digest.remote(path))
    if not wanted or _digest(path) == wanted:
        return path
    copy = cache_folder() / "weights" / wanted.hex()[:16] / Path(path).name
    if _digest(str(copy)) != wanted:
        copy.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(copy, ray.get(depot.read.remote([path]))[0])
    return str(copy)


def listing(folder: str, cache_dir: str | None) -> Listing:
    """The photos in a folder and the folders in it."""
    # Of a photo only the file matters here.
    photos = [
        Photo.of(place, name, "", "training")
        for place, name, kind in walk(folder)
        if kind == "photo"
    ]
    with BottleneckCache.at(cache_dir) as cache:
        keys = cache.contents(photos)
    return [
        (photo.path.relative_to(folder).as_posix(), bytes(key))
        for photo, key in zip(photos, keys, strict=True)
    ]


def _fetch(depot: Any, folder: str, wanted: Listing, copy: Path) -> None:
    """Copy photos from the depot; the copy is there when it is whole."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=copy.parent))
    try:
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            sent = ray.get(depot.read.remote([f"{folder}/{path}" for path, _ in some]))
            for (path, key), data in zip(some, sent, strict=True):
                if hashlib.sha256(data).digest() != key and key:
                    raise ClusterError(f"{folder}/{path}: has changed meanwhile; begin again")
                target = partial / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        if not copy.is_dir():  # another trial on this node may have been quicker
            partial.rename(copy)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _arriving(folder: str) -> Path:
    path = Path(folder)
    return path.with_name(f".arriving-{path.name}")


def _bytes_of(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _digest(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""
